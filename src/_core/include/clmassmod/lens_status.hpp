// What came of one lens, with one number per outcome shared by C++, Cython and Python.
#pragma once

namespace clmassmod {

enum class LensStatus : int {
    ok = 0,
    no_einstein_ring = 1,  // the mean convergence is below 1 everywhere
    single_image = 2,      // the source lies on or beyond the radial caustic, or B at the centre
    no_convergence = 3,
    not_a_number = 4,
    no_stellar_mass = 5,               // inversion: the halo alone deflects too much
    source_behind_axis = 6,            // inversion: beta < 0
    inside_radial_critical_curve = 7,  // inversion: image B is a central image
};

}  // namespace clmassmod
