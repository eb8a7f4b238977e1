// Images of a source at beta >= 0 on the +x axis: A at x > 0 outside the Einstein ring, B at x < 0
// between the radial critical radius and the ring, C at x < 0 inside the radial critical radius.
//
// At an image T = +-beta/x by the lens equation itself, free of cancellation near the ring.
#pragma once

#include <algorithm>
#include <cmath>

#include "clmassmod/lens_structure.hpp"
#include "clmassmod/quadrature.hpp"

namespace clmassmod {

// An image: |x|, signed magnification, radial factor R.
struct LensImage {
    double radius, magnification, radial;
    LensStatus status;
};

constexpr LensImage no_image(LensStatus status) noexcept { return {kNaN, kNaN, kNaN, status}; }

// `side` is +1 for A and -1 for the others.
CLMASSMOD_INLINE LensImage image_at(const LensPoint& p, double beta, double side) noexcept {
    const double radial = 1.0 - p.stretch();
    return {p.x, side * p.x / (beta * radial), radial, LensStatus::ok};
}

// What an interval without inner numbers may leave of the lens equation, relative.
constexpr double kRounding = 1e-12;

// Root of `side (x - side alpha) - beta` in (low, high): x - alpha - beta for A, alpha - x - beta
// for B and C, which rises with x for A and C and falls for B.
template <class Lens>
CLMASSMOD_INLINE LensImage find_image(const Lens& lens, double beta, double side, bool rising,
                                      double low, double high, double guess) noexcept {
    double x = guess;
    for (int step = 0; step < kMostSteps; ++step) {
        const LensPoint p = lens.at(x);
        const double value = side * (x - p.deflection()) - beta;
        if (!(value == value)) return no_image(LensStatus::not_a_number);
        ((value < 0.0) == rising ? low : high) = x;
        const double d =
            halley_step(x, value, side * (1.0 - p.stretch()), -side * p.stretch_slope());
        // near the caustic a second root is close: the step must be small beside its distance too
        const bool single =
            std::fabs(d * p.stretch_slope()) <= kLastBend * std::fabs(x * (1.0 - p.stretch()));
        if (single && std::fabs(d) <= kLastImageStep * x)
            return image_at(advance(p, d / x), beta, side);
        const double next = x + d;
        x = strictly_between(next, low, high) ? next : middle_of(low, high);
        if (!(high > low * (1.0 + 4e-16)))
            return std::fabs(value) <= kRounding * (x + beta)
                       ? image_at(p, beta, side)
                       : no_image(LensStatus::no_convergence);
    }
    return no_image(LensStatus::no_convergence);
}

// Image A. Outside the ring x - alpha rises.
template <class Lens>
CLMASSMOD_INLINE LensImage outer_image(const Lens& lens, const LensStructure& s,
                                       double beta) noexcept {
    const LensPoint& ring = s.einstein;
    if (beta == 0.0) return image_at(ring, beta, 1.0);
    const double d = halley_step(ring.x, -beta, 1.0 - ring.stretch(), -ring.stretch_slope());
    const double guess = d > 0.0 && d < 4.0 * (beta + ring.x) ? ring.x + d : ring.x + beta;
    return find_image(lens, beta, 1.0, true, ring.x, kInfinity, guess);
}

// First guess of |x_B|: with w = sqrt(1 - beta/y_c), x is smooth in w from the critical radius
// (w = 0) to the ring (w = 1); cubic Hermite interpolation between them.
CLMASSMOD_INLINE double guess_inner(const LensStructure& s, double beta) noexcept {
    const LensPoint& ring = s.einstein;
    const LensPoint& critical = s.radial;
    const double ring_radial = 1.0 - ring.stretch();
    if (!s.has_radial()) return ring.x * ring.x / (ring.x + beta / ring_radial);
    const double w = std::sqrt(1.0 - beta / s.caustic);
    const double m0 = std::sqrt(2.0 * s.caustic * critical.x / -critical.stretch_slope());
    const double m1 = 2.0 * s.caustic / ring_radial;
    const double v = 1.0 - w;
    const double cubic = w * (v * (v * m0 - w * m1) + w * (3.0 - 2.0 * w) * (ring.x - critical.x));
    const double guess = critical.x + cubic;
    return strictly_between(guess, critical.x, ring.x)
               ? guess
               : critical.x + w * w * (ring.x - critical.x) + v * w * std::min(m0, ring.x);
}

template <class Lens>
CLMASSMOD_INLINE LensImage inner_image(const Lens& lens, const LensStructure& s,
                                       double beta) noexcept {
    if (beta == 0.0) return image_at(s.einstein, beta, -1.0);
    if (!(beta < s.caustic)) return no_image(LensStatus::single_image);
    const double guess = guess_inner(s, beta);
    const LensPoint end = s.innermost();
    // further in than is looked
    if (!s.has_radial() && !(end.deflection() - end.x > beta))
        return no_image(LensStatus::single_image);
    const double low = end.x;
    const double inside =
        strictly_between(guess, low, s.einstein.x) ? guess : middle_of(low, s.einstein.x);
    return find_image(lens, beta, -1.0, false, low, s.einstein.x, inside);
}

// Image C; alpha - x rises from the centre to the radial critical radius.
template <class Lens>
CLMASSMOD_INLINE LensImage central_image(const Lens& lens, const LensStructure& s,
                                         double beta) noexcept {
    if (!(beta < s.caustic) || !s.has_radial()) return no_image(LensStatus::single_image);
    const double end = std::max(lens.innermost(), kInnermostPart * s.einstein.x);
    const LensPoint p = lens.at(end);
    // alpha does not vanish at the centre, or the image is further in than is looked
    if (!(p.deflection() - p.x < beta)) return no_image(LensStatus::ok);
    return find_image(lens, beta, -1.0, true, end, s.radial.x, std::sqrt(end * s.radial.x));
}

// int_b^x alpha dx by Gauss panels in ln x.
template <class Lens>
CLMASSMOD_INLINE double deflection_integral(const Lens& lens, double b, double x) noexcept {
    const double range = std::log(x / b);
    const int panels = 1 + static_cast<int>(range / 2.0);
    const double width = range / panels;
    double sum = 0.0;
    for (int panel = 0; panel < panels; ++panel)
        for (std::size_t j = 0; j < kNodes; ++j) {
            const double r = b * exp_flushed(width * (panel + kGauss.node[j]));
            sum += width * kGauss.weight[j] * (r * r * lens.at(r).v.mean);
        }
    return sum;
}

// Fermat potential of B minus that of A, in the square of the unit of length: with the deflections
// x_A - beta and b + beta, (alpha_B^2 - alpha_A^2)/2 + int_b^{x_A} alpha dx.
template <class Lens>
CLMASSMOD_INLINE double fermat_difference(const Lens& lens, double x_a, double b,
                                          double beta) noexcept {
    if (!(b > 0.0 && x_a >= b)) return kNaN;
    // (b + beta)^2 - (x_A - beta)^2
    const double squares = (b + x_a) * (b - x_a + 2.0 * beta);
    return 0.5 * squares + deflection_integral(lens, b, x_a);
}

}  // namespace clmassmod
