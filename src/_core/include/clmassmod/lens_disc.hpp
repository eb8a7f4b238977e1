// Magnification averaged over a uniform source disc.
//
// Surface brightness is conserved, so the magnification is the area of the image over that of the
// disc. With beta'(x) the source offset seen at x and 2 phi the angle of the circle of radius beta'
// that the disc covers, the area of an image is int 2 phi(beta'(x)) x dx between the images of the
// edges of the disc: no further lens equation is solved. Image A is what lies outside the Einstein
// ring, B between the ring and the radial critical curve; the part of the disc beyond the caustic
// has no image B.
#pragma once

#include <algorithm>
#include <cmath>

#include "clmassmod/lens_images.hpp"

namespace clmassmod {

// Half the angle of the circle of radius `offset` inside the disc of radius r around beta:
// sin^2(phi/2) = (r^2 - (beta - offset)^2) / (4 beta offset).
CLMASSMOD_INLINE double half_angle(double beta, double offset, double r) noexcept {
    const double gap = beta - offset;
    const double square = (r - gap) * (r + gap) / (4.0 * beta * offset);
    return 2.0 * std::asin(std::sqrt(std::min(std::max(square, 0.0), 1.0)));
}

// Area of the partly covered circles between radii low < high of the image plane. The angle has
// roots at both ends: x = middle - half cos t makes the integrand smooth.
template <class Lens>
inline double partial_area(const Lens& lens, double beta, double r, double side, double low,
                           double high) noexcept {
    const double middle = 0.5 * (low + high);
    const double half = 0.5 * (high - low);
    double sum = 0.0;
    for (std::size_t j = 0; j < kNodes; ++j) {
        const double t = kPi * kGauss.node[j];
        const double x = middle - half * std::cos(t);
        const double offset = side * (x - lens.at(x).deflection());
        sum += kPi * kGauss.weight[j] * half * std::sin(t) * 2.0 * half_angle(beta, offset, r) * x;
    }
    return sum;
}

// |mu| of image A averaged over the disc.
template <class Lens>
inline double disc_outer(const Lens& lens, const LensStructure& s, double beta, double r) noexcept {
    const double nearest = std::fabs(beta - r);
    const double low = outer_image(lens, s, nearest).radius;
    const double high = outer_image(lens, s, beta + r).radius;
    const double ring = s.einstein.x;
    const double whole = beta < r ? kPi * (low - ring) * (low + ring) : 0.0;
    const double part = beta == 0.0 ? 0.0 : partial_area(lens, beta, r, 1.0, low, high);
    return (whole + part) / (kPi * r * r);
}

// |mu| of image B averaged over the disc, of which only what is inside the caustic has an image.
template <class Lens>
inline double disc_inner(const Lens& lens, const LensStructure& s, double beta, double r) noexcept {
    // without a radial critical curve images go on inwards to where they are looked for
    const double deepest = s.innermost().x;
    const auto image = [&](double offset) {
        const LensImage b = inner_image(lens, s, offset);
        return b.status == LensStatus::ok ? b.radius : deepest;
    };
    const double nearest = std::fabs(beta - r);
    const double high = image(nearest);
    const double low = image(beta + r);
    const double ring = s.einstein.x;
    const double whole = beta < r ? kPi * (ring - high) * (ring + high) : 0.0;
    const double part =
        beta == 0.0 || !(high > low) ? 0.0 : partial_area(lens, beta, r, -1.0, low, high);
    return (whole + part) / (kPi * r * r);
}

}  // namespace clmassmod
