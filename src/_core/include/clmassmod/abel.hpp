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
//   d rho/d ln X   = -(X^2/pi) int (g^2 + 2 g - d g/d ln r) S / r^3 du
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
    double mass = 0.0;           // M_3d / (4 pi)
    double surface = 0.0;
    double mean = 0.0;
    double excess = 0.0;
    double slope = 0.0;  // d Sigma / d ln X
    bool converged = true;
};

constexpr int kMostPanels = 800;

// Width of a panel that begins where the function falls as x^-slope.
template <class Kernel>
CLMASSMOD_INLINE double panel_width(const Kernel& kernel, double x, bool outward,
                                    double slope) noexcept {
    return std::min(kernel.panel(x, outward), 50.0 / (3.0 + std::fabs(slope)));
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
    // the first of each falls slowest: when it has ended, so have the others
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
    static constexpr int kOuter = 3;  // mass, density, density slope
    CLMASSMOD_INLINE static void inner(Local f, double r, double weight, double* term) noexcept {
        const double mass = weight * f.value * (r * r);
        term[0] = mass;
        term[1] = f.slope * mass;
    }
    CLMASSMOD_INLINE static void outer(Local f, double r, double s, double y, double weight, double,
                                       double* term) noexcept {
        const double fall = weight * f.value * f.slope;
        term[0] = fall * (r * r) * s * segment(y);
        term[1] = fall / r;
        term[2] = weight * f.value * (f.slope * (2.0 + f.slope) - f.bend) / (r * r * r);
    }
};

// Kernels may say where a panel has to end, and what f drops by at the end of its support.
template <class Kernel>
concept HasBreaks = Kernel::kBreaks;

// Width of an outward panel from u, shortened to end where f has a break; r = X cosh u.
template <class Kernel>
CLMASSMOD_INLINE double width_to_break(const Kernel& kernel, double x, double u,
                                       double width) noexcept {
    if constexpr (HasBreaks<Kernel>) {
        for (const double radius : {kernel.high, kernel.low}) {
            const double end = radius > x ? std::acosh(radius / x) : 0.0;
            // rounding may leave a sliver of a panel
            if (end > u + 1e-12) width = std::min(width, end - u);
        }
    }
    return width;
}

// The same for an inward panel from v; r = X e^-v.
template <class Kernel>
CLMASSMOD_INLINE double width_to_inner_break(const Kernel& kernel, double x, double v,
                                             double width) noexcept {
    if constexpr (HasBreaks<Kernel>) {
        for (const double radius : {kernel.high, kernel.low}) {
            const double end = radius < x ? std::log(x / radius) : 0.0;
            if (end > v + 1e-12) width = std::min(width, end - v);
        }
    }
    return width;
}

// Panels inwards from X, r = X e^-v; `slope` is that of the function at X.
template <class Terms, class Kernel>
CLMASSMOD_INLINE bool inner_integral(const Kernel& kernel, double x, double slope,
                                     double* sum) noexcept {
    const double support = kernel.support();
    const double power_law = kernel.power_law_below();
    if (x > support) {
        x = support;
        slope = kernel.at(x).slope;
    }
    LaneSums<Terms::kInner> sums;
    double v = 0.0;
    double r = x;
    bool ended = false;
    for (int panel = 0; panel < kMostPanels && r > power_law && !ended; ++panel) {
        double width = panel_width(kernel, r, false, slope);
        width = width_to_inner_break(kernel, x, v, width);
        double radius[kNodes];
        double slopes[kNodes];
        double gain[kNodes];
        for (std::size_t j = 0; j < kNodes; ++j) {
            radius[j] = x * exp_flushed(-(v + width * kGauss.node[j]));
            const Local f = kernel.at(radius[j]);
            slopes[j] = f.slope;
            double term[Terms::kInner];
            Terms::inner(f, radius[j], width * kGauss.weight[j], term);
            for (int i = 0; i < Terms::kInner; ++i) sums.lane[i][j] += term[i];
            gain[j] = term[0];
        }
        // a sum of zeros is the far side of a cut-off, not the end
        ended = sums.ended(gain) && sums.first > 0.0;
        v += width;
        r = HasBreaks<Kernel> ? x * std::exp(-v) * (1.0 - 1e-12) : radius[kNodes - 1];
        slope = slopes[kNodes - 1];
    }
    sums.finish(sum);
    if (ended) return true;
    if (!(power_law > 0.0)) return false;
    r = std::min(x * exp_flushed(-v), power_law);
    const Local f = kernel.at(r);
    double term[Terms::kInner];
    Terms::inner(f, r, 1.0, term);
    const double exponent = Terms::kDimension - f.slope;
    for (int i = 0; i < Terms::kInner; ++i) sum[i] += term[i] / exponent;
    return exponent > 0.0;
}

// Panels outwards from X, r = X cosh u.
template <class Terms, class Kernel>
CLMASSMOD_INLINE bool outer_integral(const Kernel& kernel, double x, double slope,
                                     double* sum) noexcept {
    const double support = kernel.support();
    if (!(x < support)) return true;
    LaneSums<Terms::kOuter> sums;
    double u = 0.0;
    double r = x;
    bool ended = false;
    for (int panel = 0; panel < kMostPanels && !ended; ++panel) {
        double width = panel_width(kernel, r, true, slope);
        // at u = 0 the integrand is a Gaussian of variance 1/slope; tanh u is singular at i pi/2
        if (panel == 0)
            width = std::min(std::min(5.5, width), 8.0 / std::sqrt(1.0 + std::fabs(slope)));
        width = width_to_break(kernel, x, u, width);
        double radius[kNodes];
        double slopes[kNodes];
        double gain[kNodes];
        for (std::size_t j = 0; j < kNodes; ++j) {
            const double e = exp_flushed(u + width * kGauss.node[j]);
            const double y = 1.0 / e;
            const double sum = e + y;
            radius[j] = (0.5 * x) * sum;
            const Local f = kernel.at(radius[j]);
            slopes[j] = f.slope;
            double term[Terms::kOuter];
            Terms::outer(f, radius[j], (e - y) / sum, y, width * kGauss.weight[j], x, term);
            for (int i = 0; i < Terms::kOuter; ++i) sums.lane[i][j] += term[i];
            gain[j] = term[0];
        }
        // beyond a break, not just before it
        r = HasBreaks<Kernel> ? x * std::cosh(u + width) * (1.0 + 1e-12) : radius[kNodes - 1];
        ended = sums.ended(gain) || !(r < support);
        u += width;
        slope = slopes[kNodes - 1];
    }
    sums.finish(sum);
    return ended;
}

// Which of the two integrals a caller needs.
struct Wanted {
    bool inner = true;
    bool outer = true;
};

// A density that ends at r_e with f > 0 holds one more ball, of weight f(r_e) and radius r_e.
template <class Kernel>
inline void add_jump(const Kernel& kernel, double x, double* in, double* out) noexcept {
    const double radius = kernel.support();
    const double jump = kernel.jump();
    if (!(jump > 0.0)) return;
    if (x >= radius) {
        in[1] += jump * (radius * radius * radius);
        return;
    }
    const double q = x / radius;
    const double s = std::sqrt((1.0 - q) * (1.0 + q));
    out[1] += jump * (q * x) / s;
    out[3] += jump * (q * x) * (2.0 + s) / ((1.0 + s) * (1.0 + s));
}

// A profile given by its density.
template <class Kernel>
struct FromDensity {
    using Shape = Kernel;
    static constexpr bool kDensityFirst = true;

    static CLMASSMOD_TARGETS RadialValues evaluate(const Kernel& kernel, double x,
                                                   Wanted wanted) noexcept {
        RadialValues v;
        double in[DensityTerms::kInner] = {};
        double out[DensityTerms::kOuter] = {};
        const Local f = kernel.at(x);
        v.density = f.value;
        v.density_slope = -f.slope * f.value;
        if (wanted.inner) v.converged = inner_integral<DensityTerms>(kernel, x, f.slope, in);
        if (wanted.outer)
            v.converged = v.converged && outer_integral<DensityTerms>(kernel, x, f.slope, out);
        const double inverse_square = 1.0 / (x * x);
        v.mass = in[0];
        if constexpr (HasBreaks<Kernel>) add_jump(kernel, x, in, out);
        v.surface = 2.0 * out[0];
        v.slope = -2.0 * out[1];
        v.mean = 4.0 * (in[0] * inverse_square + out[2]);
        v.excess = (4.0 / 3.0) * in[1] * inverse_square + (2.0 / 3.0) * out[3];
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
        double in[SurfaceTerms::kInner] = {};
        double out[SurfaceTerms::kOuter] = {};
        const Local f = kernel.at(x);
        if (wanted.inner) v.converged = inner_integral<SurfaceTerms>(kernel, x, f.slope, in);
        if (wanted.outer)
            v.converged = v.converged && outer_integral<SurfaceTerms>(kernel, x, f.slope, out);
        const double inverse_square = 1.0 / (x * x);
        v.surface = f.value;
        v.slope = -f.slope * f.value;
        v.mean = 2.0 * in[0] * inverse_square;
        v.excess = in[1] * inverse_square;
        v.density = out[1] / kPi;
        v.density_slope = -x * x * out[2] / kPi;
        v.mass = 0.25 * in[1] + out[0] / (2.0 * kPi);
        return v;
    }
};

}  // namespace clmassmod
