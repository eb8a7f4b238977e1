// The line of stellar and halo masses that explain one observed image pair at one inner slope.
//
// With D = x_A + b, S the deflections of the stars per unit mass at both images added, H those of
// the halo, f = H/D and t = ln(f/(1 - f)), all of the line is, without cancellation,
//   M* = (D/S)/(1 + e^t),     |J| dlog Mh = |R_A R_B|/(ln^2(10) D p) dt,   p = dln H/dln Mh,
// J the Jacobian of lens_inversion.hpp. It is walked along in
//   v = r ln Mh - ln(1 - f),
// in which a halo mass relation of slope 1/r has the same width everywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/axisym.hpp"
#include "clmassmod/lens_grid.hpp"
#include "clmassmod/lens_images.hpp"
#include "clmassmod/population_density.hpp"
#include "clmassmod/quadrature.hpp"

namespace clmassmod {

// ln c as a polynomial of (log10 Mh - 11)/5; one term: the same for all masses.
struct Concentration {
    const double* coefficient = nullptr;
    int terms = 1;

    double log_c(double u) const noexcept {
        double value = coefficient[terms - 1];
        for (int k = terms - 2; k >= 0; --k) value = value * u + coefficient[k];
        return value;
    }
    double slope(double u) const noexcept {
        double value = 0.0;
        for (int k = terms - 1; k >= 1; --k) value = value * u + k * coefficient[k];
        return value;
    }
};

// How magnitudes are turned into a weight.
struct PairPhotometry {
    Photometry table;             // ln F and the difference of the magnitudes
    double sigma_a, sigma_b;      // mag
    double ubar_low, ubar_high;   // beyond these ubar counts as invalid
    bool with_detection = false;  // the images of another draw of the noise are detected
    double limit = 0.0;           // mag
    UniformCubic log_counts;      // ln n(m), with_detection only
    double counts_low = 0.0, counts_high = 0.0;
    std::size_t n_ratios = 0;              // other counts that nodes have to be good for
    const UniformCubic* ratios = nullptr;  // (n_ratios,) ln of their F over that of `table`
};

struct RidgeLens {
    double x_a, b;
    StarPart star;  // of one unit of mass
    MeanValues star_a, star_b;
    double sum, log_sum, log_mass_unit;  // D, ln D, ln(D/S)
    double unit_radius, factor;          // r_s c of unit mass; rho_Delta / Sigma_crit
    double m_a, m_b;
    double r;
    double delay, sigma_delay;  // observed [days]; sigma_delay = 0: there is none
    double days;                // per unit of Fermat potential
    PairPhotometry photometry;
    Concentration concentration;
};

struct RidgeRow {
    const double* table = nullptr;  // of kMeanLayout, of one inner slope
    double slope = 0.0;
    double amplitude = 0.0;  // c^3 / (3 m(c)) of a concentration that is the same for all
};

enum RidgeFault : int {
    kBehindAxis = 1,
    kInsideRadialA = 2,
    kInsideRadialB = 4,
    kTooFaint = 8,
    kTooBright = 16,
    kNotSolved = 32,
};

struct RidgePoint {
    double v = 0.0, log_mass = 0.0, t = 0.0;  // ln Mh, and t
    int fault = kNotSolved;
    double log_mstar = 0.0;   // log10
    double log_weight = 0.0;  // ln of 2 pi beta |J| Phi dlog Mh/dv, without the delay
    double ubar = 0.0;        // mean magnitude of the source by both images
    double delay = 0.0;       // of B after A, where one is observed
};

struct HaloPair {
    double mean_a, mean_b, stretch_a, stretch_b;
    double sum, slope;  // H, dln H/dln Mh
    double scale, radius;
    bool inside;
};

CLMASSMOD_INLINE HaloPair halo_pair(const RidgeLens& lens, const RidgeRow& row,
                                    double log_mass) noexcept {
    const double u = (log_mass / kLn10 - 11.0) / 5.0;
    const double log_c = lens.concentration.log_c(u);
    const double c = exp_flushed(log_c);
    double amplitude = row.amplitude, steeper = 0.0, growth = 0.0;
    if (lens.concentration.terms > 1) {
        const double mass = Gnfw::enclosed_mass(c, row.slope);
        amplitude = c * c * c / (3.0 * mass);
        steeper = lens.concentration.slope(u) / (5.0 * kLn10);  // dln c/dln Mh
        const double log_density = (3.0 - row.slope) * (log_c - std::log1p(c));
        growth = steeper * (3.0 - std::exp(log_density) / mass);
    }
    const double r_s = lens.unit_radius * exp_flushed(log_mass / 3.0) / c;
    const double scale = amplitude * r_s * lens.factor;
    const double y_a = lens.x_a / r_s, y_b = lens.b / r_s;
    HaloPair h{};
    h.scale = scale;
    h.radius = r_s;
    h.inside = holds(kMeanLayout, y_a) && holds(kMeanLayout, y_b);
    if (!h.inside) return h;
    const PanelIndex index(kMeanLayout);
    const MeanValues a = scale * mean_values(row.table, index, y_a);
    const MeanValues b = scale * mean_values(row.table, index, y_b);
    h.mean_a = a.mean;
    h.mean_b = b.mean;
    h.stretch_a = a.mean + a.slope;
    h.stretch_b = b.mean + b.slope;
    h.sum = lens.x_a * a.mean + lens.b * b.mean;
    const double shrink = 1.0 / 3.0 - steeper;  // dln r_s/dln Mh
    h.slope = growth + shrink - shrink * (lens.x_a * a.slope + lens.b * b.slope) / h.sum;
    return h;
}

// ln(1 + e^t), and its derivative.
struct Softplus {
    double value, rate;
};

CLMASSMOD_INLINE Softplus softplus_pair(double t) noexcept {
    const double tail = exp_flushed(-std::fabs(t));
    const double part = 1.0 / (1.0 + tail);
    return {log_one_plus(tail) + (t > 0.0 ? t : 0.0), t > 0.0 ? part : tail * part};
}
CLMASSMOD_INLINE double softplus(double t) noexcept { return softplus_pair(t).value; }
CLMASSMOD_INLINE double logistic(double t) noexcept { return softplus_pair(t).rate; }

// ln of the integral over m of n(m) N(m; ubar, sigma_c) P_det(m_A) P_det(m_B), by a Gauss rule.
inline double log_detected_counts(const PairPhotometry& p, double ubar, double gain_a,
                                  double gain_b) noexcept {
    const double sigma = p.sigma_a * p.sigma_b / std::hypot(p.sigma_a, p.sigma_b);
    const double low = std::max(ubar - 7.0 * sigma, p.counts_low);
    const double high = std::min(ubar + 7.0 * sigma, p.counts_high);
    if (!(low < high)) return -kInfinity;
    constexpr double kRootHalf = 0.70710678118654752440;
    double total = 0.0;
    for (std::size_t k = 0; k < kNodes; ++k) {
        const double m = low + (high - low) * kGauss.node[k];
        const double z = (m - ubar) / sigma;
        const double seen_a = 0.5 * std::erfc((m - gain_a - p.limit) / p.sigma_a * kRootHalf);
        const double seen_b = 0.5 * std::erfc((m - gain_b - p.limit) / p.sigma_b * kRootHalf);
        total += kGauss.weight[k] * std::exp(p.log_counts(m) - 0.5 * z * z) * seen_a * seen_b;
    }
    return std::log(total * (high - low) / (sigma * 2.50662827463100050242));
}

// The stars and halo of a point as a lens of their own.
struct RidgeModel {
    const StarPart& star;
    double mass;
    const HaloPair& halo;
    const double* table;

    CLMASSMOD_INLINE LensPoint at(double x) const noexcept {
        const MeanValues stars = mass * star.at(x);
        const PanelIndex index(kMeanLayout);
        const MeanValues all = stars + halo.scale * mean_values(table, index, x / halo.radius);
        return {x, all, stars.mean + stars.slope};
    }
};

// Fills fault, log_mstar, log_weight and delay of a point whose masses are known.
CLMASSMOD_INLINE void weigh(const RidgeLens& lens, const RidgeRow& row, const HaloPair& h,
                            RidgePoint& point) noexcept {
    const double log_mass = lens.log_mass_unit - softplus(point.t);
    const double mass = std::exp(log_mass);
    const double beta = lens.x_a * (1.0 - h.mean_a - mass * lens.star_a.mean);
    const double radial_a = 1.0 - h.stretch_a - mass * (lens.star_a.mean + lens.star_a.slope);
    const double radial_b = 1.0 - h.stretch_b - mass * (lens.star_b.mean + lens.star_b.slope);
    point.fault = (beta > 0.0 ? 0 : kBehindAxis) | (radial_a > 0.0 ? 0 : kInsideRadialA) |
                  (radial_b > 0.0 ? 0 : kInsideRadialB);
    point.log_mstar = log_mass / kLn10;
    point.log_weight = -kInfinity;
    if (point.fault != 0) return;
    const PairPhotometry& p = lens.photometry;
    const double gain_a = 2.5 / kLn10 * std::log(lens.x_a / (beta * radial_a));
    const double gain_b = 2.5 / kLn10 * std::log(lens.b / (beta * radial_b));
    const double gap = lens.m_a + gain_a - lens.m_b - gain_b;
    const double ubar = lens.m_b + gain_b + p.table.weight_a * gap;
    point.ubar = ubar;
    if (!(ubar < p.ubar_high)) point.fault |= kTooFaint;
    if (!(ubar > p.ubar_low)) point.fault |= kTooBright;
    if (point.fault != 0) return;
    double counts = p.table.log_norm - 0.5 * gap * gap * p.table.inverse_variance;
    counts +=
        p.with_detection ? log_detected_counts(p, ubar, gain_a, gain_b) : p.table.log_counts(ubar);
    const double f = logistic(point.t);
    const double rate = lens.r * (1.0 - f) / h.slope + f;  // dv/dt
    point.log_weight = std::log(2.0 * kPi * beta * radial_a * radial_b /
                                (kLn10 * kLn10 * lens.sum * h.slope * rate)) +
                       counts;
    if (!(lens.sigma_delay > 0.0)) return;
    const RidgeModel model{lens.star, mass, h, row.table};
    point.delay = lens.days * fermat_difference(model, lens.x_a, lens.b, beta);
}

// ln of the normal density of the observed delay, 0 without one.
inline double log_delay(const RidgeLens& lens, double delay, double sigma) noexcept {
    if (!(lens.sigma_delay > 0.0)) return 0.0;
    const double z = (delay - lens.delay) / sigma;
    return -0.5 * z * z - std::log(2.50662827463100050242 * sigma);
}

// The point at v, from a guess of its ln Mh and t: Newton's method on ln H - ln D - ln f and
// r ln Mh + softplus(t) - v, whose determinant p f + r (1 - f) is positive.
CLMASSMOD_TARGETS
inline void solve_ridge(const RidgeLens& lens, const RidgeRow& row, double v,
                        RidgePoint& point) noexcept {
    point.v = v;
    point.fault = kNotSolved;
    point.log_weight = -kInfinity;
    double l = point.log_mass, t = point.t;
    for (int i = 0; i < 60; ++i) {
        const HaloPair h = halo_pair(lens, row, l);
        if (!h.inside) return;
        const auto [soft, f] = softplus_pair(t);
        const double first = log_positive(h.sum) - lens.log_sum - (t - soft);
        const double second = lens.r * l + soft - v;
        const double det = h.slope * f + lens.r * (1.0 - f);
        const double step_l = -(first * f + second * (1.0 - f)) / det;
        const double step_t = -(h.slope * second - lens.r * first) / det;
        const double size = std::max(std::fabs(step_l), std::fabs(step_t));
        const double part = size > 2.0 ? 2.0 / size : 1.0;
        l += part * step_l;
        t += part * step_t;
        if (!(size < 1e300)) return;
        if (size > 1e-5) continue;  // what is left is of second order
        const HaloPair end = halo_pair(lens, row, l);
        if (!end.inside) return;
        point.log_mass = l;
        point.t = t;
        weigh(lens, row, end, point);
        return;
    }
}

}  // namespace clmassmod
