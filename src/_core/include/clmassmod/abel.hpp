// Projection of a density and deprojection of a surface density, by quadrature.
//
// From rho = f(x), slope g = -d ln f/d ln x, at the projected radius X, with r = X cosh u beyond X
// (s = tanh u = sqrt(1 - X^2/r^2)) and r = X e^-v inside:
//   Sigma          = 2 int f r du
//   d Sigma/d ln X = -2 X^2 int g f / r du
//   m(X)           = int f r^3 dv                                  (M_3d = 4 pi m)
//   mean Sigma     = (4/X^2) [m + int f r^3 s (1 - s) du]
//   Delta Sigma    = (4/3) X^-2 int g f r^3 dv + (2/3) X^2 int g f s (2 + s)/(r (1 + s)^2) du
// (the last: rho as a sum of uniform balls of radius r and weight -f'(r); that of a ball is
// elementary). From Sigma = S(X), slope g:
//   rho            = (1/pi) int g S / r du
//   d rho/d ln X   = -(1/pi) int (g + g^2 - d g/d ln r) S / r du
//   mean Sigma     = (2/X^2) int S r^2 dv
//   Delta Sigma    = X^-2 int g S r^2 dv
//   m(X)           = (X^2/4) Delta Sigma + (1/(2 pi)) int g S r^2 s (t - sin t cos t) du,
//                    sin t = X/r
// Every integrand is positive for a falling function: nothing cancels. Each integral is a sum over
// Gauss panels whose places depend on X alone. Accuracy: about 1e-12, see the tests.
#pragma once

#include <algorithm>
#include <cmath>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/quadrature.hpp"
#include "clmassmod/simd_math.hpp"
#include "clmassmod/targets.hpp"

namespace clmassmod {

struct RadialValues {
    double density = 0.0;
    double density_slope = 0.0;  // d rho / d ln X
    double mass = 0.0;  // M_3d / (4 pi)
    double surface = 0.0;
    double mean = 0.0;
    double excess = 0.0;
    double slope = 0.0;  // d Sigma / d ln X
    bool converged = true;
};

constexpr double kTail = 1e-15;  // part of the sum below which a panel ends the integral
constexpr int kMostPanels = 200;

// Width of a panel that begins where the function falls as x^-slope.
template <class Kernel>
CLMASSMOD_INLINE double panel_width(const Kernel& kernel, double slope) noexcept {
    return std::min(kernel.panel(), 20.0 / (3.0 + std::fabs(slope)));
}

// t - sin t cos t for tan(t/2) = y in [0, 1], free of cancellation.
CLMASSMOD_INLINE double segment(double y) noexcept {
    const double square = y * y;
    const double inverse = 1.0 / (1.0 + square);
    const bool near = y <= 0.41421356237309503;
    const double z = (y - 1.0) / (y + 1.0);
    const double w = near ? -square : -z * z;
    const double kernel = arc_kernel_first(w);
    const double small = 2.0 * (square * y) * ((3.0 + square) * (inverse * inverse) - kernel);
    const double arc = kPi / 4.0 + z * (1.0 + w * kernel);
    const double large = 2.0 * (arc - y * (1.0 - square) * (inverse * inverse));
    return near ? small : large;
}

// What the projection of a density sums: order in `sum`.
struct DensityTerms {
    static constexpr double kDimension = 3.0;
    static constexpr int kInner = 2;  // mass, (-f') r^3
    static constexpr int kOuter = 4;  // Sigma, slope, mean, Delta Sigma
    CLMASSMOD_INLINE static void inner(Local f, double r, double weight, double* term) noexcept {
        const double mass = weight * f.value * (r * r * r);
        term[0] = mass;
        term[1] = f.slope * mass;
    }
    CLMASSMOD_INLINE static void outer(Local f, double r, double s, double, double weight, double x,
                                       double* term) noexcept {
        const double q = x / r;
        const double surface = weight * f.value * r;
        const double fall = surface * f.slope * (q * q);
        const double inverse = 1.0 / (1.0 + s);
        term[0] = surface;
        term[1] = fall;
        term[2] = surface * s * inverse;  // times X^2: r^2 (1 - s) = X^2 / (1 + s)
        term[3] = fall * s * (2.0 + s) * (inverse * inverse);
    }
};

// What the deprojection of a surface density sums.
struct SurfaceTerms {
    static constexpr double kDimension = 2.0;
    static constexpr int kInner = 2;  // S r^2, g S r^2
    static constexpr int kOuter = 3;  // density, mass, density slope
    CLMASSMOD_INLINE static void inner(Local f, double r, double weight, double* term) noexcept {
        const double mass = weight * f.value * (r * r);
        term[0] = mass;
        term[1] = f.slope * mass;
    }
    CLMASSMOD_INLINE static void outer(Local f, double r, double s, double y, double weight, double,
                                       double* term) noexcept {
        const double fall = weight * f.value * f.slope;
        term[0] = fall / r;
        term[1] = fall * (r * r) * s * segment(y);
        term[2] = weight * f.value * (f.slope + f.slope * f.slope - f.bend) / r;
    }
};

template <int n>
struct Sums {
    double value[n] = {};
    // adds the lanes of a panel; true when no sum gained more than kTail of itself
    CLMASSMOD_INLINE bool add(const Lanes* lanes) noexcept {
        bool ended = true;
        for (int i = 0; i < n; ++i) {
            const double gain = lanes[i].sum();
            value[i] += gain;
            ended = ended && std::fabs(gain) <= kTail * std::fabs(value[i]);
        }
        return ended;
    }
};

template <class Terms, class Kernel>
CLMASSMOD_INLINE bool inner_integral(const Kernel& kernel, double x,
                                     Sums<Terms::kInner>& sums) noexcept {
    const double power_law = kernel.power_law_below();
    double r = std::min(x, kernel.support());
    double width = 0.0;
    for (int panel = 0; panel < kMostPanels && r > power_law; ++panel) {
        width = panel_width(kernel, kernel.at(r).slope);
        Lanes lanes[Terms::kInner];
        for (std::size_t j = 0; j < kNodes; ++j) {
            const double radius = r * exp_flushed(-width * kGauss.node[j]);
            double term[Terms::kInner];
            Terms::inner(kernel.at(radius), radius, width * kGauss.weight[j], term);
            for (int i = 0; i < Terms::kInner; ++i) lanes[i].value[j] = term[i];
        }
        // a sum of zeros is the far side of a cut-off, not the end
        if (sums.add(lanes) && sums.value[0] > 0.0) return true;
        r *= exp_flushed(-width);
    }
    if (!(power_law > 0.0)) return false;
    const Local f = kernel.at(r);
    double term[Terms::kInner];
    Terms::inner(f, r, 1.0, term);
    const double exponent = Terms::kDimension - f.slope;
    for (int i = 0; i < Terms::kInner; ++i) sums.value[i] += term[i] / exponent;
    return exponent > 0.0;
}

template <class Terms, class Kernel>
CLMASSMOD_INLINE bool outer_integral(const Kernel& kernel, double x,
                                     Sums<Terms::kOuter>& sums) noexcept {
    const double support = kernel.support();
    if (!(x < support)) return true;
    double u = 0.0;
    double r = x;
    for (int panel = 0; panel < kMostPanels; ++panel) {
        const double slope = std::fabs(kernel.at(r).slope);
        double width = panel_width(kernel, slope);
        // at u = 0 the integrand is a Gaussian of variance 1/slope; tanh u is singular at i pi/2
        if (panel == 0) width = std::min(std::min(2.0, width), 4.0 / std::sqrt(1.0 + slope));
        if (panel == 1) width = std::min(3.0, width);
        Lanes lanes[Terms::kOuter];
        for (std::size_t j = 0; j < kNodes; ++j) {
            const double e = exp_flushed(u + width * kGauss.node[j]);
            const double y = 1.0 / e;
            const double sum = e + y;
            const double radius = (0.5 * x) * sum;
            double term[Terms::kOuter];
            Terms::outer(kernel.at(radius), radius, (e - y) / sum, y, width * kGauss.weight[j], x,
                         term);
            for (int i = 0; i < Terms::kOuter; ++i) lanes[i].value[j] = term[i];
        }
        const bool ended = sums.add(lanes);
        u += width;
        r = (0.5 * x) * (std::exp(u) + std::exp(-u));
        if (ended || !(r < support)) return true;
    }
    return false;
}

// Which of the two integrals a caller needs.
struct Wanted {
    bool inner = true;
    bool outer = true;
};

// A profile given by its density.
template <class Kernel>
struct FromDensity {
    using Shape = Kernel;
    static constexpr bool kDensityFirst = true;

    static CLMASSMOD_TARGETS RadialValues evaluate(const Kernel& kernel, double x,
                                                   Wanted wanted) noexcept {
        RadialValues v;
        Sums<DensityTerms::kInner> in;
        Sums<DensityTerms::kOuter> out;
        const Local f = kernel.at(x);
        v.density = f.value;
        v.density_slope = -f.slope * f.value;
        if (wanted.inner) v.converged = inner_integral<DensityTerms>(kernel, x, in);
        if (wanted.outer) v.converged = outer_integral<DensityTerms>(kernel, x, out) && v.converged;
        const double inverse_square = 1.0 / (x * x);
        v.mass = in.value[0];
        v.surface = 2.0 * out.value[0];
        v.slope = -2.0 * out.value[1];
        v.mean = 4.0 * (in.value[0] * inverse_square + out.value[2]);
        v.excess = (4.0 / 3.0) * in.value[1] * inverse_square + (2.0 / 3.0) * out.value[3];
        return v;
    }
};

// A profile given by its surface density.
template <class Kernel>
struct FromSurface {
    using Shape = Kernel;
    static constexpr bool kDensityFirst = false;

    static CLMASSMOD_TARGETS RadialValues evaluate(const Kernel& kernel, double x,
                                                   Wanted wanted) noexcept {
        RadialValues v;
        Sums<SurfaceTerms::kInner> in;
        Sums<SurfaceTerms::kOuter> out;
        const Local f = kernel.at(x);
        if (wanted.inner) v.converged = inner_integral<SurfaceTerms>(kernel, x, in);
        if (wanted.outer) v.converged = outer_integral<SurfaceTerms>(kernel, x, out) && v.converged;
        const double inverse_square = 1.0 / (x * x);
        v.surface = f.value;
        v.slope = -f.slope * f.value;
        v.mean = 2.0 * in.value[0] * inverse_square;
        v.excess = in.value[1] * inverse_square;
        v.density = out.value[0] / kPi;
        v.density_slope = -out.value[2] / kPi;
        v.mass = 0.25 * in.value[1] + out.value[1] / (2.0 * kPi);
        return v;
    }
};

}  // namespace clmassmod
