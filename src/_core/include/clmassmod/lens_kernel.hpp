// Nodes of the likelihood of one image pair: an integral over halo mass and inner slope.
//
// Along each inner slope the ridge coordinate v of lens_ridge.hpp is cut where the pair stops being
// possible. Nodes are equally spaced in y; v(y) crowds them exponentially towards such edges, so
// that the trapezoid rule converges as for a function without ends. Across inner slopes the rule
// is the trapezoid with Gregory's end corrections, doubled until the likelihood stands still at
// training points of the population. What no training point needs is left out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "clmassmod/kernel_sum.hpp"
#include "clmassmod/lens_ridge.hpp"

namespace clmassmod {

constexpr int kGammaLevels = 4;  // 33, 65, 129, 257 slopes
constexpr std::size_t kMostSlopes = 257;
constexpr double kScanStep = 0.25;          // in v
constexpr double kEdgeWidth = 0.6;          // of the crowding, in v
constexpr double kEdgeReach = 6.907755279;  // ln 1000
constexpr double kLowestHalo = 6.0;         // log10 of the masses where the scan ends
constexpr double kLowestStars = 8.0;

struct KernelSettings {
    double step;           // of y
    double scan_drop;      // parts of the scan below e^-this of the likelihood are left out
    double node_drop;      // nodes below
    double tolerance;      // of ln L between two levels
    double depth;          // below the best training point, where that is asked for
    int first_level;       // of kGammaLevels
    const RidgeRow* rows;  // (257,) of all levels, in the order of the slope
    const double* slopes;  // (257,)
    double slope_step;     // between the 257
    const PopulationBatch* training;
    const double* slope_densities;  // (training, 257)
};

struct KernelResult {
    std::vector<float> log_mstar, log_mhalo, log_weight;
    std::vector<std::uint16_t> gamma;  // of chunks
    double log_scale = 0.0;            // to be added to log_weight
    double error = 0.0;                // largest change of ln L in the last doubling
    int level = 0;
    std::size_t n_nodes = 0;
};

// Points of one inner slope, as separate columns.
struct RidgeColumns {
    std::vector<double> log_mstar, log_mhalo, log_weight;
    std::vector<std::uint16_t> gamma;  // of every point

    void add(const RidgePoint& point, double extra, std::size_t row) {
        log_mstar.push_back(point.log_mstar);
        log_mhalo.push_back(point.log_mass / kLn10);
        log_weight.push_back(point.log_weight + extra);
        gamma.push_back(static_cast<std::uint16_t>(row));
    }
    std::size_t size() const noexcept { return log_mstar.size(); }
};

// Gregory weights of sixth order, of node j of n >= 12.
inline double gregory_weight(std::size_t j, std::size_t n) noexcept {
    constexpr double kEnd[] = {95.0 / 288.0, 317.0 / 240.0, 23.0 / 30.0, 793.0 / 720.0,
                               157.0 / 160.0};
    const std::size_t from_end = std::min(j, n - 1 - j);
    return from_end < 5 ? kEnd[from_end] : 1.0;
}

inline std::size_t level_stride(int level) noexcept {
    return std::size_t{1} << static_cast<unsigned>(kGammaLevels - 1 - level);
}

// ln of the weight of slope `row` at a level; -inf for those between its nodes.
inline double log_slope_weight(const KernelSettings& s, int level, std::size_t row) noexcept {
    const std::size_t stride = level_stride(level);
    if (row % stride != 0) return -kInfinity;
    const std::size_t n = (kMostSlopes - 1) / stride + 1;
    return std::log(gregory_weight(row / stride, n) * s.slope_step * static_cast<double>(stride));
}

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
    for (int i = 0; i < 34; ++i) {
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

// -- what matters --------------------------------------------------------------------------------

// ln of each point's share in the likelihood, at the training point where that is largest; and the
// likelihoods themselves with the slopes' weights of `n_levels` levels, (levels, training).
class Envelope {
   public:
    explicit Envelope(const KernelSettings& settings, const GalaxyData& galaxy)
        : settings_(settings), galaxy_(galaxy) {}

    // `level`: whose weights the shares are measured with.
    void measure(const RidgeColumns& c, int level, std::vector<double>& best,
                 std::vector<double>& log_likelihood) {
        const std::size_t n = c.size(), padded = (n + kChunk - 1) / kChunk * kChunk;
        const PopulationBatch& training = *settings_.training;
        columns_.log_mstar.assign(c.log_mstar.begin(), c.log_mstar.end());
        columns_.log_mhalo.assign(c.log_mhalo.begin(), c.log_mhalo.end());
        columns_.log_weight.resize(n);
        for (std::size_t k = 0; k < n; ++k)
            columns_.log_weight[k] =
                c.log_weight[k] + std::max(log_slope_weight(settings_, level, c.gamma[k]), -1e30);
        columns_.log_mstar.resize(padded, 0.0);
        columns_.log_mhalo.resize(padded, 0.0);
        columns_.log_weight.resize(padded, -1e30);
        e_.resize(padded);
        s_.resize(padded);
        best.assign(n, -kInfinity);
        log_likelihood.assign(training.n, -kInfinity);
        const KernelNodes<double> nodes{padded, columns_.log_mstar.data(),
                                        columns_.log_mhalo.data(), columns_.log_weight.data(),
                                        nullptr};
        for (std::size_t i = 0; i < training.n; ++i) {
            const PopulationPoint p = population_point(training.points + i * kPopulationNumbers);
            const GalaxyTerms g = galaxy_terms(p, training.frame, galaxy_, 0.0);
            terms(g, nodes);
            log_likelihood[i] = add_slopes(c.gamma, settings_.slope_densities + i * kMostSlopes, n);
            for (std::size_t k = 0; k < n; ++k)
                best[k] = std::max(best[k], e_[k] - log_likelihood[i]);
        }
    }

   private:
    CLMASSMOD_TARGETS
    void terms(const GalaxyTerms& g, const KernelNodes<double>& nodes) noexcept {
        log_terms(g, nodes, 0, nodes.n, e_.data(), s_.data());
    }
    double add_slopes(const std::vector<std::uint16_t>& gamma, const double* density,
                      std::size_t n) noexcept {
        double log_density[kMostSlopes];
        for (std::size_t j = 0; j < kMostSlopes; ++j) log_density[j] = std::log(density[j]);
        double largest = -kInfinity;
        for (std::size_t k = 0; k < n; ++k) {
            e_[k] += log_density[gamma[k]];
            largest = std::max(largest, e_[k]);
        }
        return largest + std::log(sum_of_exp(largest, n));
    }
    CLMASSMOD_TARGETS
    double sum_of_exp(double largest, std::size_t n) noexcept {
        double total = 0.0;
        for (std::size_t k = 0; k < n; ++k) s_[k] = exp_flushed(e_[k] - largest);
        for (std::size_t k = 0; k < n; ++k) total += s_[k];
        return total;
    }

    const KernelSettings& settings_;
    GalaxyData galaxy_;
    RidgeColumns columns_;
    std::vector<double> e_, s_;
};

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
inline void add_nodes(const RidgeLens& lens, const KernelSettings& s, std::size_t row,
                      const Span& span, double from, double to, RidgePoint point,
                      RidgeColumns& out) {
    const double reach = kEdgeWidth * kEdgeReach;
    const double begin = std::max(span.low, from) - (span.low_edge ? reach : 0.0);
    const double end = std::min(span.high, to) + (span.high_edge ? reach : 0.0);
    const double h = s.step;
    for (double k = std::floor(begin / h); k <= std::ceil(end / h); k += 1.0) {
        double rate;
        const double v = crowded(span, k * h, rate);
        if (v < from || v > to || !(v > span.low && v < span.high) || !(rate > 0.0)) continue;
        solve_ridge(lens, s.rows[row], v, point);
        if (point.fault == 0) out.add(point, std::log(h * rate), row);
    }
}

// The spans of a row between its edges that hold valid points, each kept where [from, to] is.
inline void add_row(const RidgeLens& lens, const KernelSettings& s, std::size_t row,
                    const RowScan& scan, double from, double to, RidgeColumns& out) {
    if (scan.points.empty() || !(from <= to)) return;
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
        solve_ridge(lens, s.rows[row], middle, point);
        if (point.fault != 0) continue;
        const Span span{ends[i], ends[i + 1], i > 0, i + 2 < ends.size()};
        add_nodes(lens, s, row, span, from, to, point, out);
    }
}

// -- one lens ------------------------------------------------------------------------------------

class KernelBuilder {
   public:
    KernelBuilder(const RidgeLens& lens, const GalaxyData& galaxy, const KernelSettings& settings)
        : lens_(lens), settings_(settings), envelope_(settings, galaxy), scans_(kMostSlopes) {}

    // False if no mass and slope explain the pair.
    bool build(KernelResult& result) {
        int level = std::min(settings_.first_level, kGammaLevels - 2);
        add_level(level, kMostSlopes);
        double change = kInfinity;
        for (;; ++level) {
            if (!add_level(level + 1, level_stride(level)) || nodes_.size() == 0) return false;
            change = largest_change(level);
            if (change < settings_.tolerance) break;
            if (level + 2 == kGammaLevels) {
                ++level;
                break;
            }
        }
        result.error = change;
        result.level = level;
        return keep(level, result);
    }

   private:
    // Scans and nodes of the slopes of a level that are not multiples of `known`.
    bool add_level(int level, std::size_t known) {
        const std::size_t stride = level_stride(level);
        RidgeColumns seen;
        std::vector<std::size_t> place;
        for (std::size_t row = 0; row < kMostSlopes; row += stride) {
            if (known < kMostSlopes ? row % known != 0 : true)
                scan_row(lens_, settings_.rows[row], scans_[row]);
            for (std::size_t k = 0; k < scans_[row].points.size(); ++k)
                if (scans_[row].points[k].fault == 0) {
                    seen.add(scans_[row].points[k], std::log(kScanStep), row);
                    place.push_back(k);
                }
        }
        if (seen.size() == 0) return false;
        envelope_.measure(seen, level, best_, log_likelihood_);
        std::size_t at = 0;
        for (std::size_t row = 0; row < kMostSlopes; row += stride) {
            const RowScan& scan = scans_[row];
            double from = kInfinity, to = -kInfinity;
            for (; at < seen.size() && seen.gamma[at] == row; ++at) {
                if (best_[at] < -settings_.scan_drop) continue;
                const double v = scan.points[place[at]].v;
                from = std::min(from, v - kScanStep);
                to = std::max(to, v + kScanStep);
            }
            if (known < kMostSlopes ? row % known != 0 : true)
                add_row(lens_, settings_, row, scan, from, to, nodes_);
        }
        return true;
    }

    // Of ln L between a level and the next, at training points that are not too deep.
    double largest_change(int level) {
        std::vector<double> coarse;
        envelope_.measure(nodes_, level, best_, coarse);
        envelope_.measure(nodes_, level + 1, best_, log_likelihood_);
        const double top = *std::max_element(log_likelihood_.begin(), log_likelihood_.end());
        double change = 0.0;
        for (std::size_t i = 0; i < coarse.size(); ++i)
            if (log_likelihood_[i] > top - settings_.depth)
                change = std::max(change, std::fabs(coarse[i] - log_likelihood_[i]));
        return change;
    }

    // The nodes of a level that matter, in chunks of one slope.
    bool keep(int level, KernelResult& result) {
        envelope_.measure(nodes_, level, best_, log_likelihood_);
        std::vector<std::vector<std::size_t>> of_row(kMostSlopes);
        double largest = -kInfinity;
        for (std::size_t k = 0; k < nodes_.size(); ++k) {
            if (nodes_.gamma[k] % level_stride(level) != 0) continue;
            if (!(best_[k] > -settings_.node_drop)) continue;
            of_row[nodes_.gamma[k]].push_back(k);
            largest = std::max(largest, nodes_.log_weight[k]);
        }
        result.log_scale = largest;
        result.n_nodes = 0;
        for (std::size_t row = 0; row < kMostSlopes; ++row)
            add_chunks(level, row, of_row[row], result);
        return result.n_nodes > 0;
    }

    void add_chunks(int level, std::size_t row, const std::vector<std::size_t>& kept,
                    KernelResult& result) {
        if (kept.empty()) return;
        const double extra = log_slope_weight(settings_, level, row) - result.log_scale;
        const std::size_t padded = (kept.size() + kChunk - 1) / kChunk * kChunk;
        result.n_nodes += kept.size();
        for (std::size_t i = 0; i < padded; ++i) {
            const std::size_t k = kept[std::min(i, kept.size() - 1)];
            result.log_mstar.push_back(static_cast<float>(nodes_.log_mstar[k]));
            result.log_mhalo.push_back(static_cast<float>(nodes_.log_mhalo[k]));
            const double weight = i < kept.size() ? nodes_.log_weight[k] + extra : -1e30;
            result.log_weight.push_back(static_cast<float>(weight));
        }
        for (std::size_t i = 0; i < padded / kChunk; ++i)
            result.gamma.push_back(static_cast<std::uint16_t>(row));
    }

    const RidgeLens& lens_;
    const KernelSettings& settings_;
    Envelope envelope_;
    std::vector<RowScan> scans_;
    RidgeColumns nodes_;
    std::vector<double> best_, log_likelihood_;
};

// -- many lenses ---------------------------------------------------------------------------------

// Parts of lenses, each an image pair with a size of its own. All (n,) unless said otherwise.
struct PairColumns {
    std::size_t n = 0;
    const double* x_a = nullptr;             // kpc
    const double* b = nullptr;               // |x_B|
    const double* star_amplitude = nullptr;  // of kbar, for one unit of mass
    const double* star_radius = nullptr;
    const double* unit_radius = nullptr;  // c r_s of a halo of one unit of mass
    const double* factor = nullptr;       // rho_Delta / Sigma_crit
    const double* m_a = nullptr;
    const double* m_b = nullptr;
    const double* sigma_a = nullptr;
    const double* sigma_b = nullptr;
    const double* log_msps = nullptr;
    const double* sigma_msps = nullptr;
    const double* log_re = nullptr;
    const std::size_t* counts = nullptr;         // which table of counts
    const std::size_t* concentration = nullptr;  // which concentration
    const double* star_table = nullptr;          // of kMeanLayout, shared
    const double* star_shape = nullptr;          // (2,)
    const PairPhotometry* photometry = nullptr;  // (tables,)
    const Concentration* concentrations = nullptr;
    double r = 0.0;
};

inline RidgeLens ridge_lens(const PairColumns& c, std::size_t i) noexcept {
    const StarPart star{c.star_amplitude[i], 1.0 / c.star_radius[i], c.star_table, c.star_shape};
    RidgeLens lens;
    lens.x_a = c.x_a[i];
    lens.b = c.b[i];
    lens.star_a = star.at(lens.x_a);
    lens.star_b = star.at(lens.b);
    lens.sum = lens.x_a + lens.b;
    lens.stars = lens.x_a * lens.star_a.mean + lens.b * lens.star_b.mean;
    lens.log_sum = std::log(lens.sum);
    lens.log_mass_unit = std::log(lens.sum / lens.stars);
    lens.unit_radius = c.unit_radius[i];
    lens.factor = c.factor[i];
    lens.m_a = c.m_a[i];
    lens.m_b = c.m_b[i];
    lens.r = c.r;
    lens.photometry = c.photometry[c.counts[i]];
    lens.concentration = c.concentrations[c.concentration[i]];
    return lens;
}

// Kernels of all parts; `found` says which have any node.
inline Status build_kernels(const PairColumns& columns, const KernelSettings* settings,
                            KernelResult* results, char* found, int n_threads) noexcept {
    return for_each_block(columns.n, n_threads, [&](std::size_t i) {
        try {
            const RidgeLens lens = ridge_lens(columns, i);
            const GalaxyData galaxy{columns.log_msps[i], columns.sigma_msps[i], columns.log_re[i]};
            const KernelSettings& mine = settings[columns.concentration[i]];
            KernelBuilder builder(lens, galaxy, mine);
            found[i] = builder.build(results[i]) ? 1 : 0;
        } catch (const std::bad_alloc&) {
            return Status{StatusCode::no_memory, i};
        }
        return Status{};
    });
}

}  // namespace clmassmod
