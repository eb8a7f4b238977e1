// Einstein radius, radial critical radius and radial caustic of an axisymmetric lens.
#pragma once

#include <algorithm>
#include <cmath>

#include "clmassmod/axisym.hpp"
#include "clmassmod/lens_status.hpp"

namespace clmassmod {

// A step this small (relative) ends a search of third order: what is left is its cube. The values
// at the end follow from those before it by Taylor's series, the stretch to the square of the step:
// images, whose magnification needs it, are held to less.
constexpr double kLastStep = 2e-5;
constexpr double kLastImageStep = 3e-6;
// How much the slope of the lens equation may change over such a step: what is left of the image's
// distance to the critical curve is the cube.
constexpr double kLastBend = 1e-4;
// How far 1/stretch may be from 1: before Newton's method, which leaves the square, and (product at
// two points) before interpolation between them, which leaves the squares of both.
constexpr double kLastNewton = 1e-8;
constexpr double kLastSteps = 3e-7;
constexpr int kMostSteps = 100;

// Where images and critical radii are looked for: not inside this part of the Einstein radius, nor
// where kbar is so large that the stretch, its difference from -kbar', is known to less than 1.
constexpr double kInnermostPart = 1e-12;
constexpr double kLargestMean = 5e9;

struct LensStructure {
    LensPoint einstein;  // T = 0
    // Outermost R = 0. Where there is none, the last point of the search inwards with its x
    // negated: the structure is as small as it can be, since it lies between the hot loops.
    LensPoint radial;
    double caustic;  // y_c = alpha - x at the radial critical radius
    LensStatus status;

    CLMASSMOD_INLINE bool has_radial() const noexcept { return radial.x > 0.0; }
    CLMASSMOD_INLINE double radial_radius() const noexcept {
        return radial.x < 0.0 ? 0.0 : radial.x;
    }
    // the innermost point that images B are looked for at
    CLMASSMOD_INLINE LensPoint innermost() const noexcept {
        return {std::fabs(radial.x), radial.v, radial.first_stretch};
    }
};

// The point moved by a small relative step.
CLMASSMOD_INLINE LensPoint advance(const LensPoint& p, double step) noexcept {
    const double d = step - 0.5 * step * step;  // ln(1 + step)
    return {p.x + p.x * step,
            {p.v.mean + d * (p.v.slope + 0.5 * d * p.v.bend), p.v.slope + d * p.v.bend, p.v.bend},
            p.first_stretch};
}

CLMASSMOD_INLINE bool strictly_between(double x, double low, double high) noexcept {
    return x > low && x < high;
}

// Where the interval between two radii is halved; `high` may be infinite.
CLMASSMOD_INLINE double middle_of(double low, double high) noexcept {
    if (!(high < kInfinity)) return 4.0 * low;
    return low > 0.0 ? std::sqrt(low * high) : 0.1 * high;
}

// Halley's step for a function of x with value, derivative and x times its second derivative.
CLMASSMOD_INLINE double halley_step(double x, double value, double first,
                                    double x_second) noexcept {
    const double newton = -value / first;
    return newton / (1.0 + 0.5 * newton * x_second / (x * first));
}

// Root of x - alpha, which is linear in x for an isothermal lens. Where it does not rise (inside
// the radial critical radius) kbar tells the direction: it falls everywhere.
template <class Lens>
CLMASSMOD_INLINE LensPoint find_einstein(const Lens& lens, LensStatus& status) noexcept {
    const double innermost = lens.innermost();
    double x = std::max(lens.typical(), innermost);
    double low = 0.0, high = kInfinity;
    for (int step = 0; step < kMostSteps; ++step) {
        const LensPoint p = lens.at(x);
        if (!(p.v.mean > 0.0 && p.v.mean < kInfinity)) {
            status = LensStatus::not_a_number;
            return p;
        }
        (p.v.mean > 1.0 ? low : high) = x;
        if (!(p.v.mean > 1.0) && x <= innermost) {
            status = LensStatus::no_einstein_ring;
            return p;
        }
        const double radial = 1.0 - p.stretch();
        const double d = halley_step(x, x - p.deflection(), radial, -p.stretch_slope());
        // close to the radial critical radius Halley's steps are short without a root
        const bool bent = std::fabs(d * p.stretch_slope()) > kLastBend * x * radial;
        if (radial > 0.0 && !bent && std::fabs(d) <= kLastStep * x) {
            status = LensStatus::ok;
            return advance(p, d / x);
        }
        const double next = x + d;
        // a long way inwards, or from where x - alpha falls, the step means nothing
        const bool good = radial > 0.1 &&
                          strictly_between(next, std::max(low, 0.125 * x), std::min(high, 8.0 * x));
        x = std::max(good ? next : middle_of(low, high), innermost);
    }
    status = LensStatus::no_convergence;
    return kNowhere;
}

// Where the stretch is 1, by inverse cubic Hermite interpolation of x as a function of 1/stretch,
// which is nearly linear: of fourth order in the distances of the two points.
CLMASSMOD_INLINE double unit_stretch(const LensPoint& a, const LensPoint& b) noexcept {
    const double inverse_a = 1.0 / a.stretch(), inverse_b = 1.0 / b.stretch();
    const double h = inverse_b - inverse_a;
    const double t = (1.0 - inverse_a) / h;
    const double s = 1.0 - t;
    // dx / d(1/stretch) = -x stretch^2 / stretch'
    const double da = -h * a.x * a.stretch() * a.stretch() / a.stretch_slope();
    const double db = -h * b.x * b.stretch() * b.stretch() / b.stretch_slope();
    return a.x + t * (s * (s * da - t * db) + t * (3.0 - 2.0 * t) * (b.x - a.x));
}

// The critical radius in (low, high), with stretch >= 1 at `low` and below 1 at `high`, from x:
// a step of Newton's method on 1/stretch, then Hermite interpolation between the last two points.
template <class Lens>
CLMASSMOD_INLINE LensPoint refine_radial(const Lens& lens, double low, double high, double x,
                                         LensStatus& status) noexcept {
    LensPoint before = kNowhere;
    double gap_before = kNaN;
    for (int step = 0; step < kMostSteps; ++step) {
        const LensPoint p = lens.at(x);
        const double stretch = p.stretch();
        const double gap = 1.0 / stretch - 1.0;
        (stretch >= 1.0 ? low : high) = x;
        double next = unit_stretch(before, p);
        // in radius too: where the stretch hardly varies its gaps are small everywhere
        bool last = std::fabs(gap * gap_before) <= kLastSteps &&
                    std::fabs((next - x) * (next - before.x)) <= kLastSteps * x * x;
        if (!strictly_between(next, low, high)) {
            next = x - x * stretch * (stretch - 1.0) / p.stretch_slope();
            last = std::fabs(gap) <= kLastNewton && std::fabs(next - x) <= kLastNewton * x;
        }
        if (last || !(high > low * (1.0 + 4e-16))) {
            status = LensStatus::ok;
            return last ? advance(p, (next - x) / x) : p;
        }
        before = p;
        gap_before = gap;
        // `low` may be many powers of ten inside, where nothing is tabulated: not there at once
        const double middle = std::max(middle_of(low, high), 0.25 * x);
        x = stretch > 0.0 && strictly_between(next, low, high) ? next : middle;
    }
    status = LensStatus::no_convergence;
    return kNowhere;
}

// Where the stretch is largest between two points at which it falls outwards and inwards.
template <class Lens>
[[gnu::noinline]] LensPoint largest_stretch(const Lens& lens, double low, double high) noexcept {
    LensPoint p = lens.at(std::sqrt(low * high));
    for (int step = 0; step < 40 && p.stretch() < 1.0; ++step) {
        (p.stretch_slope() > 0.0 ? low : high) = p.x;
        p = lens.at(std::sqrt(low * high));
    }
    return p;
}

// Outermost radius where R = 0, by steps of a factor 2 inwards from the Einstein radius, where
// R > 0. A maximum of the stretch between two steps is looked into: profiles vary over an e-fold
// or more of radius, so two maxima between steps do not occur.
template <class Lens>
[[gnu::noinline]] LensPoint scan_radial(const Lens& lens, const LensPoint& einstein,
                                        LensStatus& status) noexcept {
    const double end = std::max(lens.innermost(), kInnermostPart * einstein.x);
    LensPoint outer = einstein;
    while (outer.x > end && outer.v.mean < kLargestMean) {
        LensPoint inner = lens.at(std::max(0.5 * outer.x, end));
        if (inner.stretch() < 1.0 && inner.stretch_slope() > 0.0 && outer.stretch_slope() < 0.0)
            inner = largest_stretch(lens, inner.x, outer.x);
        if (inner.stretch() >= 1.0) return refine_radial(lens, inner.x, outer.x, inner.x, status);
        outer = inner;
    }
    status = LensStatus::ok;
    return {-outer.x, outer.v, outer.first_stretch};
}

// A root found from any guess is the outermost if each part's stretch is at least as large there as
// at the Einstein radius: it falls to one minimum and rises beyond, so in between it is smaller.
CLMASSMOD_INLINE bool is_outermost(const LensPoint& root, const LensPoint& einstein) noexcept {
    return root.first_stretch >= einstein.first_stretch &&
           root.stretch() - root.first_stretch >= einstein.stretch() - einstein.first_stretch;
}

// radial critical radius of galaxies over the geometric mean of Einstein and effective radius: 10 %
constexpr double kUsualRatio = 0.125;

template <class Lens>
CLMASSMOD_INLINE LensPoint find_radial(const Lens& lens, const LensPoint& einstein,
                                       LensStatus& status) noexcept {
    if constexpr (Lens::kSimpleParts) {
        const double end = std::max(lens.innermost(), kInnermostPart * einstein.x);
        const double usual = kUsualRatio * std::sqrt(einstein.x * lens.typical());
        const double guess = strictly_between(usual, end, einstein.x) ? usual : 0.1 * einstein.x;
        const LensPoint root = refine_radial(lens, end, einstein.x, guess, status);
        if (status == LensStatus::ok && root.x > 2.0 * end && is_outermost(root, einstein))
            return root;
    }
    return scan_radial(lens, einstein, status);
}

// Reach of the second image: alpha - x at the radial critical radius. Without one, images B go
// down to the centre, where alpha either grows without limit or tends to a constant as
// alpha_0 + a x ln x + b x (an isothermal cusp): stretch = a ln x + a + b, its derivative a.
CLMASSMOD_INLINE double caustic_of(const LensPoint& radial) noexcept {
    if (radial.x > 0.0) return radial.deflection() - radial.x;
    const LensPoint p{-radial.x, radial.v, radial.first_stretch};
    if (p.stretch() < -1e-3 * p.v.mean) return kInfinity;
    // at least what is reached at the last point
    return std::max(p.deflection() - p.x * (p.stretch() - p.stretch_slope()), p.deflection() - p.x);
}

template <class Lens>
CLMASSMOD_INLINE LensStructure structure_of(const Lens& lens) noexcept {
    LensStructure s;
    s.einstein = find_einstein(lens, s.status);
    s.radial = kNowhere;
    s.caustic = s.status == LensStatus::no_einstein_ring ? 0.0 : kNaN;
    if (s.status != LensStatus::ok) {
        s.einstein.x = kNaN;
        return s;
    }
    s.radial = find_radial(lens, s.einstein, s.status);
    if (s.status == LensStatus::ok) s.caustic = caustic_of(s.radial);
    return s;
}

}  // namespace clmassmod
