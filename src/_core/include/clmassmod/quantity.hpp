// What can be asked of a profile, with one number per quantity shared by C++, Cython, Python.
#pragma once

namespace clmassmod {

enum class Quantity : int {
    density = 0,
    enclosed_mass = 1,
    surface_density = 2,
    mean_surface_density = 3,
    excess_surface_density = 4,
    enclosed_mass_2d = 5,
    surface_density_slope = 6,  // d Sigma / d ln R
    density_slope = 7,          // d rho / d ln r
    convergence = 8,
    tangential_shear = 9,
    reduced_tangential_shear = 10,
    magnification = 11,
    tangential_ellipticity = 12,  // expected of galaxies: g_t, or 1/g_t beyond |g_t| = 1
};

}  // namespace clmassmod
