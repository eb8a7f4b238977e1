// Nodes along the ridge of one image pair at one inner slope.
//
// The ridge coordinate v of lens_ridge.hpp is cut where the pair stops being possible. Nodes are
// equally spaced in y; v(y) crowds them exponentially towards such edges, so that the trapezoid
// rule converges as for a function without ends.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "clmassmod/lens_ridge.hpp"

namespace clmassmod {

constexpr double kScanStep = 0.25;          // in v
constexpr double kEdgeWidth = 0.6;          // of the crowding, in v
constexpr double kEdgeReach = 6.907755279;  // ln 1000
constexpr double kLowestHalo = 6.0;         // log10 of the masses where the scan ends
constexpr double kLowestStars = 8.0;
constexpr int kHalvings = 30;

// Points of one inner slope, as separate columns.
struct RidgeColumns {
    std::vector<double> log_mstar, log_mhalo, log_weight, ubar;
    std::vector<std::vector<double>> varied;  // log_weight by other counts

    void add(const RidgePoint& point, double extra) {
        log_mstar.push_back(point.log_mstar);
        log_mhalo.push_back(point.log_mass / kLn10);
        log_weight.push_back(point.log_weight + extra);
        ubar.push_back(point.ubar);
    }
    void vary(const PairPhotometry& photometry) {
        varied.assign(photometry.n_ratios, log_weight);
        for (std::size_t c = 0; c < varied.size(); ++c)
            for (std::size_t k = 0; k < size(); ++k) varied[c][k] += photometry.ratios[c](ubar[k]);
    }
    std::size_t size() const noexcept { return log_mstar.size(); }
};

// -- the scan ------------------------------------------------------------------------------------

struct RowScan {
    std::vector<RidgePoint> points;
    std::vector<double> edges;  // v where the fault changes between none and some
};

// The v of the mass that makes f = H/D, by Newton's method.
inline bool mass_of_fraction(const RidgeLens& lens, const RidgeRow& row, double log_fraction,
                             double& l) noexcept {
    for (int i = 0; i < 80; ++i) {
        const HaloPair h = halo_pair(lens, row, l);
        if (!h.inside) return false;
        const double step = -(std::log(h.sum) - lens.log_sum - log_fraction) / h.slope;
        l += std::max(-3.0, std::min(3.0, step));
        if (std::fabs(step) < 1e-10) return true;
    }
    return false;
}

inline void bisect_edge(const RidgeLens& lens, const RidgeRow& row, RidgePoint a, RidgePoint b,
                        std::vector<double>& edges) {
    const bool valid = a.fault == 0;
    for (int i = 0; i < kHalvings; ++i) {
        RidgePoint middle = valid ? a : b;
        solve_ridge(lens, row, 0.5 * (a.v + b.v), middle);
        ((middle.fault == 0) == valid ? a : b) = middle;
    }
    edges.push_back(0.5 * (a.v + b.v));
}

// Edges between two points of the scan. Where both are invalid for reasons that do not overlap
// there may be a valid part between them.
inline void find_edges(const RidgeLens& lens, const RidgeRow& row, const RidgePoint& a,
                       const RidgePoint& b, int depth, std::vector<double>& edges) {
    if ((a.fault == 0) != (b.fault == 0)) {
        bisect_edge(lens, row, a, b, edges);
    } else if (a.fault != 0 && (a.fault & b.fault) == 0 && depth < 16) {
        RidgePoint middle = a;
        solve_ridge(lens, row, 0.5 * (a.v + b.v), middle);
        find_edges(lens, row, a, middle, depth + 1, edges);
        find_edges(lens, row, middle, b, depth + 1, edges);
    }
}

inline void scan_row(const RidgeLens& lens, const RidgeRow& row, RowScan& scan) {
    scan.points.clear();
    scan.edges.clear();
    RidgePoint point;
    point.log_mass = kLowestHalo * kLn10;
    const HaloPair lowest = halo_pair(lens, row, point.log_mass);
    if (!lowest.inside) return;
    const double log_fraction = std::log(lowest.sum) - lens.log_sum;
    if (!(log_fraction < -1e-12)) return;
    point.t = log_fraction - std::log1p(-std::exp(log_fraction));
    const double low = lens.r * point.log_mass + softplus(point.t);
    // where M* is the lowest: softplus(t) is known, and with it f
    const double soft = std::max(lens.log_mass_unit - kLowestStars * kLn10, softplus(point.t));
    double top = point.log_mass;
    if (!mass_of_fraction(lens, row, std::log1p(-std::exp(-soft)), top)) return;
    const double high = lens.r * top + soft;
    const std::size_t n = static_cast<std::size_t>(std::ceil((high - low) / kScanStep)) + 1;
    for (std::size_t k = 0; k < n; ++k) {
        solve_ridge(lens, row, low + static_cast<double>(k) * kScanStep, point);
        scan.points.push_back(point);
        if (k > 0) find_edges(lens, row, scan.points[k - 1], point, 0, scan.edges);
    }
}

// Change of the delay from point k of a scan to a valid neighbour, the larger of two.
inline double delay_step(const RowScan& scan, std::size_t k) noexcept {
    double largest = 0.0;
    for (const std::size_t other : {k > 0 ? k - 1 : k, k + 1})
        if (other < scan.points.size() && scan.points[other].fault == 0)
            largest = std::max(largest, std::fabs(scan.points[other].delay - scan.points[k].delay));
    return largest;
}

// The valid points of a scan, and which they are. A delay known better than the scan can follow is
// taken with an error as large as its steps, so that the points beside it count.
inline void scanned_columns(const RidgeLens& lens, const RowScan& scan, RidgeColumns& out,
                            std::vector<std::size_t>& place) {
    for (std::size_t k = 0; k < scan.points.size(); ++k) {
        const RidgePoint& point = scan.points[k];
        if (point.fault != 0) continue;
        const double sigma = std::hypot(lens.sigma_delay, delay_step(scan, k));
        out.add(point, std::log(kScanStep) + log_delay(lens, point.delay, sigma));
        place.push_back(k);
    }
}

// A step that follows the delay as `step` does the masses: 1.5 standard deviations.
inline double node_step(const RidgeLens& lens, const RowScan& scan, double step) noexcept {
    if (!(lens.sigma_delay > 0.0)) return step;
    double fastest = 0.0;
    for (std::size_t k = 0; k < scan.points.size(); ++k) {
        if (scan.points[k].fault != 0) continue;
        const double change = delay_step(scan, k);
        const double miss = std::fabs(scan.points[k].delay - lens.delay);
        if (miss < change + 6.0 * lens.sigma_delay) fastest = std::max(fastest, change / kScanStep);
    }
    const double own = 1.5 * lens.sigma_delay / fastest;  // infinite if it does not change
    return 1.0 / std::hypot(1.0 / step, 1.0 / own);
}

// -- nodes ---------------------------------------------------------------------------------------

struct Span {
    double low, high;  // in v
    bool low_edge, high_edge;
};

// v(y) and dv/dy.
inline double crowded(const Span& span, double y, double& rate) noexcept {
    constexpr double w = kEdgeWidth;
    if (span.low_edge && span.high_edge) {
        rate = logistic((y - span.low) / w) - logistic((y - span.high) / w);
        return span.low + w * (softplus((y - span.low) / w) - softplus((y - span.high) / w));
    }
    if (span.high_edge) {
        rate = logistic((span.high - y) / w);
        return span.high - w * softplus((span.high - y) / w);
    }
    if (span.low_edge) {
        rate = logistic((y - span.low) / w);
        return span.low + w * softplus((y - span.low) / w);
    }
    rate = 1.0;
    return y;
}

// Nodes of a span where v lies in [from, to].
inline void add_nodes(const RidgeLens& lens, const RidgeRow& row, double h, const Span& span,
                      double from, double to, RidgePoint point, RidgeColumns& out) {
    const double reach = kEdgeWidth * kEdgeReach;
    const double begin = std::max(span.low, from) - (span.low_edge ? reach : 0.0);
    const double end = std::min(span.high, to) + (span.high_edge ? reach : 0.0);
    for (double k = std::floor(begin / h); k <= std::ceil(end / h); k += 1.0) {
        double rate;
        const double v = crowded(span, k * h, rate);
        if (v < from || v > to || !(v > span.low && v < span.high) || !(rate > 0.0)) continue;
        solve_ridge(lens, row, v, point);
        if (point.fault != 0) continue;
        out.add(point, std::log(h * rate) + log_delay(lens, point.delay, lens.sigma_delay));
    }
}

// The spans of a row between its edges that hold valid points, each kept where [from, to] is.
inline void add_row(const RidgeLens& lens, const RidgeRow& row, double step, const RowScan& scan,
                    double from, double to, RidgeColumns& out) {
    if (scan.points.empty() || !(from <= to)) return;
    const double h = node_step(lens, scan, step);
    std::vector<double> ends(scan.edges);
    ends.insert(ends.begin(), scan.points.front().v);
    ends.push_back(scan.points.back().v);
    for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
        if (!(ends[i + 1] > ends[i]) || ends[i] > to || ends[i + 1] < from) continue;
        const double middle = 0.5 * (ends[i] + ends[i + 1]);
        // a solved point near by
        const std::size_t near = static_cast<std::size_t>(
            std::min(std::max((middle - scan.points.front().v) / kScanStep, 0.0),
                     static_cast<double>(scan.points.size() - 1)));
        RidgePoint point = scan.points[near];
        solve_ridge(lens, row, middle, point);
        if (point.fault != 0) continue;
        const Span span{ends[i], ends[i + 1], i > 0, i + 2 < ends.size()};
        add_nodes(lens, row, h, span, from, to, point, out);
    }
}

}  // namespace clmassmod
