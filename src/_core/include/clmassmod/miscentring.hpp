// Averages over circles that are not centred on the mass.
//
// A circle of radius R around a point at the distance d from the centre of an axisymmetric lens;
// a point of it is at the distance r from that centre, and there the directions to the two centres
// enclose the angle b. Averages over the circle are those of
//   Sigma(r)                     for a scalar field,
//   Delta Sigma(r) cos 2b        for a tangential one: Delta Sigma, shear, reduced shear,
//   Sigma'(r) (R/r) cos b        for d Sigma/d ln R, Sigma' = d Sigma/d ln r.
// All are sums over nodes (r, weights) that know nothing of the profile. With ' at the centre of
// the circle, r^2 = (R - d)^2 + 4 R d sin^2(a/2), and r cos b = R - d cos a.
//
// With offsets of density p(d) the same averages are int dr r F(r) w_m(r, R) with the kernel
//   w_m = 2 int_0^pi cos(m a) q(d) da,  q = p(d)/(2 pi d),  d^2 = (R - r)^2 + 4 R r sin^2(a/2),
// m = 0, 2 and 1 (times R/r): one integral over r, whose nodes know nothing of the profile either.
// (Yang et al. 2006 average Sigma over a, then d, then integrate it for Delta Sigma.)
//
// Near r = R (or R = d) the angular integrand has a peak of width D = |R - r|/sqrt(R r): with
// sin(a/2) = D/2 sinh u it is smooth in u. The kernel itself has a kink at r = R, towards
// which its panels are graded, as they are towards the centre of the lens.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "clmassmod/quadrature.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

// A distribution of offsets: q(d) = norm (d/scale)^power exp(-c (d/scale)^n).
enum class OffsetKind : int {
    one = 0,       // all at one distance, `scale`
    rayleigh = 1,  // p = d/s^2 exp(-d^2/(2 s^2))
    gamma = 2,     // p = d^(k-1) exp(-d/s) / (Gamma(k) s^k)
};

struct OffsetDensity {
    OffsetKind kind = OffsetKind::one;
    double scale = 1.0;
    double shape = 2.0;  // k of the Gamma distribution, >= 1
    double norm = 0.0;
    double reach = 0.0;  // nothing is left beyond

    OffsetDensity(int which, double s, double k) noexcept
        : kind(static_cast<OffsetKind>(which)), scale(s), shape(k) {
        if (kind == OffsetKind::rayleigh) {
            norm = 1.0 / (2.0 * kPi * s * s);
            reach = 8.5 * s;
        } else {
            norm = 1.0 / (2.0 * kPi * std::tgamma(k) * s * s);
            reach = (36.0 + 4.0 * k) * s;
        }
    }
    double at(double d) const noexcept {
        const double x = d / scale;
        if (kind == OffsetKind::rayleigh) return norm * std::exp(-0.5 * x * x);
        if (shape == 2.0) return norm * std::exp(-x);
        return norm * std::pow(x, shape - 2.0) * std::exp(-x);
    }
    // where panels towards r = R end: the kernel has x^2 ln x there, ln x for k = 1
    double smallest_gap() const noexcept {
        return kind == OffsetKind::gamma && shape < 2.0 ? 1e-6 : 1e-2;
    }
};

// What the averages are sums over; all of one length.
struct RingNodes {
    std::vector<double> radius;
    std::vector<double> weight[3];  // scalar, tangential, slope
    void add(double r, double scalar, double tangential, double slope) {
        radius.push_back(r);
        weight[0].push_back(scalar);
        weight[1].push_back(tangential);
        weight[2].push_back(slope);
    }
};

constexpr double kWidest = 2.8;         // of a panel in a logarithm of the radius
constexpr double kFarRatio = 0.25;      // circles this unequal: the integrand is a short series
constexpr std::size_t kFarPoints = 24;  // of it: terms up to kFarRatio^48
// two circles that touch are taken to be this far apart, in their radius
constexpr double kTouching = 1e-12;
// offsets that reach no farther, in the circle's radius, change its averages by 1e-11: below it
// the differences R - r would be lost to rounding
constexpr double kLeastReach = 1e-5;

// Calls use(sin^2(a/2), weight) for the nodes of int_0^pi da, for circles of radius `a` and `b`;
// where sqrt((a - b)^2 + 4 a b sin^2) is beyond `reach` there may be none.
template <class Use>
void angle_nodes(double a, double b, double reach, const Use& use) {
    const double least = std::min(a, b), most = std::max(a, b);
    if (least <= kFarRatio * most) {
        for (std::size_t j = 0; j < kFarPoints; ++j) {
            const double s = std::sin((static_cast<double>(j) + 0.5) * kPi / (2.0 * kFarPoints));
            use(s * s, kPi / kFarPoints);
        }
        return;
    }
    const double root = std::sqrt(a * b);
    const double gap = std::max(most - least, kTouching * most);
    if (gap >= reach) return;
    // up to a = pi/2 in u, beyond in a itself
    double last = std::asinh(std::sqrt(2.0) * root / gap);
    const double end = std::acosh(reach / gap);
    const bool all = end > last;
    last = std::min(last, end);
    const int panels = static_cast<int>(std::ceil(last / kWidest));
    const double width = last / panels;
    for (int panel = 0; panel < panels; ++panel)
        for (std::size_t j = 0; j < kShortNodes; ++j) {
            const double u = (panel + kShortGauss.node[j]) * width;
            const double e = std::exp(u);
            const double s = 0.25 * gap / root * (e - 1.0 / e);
            const double rate = 0.5 * gap * (e + 1.0 / e) / (root * std::sqrt(1.0 - s * s));
            use(s * s, rate * width * kShortGauss.weight[j]);
        }
    if (!all) return;
    for (std::size_t j = 0; j < kShortNodes; ++j) {
        const double s = std::sin(0.25 * kPi * (1.0 + kShortGauss.node[j]));
        use(s * s, 0.5 * kPi * kShortGauss.weight[j]);
    }
}

// The nodes of one circle, offset by `d`; weights are multiplied by `share`.
inline void one_ring(double R, double d, double share, RingNodes& nodes) {
    if (d == 0.0) {
        nodes.add(R, share, share, share);
        return;
    }
    angle_nodes(R, d, kInfinity, [&](double square, double weight) {
        const double gap = R - d;
        const double r = std::sqrt(gap * gap + 4.0 * R * d * square);
        const double c = (gap + 2.0 * d * square) / r;  // cos b
        const double w = share * weight / kPi;
        nodes.add(r, w, w * (2.0 * c * c - 1.0), w * c * R / r);
    });
}

// The kernel of a distribution at (r, R), times the weight of its node.
inline void kernel_node(const OffsetDensity& p, double R, double r, double weight,
                        RingNodes& nodes) {
    double sum[3] = {0.0, 0.0, 0.0};
    const double gap = R - r;
    angle_nodes(R, r, p.reach, [&](double square, double angle) {
        const double q = angle * p.at(std::sqrt(gap * gap + 4.0 * R * r * square));
        const double c = 1.0 - 2.0 * square;  // cos a
        sum[0] += q;
        sum[1] += q * (2.0 * c * c - 1.0);
        sum[2] += q * c;
    });
    const double w = 2.0 * r * weight;
    nodes.add(r, w * sum[0], w * sum[1], w * sum[2] * R / r);
}

// Panels of ln y from `low` to `high`: calls use(y, weight of dy).
template <class Use>
void logarithmic_nodes(double low, double high, const Use& use) {
    if (!(high > low)) return;
    const double length = std::log(high / low);
    const int panels = static_cast<int>(std::ceil(length / kWidest));
    for (int panel = 0; panel < panels; ++panel)
        for (std::size_t j = 0; j < kShortNodes; ++j) {
            const double y = low * std::exp((panel + kShortGauss.node[j]) * length / panels);
            use(y, y * length / panels * kShortGauss.weight[j]);
        }
}

template <class Use>
void linear_nodes(double high, const Use& use) {
    for (std::size_t j = 0; j < kShortNodes; ++j)
        use(high * kShortGauss.node[j], high * kShortGauss.weight[j]);
}

// The nodes of circles of radius R around centres drawn from the distribution.
inline void many_rings(double R, const OffsetDensity& p, RingNodes& nodes) {
    if (p.reach < kLeastReach * R) {
        nodes.add(R, 1.0, 1.0, 1.0);
        return;
    }
    const auto beyond = [&](double y, double w) { kernel_node(p, R, R + y, w, nodes); };
    const auto inside = [&](double y, double w) { kernel_node(p, R, R - y, w, nodes); };
    const auto central = [&](double r, double w) { kernel_node(p, R, r, w, nodes); };
    const double gap = p.smallest_gap() * std::min(R, p.scale);
    linear_nodes(gap, beyond);
    logarithmic_nodes(gap, p.reach, beyond);
    linear_nodes(gap, inside);
    logarithmic_nodes(gap, std::min(0.5 * R, p.reach), inside);
    if (p.reach <= 0.5 * R) return;
    constexpr double kCentre = 1e-3;
    logarithmic_nodes(kCentre * R, 0.5 * R, central);
    linear_nodes(kCentre * R, central);
}

inline void ring_nodes(int kind, double R, double scale, double shape, RingNodes& nodes) {
    if (static_cast<OffsetKind>(kind) == OffsetKind::one) {
        one_ring(R, scale, 1.0, nodes);
    } else {
        many_rings(R, OffsetDensity(kind, scale, shape), nodes);
    }
}

// out[k] = sum of weight x value over the nodes start[k] .. start[k + 1], in four fixed sums.
inline void ring_sums(const double* value, const double* weight, const std::size_t* start,
                      std::size_t n, double* out) noexcept {
    for (std::size_t k = 0; k < n; ++k) {
        double part[4] = {0.0, 0.0, 0.0, 0.0};
        for (std::size_t j = start[k]; j < start[k + 1]; ++j)
            part[(j - start[k]) % 4] += weight[j] * value[j];
        out[k] = (part[0] + part[1]) + (part[2] + part[3]);
    }
}

}  // namespace clmassmod
