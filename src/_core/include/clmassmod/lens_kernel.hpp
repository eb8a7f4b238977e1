// Nodes of the likelihood of one image pair: an integral over halo mass and inner slope.
//
// Along each inner slope they are those of ridge_nodes.hpp. Across inner slopes the rule is the
// trapezoid with Gregory's end corrections, with more and more slopes until the likelihood stands
// still at training points of the population. What no training point needs is left out.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "clmassmod/kernel_sum.hpp"
#include "clmassmod/ridge_nodes.hpp"

namespace clmassmod {

constexpr int kGammaLevels = 8;
constexpr std::size_t kMostSlopes = 385;
// 25, 33, 49, 65, 97, 129, 193 and 385 slopes: every so many of the 385
constexpr std::array<std::size_t, kGammaLevels> kLevelStride{16, 12, 8, 6, 4, 3, 2, 1};

struct KernelSettings {
    double scan_drop;      // parts of the scan below e^-this of the likelihood are left out
    double node_drop;      // nodes below
    double tolerance;      // of ln L between two levels
    double depth;          // below the best training point, where that is asked for
    int first_level;       // of kGammaLevels
    const RidgeRow* rows;  // (385,) of all levels, in the order of the slope
    double slope_step;     // between the 385
    const PopulationBatch* training;
    const double* slope_densities;  // (training, 385)
};

struct KernelResult {
    std::vector<float> log_mstar, log_mhalo, log_weight, ubar;
    std::vector<std::uint16_t> gamma;  // of chunks
    double log_scale = 0.0;            // to be added to log_weight
    double error = 0.0;                // largest change of ln L from the level to the next
    int level = 0;
};

// Gregory weights of sixth order, of node j of n >= 12.
inline double gregory_weight(std::size_t j, std::size_t n) noexcept {
    constexpr double kEnd[] = {95.0 / 288.0, 317.0 / 240.0, 23.0 / 30.0, 793.0 / 720.0,
                               157.0 / 160.0};
    const std::size_t from_end = std::min(j, n - 1 - j);
    return from_end < 5 ? kEnd[from_end] : 1.0;
}

inline std::size_t level_stride(int level) noexcept {
    return kLevelStride[static_cast<std::size_t>(level)];
}

// Weight of slope `row`, one of the level's.
inline double slope_weight(const KernelSettings& s, int level, std::size_t row) noexcept {
    const std::size_t stride = level_stride(level);
    const std::size_t n = (kMostSlopes - 1) / stride + 1;
    return gregory_weight(row / stride, n) * s.slope_step * static_cast<double>(stride);
}

// -- the likelihood of one lens at the training points -------------------------------------------

// As training point i sees them: where counts are free, points take turns at the counts.
inline KernelNodes<double> nodes_of(const RidgeColumns& c, std::size_t i) noexcept {
    const std::vector<double>& weight =
        c.varied.empty() ? c.log_weight : c.varied[i % c.varied.size()];
    return {c.size(), c.log_mstar.data(), c.log_mhalo.data(), weight.data(), nullptr, nullptr, {}};
}

// Over the nodes of one slope: the largest exponent at each training point.
CLMASSMOD_TARGETS
inline void raise_largest(const std::vector<GalaxyTerms>& points, const RidgeColumns& columns,
                          double* largest) noexcept {
    KernelTerms terms;
    for (std::size_t begin = 0; begin < columns.size(); begin += kSumBlock) {
        const std::size_t count = std::min(kSumBlock, columns.size() - begin);
        for (std::size_t i = 0; i < points.size(); ++i) {
            const KernelNodes<double> nodes = nodes_of(columns, i);
            fill_exponents(points[i], nodes, begin, count, terms);
            for (std::size_t k = 0; k < count; ++k)
                largest[i] = terms.e[k] > largest[i] ? terms.e[k] : largest[i];
        }
    }
}

// Sum of the shares at each training point, times e^-reference.
CLMASSMOD_TARGETS
inline void add_sums(const std::vector<GalaxyTerms>& points, const RidgeColumns& columns,
                     const double* reference, double* sum) noexcept {
    KernelTerms terms;
    for (std::size_t begin = 0; begin < columns.size(); begin += kSumBlock) {
        const std::size_t count = std::min(kSumBlock, columns.size() - begin);
        for (std::size_t i = 0; i < points.size(); ++i) {
            const KernelNodes<double> nodes = nodes_of(columns, i);
            fill_terms(points[i], nodes, begin, count, terms);
            double lane[kChunk] = {};
            const std::size_t whole = count / kChunk * kChunk;
            for (std::size_t k = 0; k < count; ++k)
                terms.e[k] =
                    exp_flushed(terms.e[k] - reference[i]) * static_cast<double>(terms.factor[k]);
            for (std::size_t k = 0; k < whole; k += kChunk)
                for (std::size_t l = 0; l < kChunk; ++l) lane[l] += terms.e[k + l];
            for (std::size_t k = whole; k < count; ++k) lane[k - whole] += terms.e[k];
            sum[i] += ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
                      ((lane[1] + lane[5]) + (lane[3] + lane[7]));
        }
    }
}

// Largest ln of the share of each node in e^log_total, over the training points; the factor of the
// skew normal, at most 1, left out.
CLMASSMOD_TARGETS
inline void raise_shares(const std::vector<GalaxyTerms>& points, const RidgeColumns& columns,
                         const double* log_total, double* share) noexcept {
    KernelTerms terms;
    for (std::size_t begin = 0; begin < columns.size(); begin += kSumBlock) {
        const std::size_t count = std::min(kSumBlock, columns.size() - begin);
        for (std::size_t i = 0; i < points.size(); ++i) {
            const KernelNodes<double> nodes = nodes_of(columns, i);
            fill_exponents(points[i], nodes, begin, count, terms);
            double* best = share + begin;
            for (std::size_t k = 0; k < count; ++k) {
                const double one = terms.e[k] - log_total[i];
                best[k] = one > best[k] ? one : best[k];
            }
        }
    }
}

// -- one lens ------------------------------------------------------------------------------------

class KernelBuilder {
   public:
    KernelBuilder(const RidgeLens& lens, const GalaxyData& galaxy, double step,
                  const KernelSettings& settings)
        : lens_(lens), settings_(settings), step_(step), rows_(kMostSlopes) {
        const PopulationBatch& training = *settings.training;
        for (std::size_t i = 0; i < training.n; ++i) {
            const PopulationPoint p = population_point(training.points + i * kPopulationNumbers);
            points_.push_back(galaxy_terms(p, training.frame, galaxy, 0.0));
        }
    }

    // False if no mass and slope explain the pair.
    bool build(KernelResult& result) {
        int level = settings_.first_level;
        if (!scan(level)) return false;
        fill_level(level);
        std::vector<double> coarse = log_likelihoods(level), fine;
        for (;; ++level, coarse = fine) {
            fill_level(level + 1);
            fine = log_likelihoods(level + 1);
            result.error = largest_change(coarse, fine);
            if (result.error < settings_.tolerance) break;
            if (level + 2 == kGammaLevels) {
                ++level;
                coarse = fine;
                break;
            }
        }
        result.level = level;
        return keep(level, coarse, result);
    }

   private:
    struct Row {
        bool scanned = false, filled = false, summed = false;
        RowScan scan;
        RidgeColumns seen, nodes;
        std::vector<std::size_t> place;  // of `seen` in the scan
        std::vector<double> sums;        // (training,) times e^-reference
    };

    void scan_one(std::size_t row) {
        Row& r = rows_[row];
        if (r.scanned) return;
        r.scanned = true;
        scan_row(lens_, settings_.rows[row], r.scan);
        scanned_columns(lens_, r.scan, r.seen, r.place);
        r.seen.vary(lens_.photometry);
    }

    double density(std::size_t i, std::size_t row) const noexcept {
        return settings_.slope_densities[i * kMostSlopes + row];
    }

    // The scan of a level's slopes, and what it makes of the likelihoods.
    bool scan(int level) {
        const std::size_t stride = level_stride(level);
        bool any = false;
        reference_.assign(points_.size(), -kInfinity);
        for (std::size_t row = 0; row < kMostSlopes; row += stride) {
            scan_one(row);
            any = any || rows_[row].seen.size() > 0;
            raise_largest(points_, rows_[row].seen, reference_.data());
        }
        if (!any) return false;
        for (std::size_t row = 0; row < kMostSlopes; row += stride) {
            rows_[row].sums.assign(points_.size(), 0.0);
            add_sums(points_, rows_[row].seen, reference_.data(), rows_[row].sums.data());
        }
        scanned_ = log_likelihoods(level);
        return true;
    }

    // ln of the e^ that all of a slope's shares are measured by.
    std::vector<double> log_totals(const std::vector<double>& log_likelihood, double weight,
                                   std::size_t row) const {
        std::vector<double> total(points_.size());
        for (std::size_t i = 0; i < total.size(); ++i) {
            const double share = weight * density(i, row);
            const bool there = share > 0.0 && log_likelihood[i] > -kInfinity;
            total[i] = there ? log_likelihood[i] - std::log(share) : kInfinity;
        }
        return total;
    }

    // Nodes of all slopes of a level, and their sums.
    void fill_level(int level) {
        const std::size_t stride = level_stride(level);
        for (std::size_t row = 0; row < kMostSlopes; row += stride)
            if (!rows_[row].filled) fill(row);
        // the scan does not know how deep a delay makes the best node
        if (level == settings_.first_level && lens_.sigma_delay > 0.0) raise_reference(stride);
        for (std::size_t row = 0; row < kMostSlopes; row += stride) {
            Row& r = rows_[row];
            if (r.summed) continue;
            r.summed = true;
            r.sums.assign(points_.size(), 0.0);
            add_sums(points_, r.nodes, reference_.data(), r.sums.data());
        }
    }

    // Nodes of one slope where the scan says that they count.
    void fill(std::size_t row) {
        Row& r = rows_[row];
        r.filled = true;
        scan_one(row);
        const double weight =
            settings_.slope_step * static_cast<double>(level_stride(settings_.first_level));
        std::vector<double> best(r.seen.size(), -kInfinity);
        raise_shares(points_, r.seen, log_totals(scanned_, weight, row).data(), best.data());
        double from = kInfinity, to = -kInfinity;
        for (std::size_t k = 0; k < best.size(); ++k) {
            if (!(best[k] > -settings_.scan_drop)) continue;
            const double v = r.scan.points[r.place[k]].v;
            from = std::min(from, v - kScanStep);
            to = std::max(to, v + kScanStep);
        }
        add_row(lens_, settings_.rows[row], step_, r.scan, from, to, r.nodes);
        r.nodes.vary(lens_.photometry);
    }

    void raise_reference(std::size_t stride) {
        reference_.assign(points_.size(), -kInfinity);
        for (std::size_t row = 0; row < kMostSlopes; row += stride)
            raise_largest(points_, rows_[row].nodes, reference_.data());
    }

    // ln L at the training points by the slopes of a level.
    std::vector<double> log_likelihoods(int level) const {
        const std::size_t stride = level_stride(level);
        std::vector<double> result(points_.size());
        for (std::size_t i = 0; i < result.size(); ++i) {
            double total = 0.0;
            for (std::size_t row = 0; row < kMostSlopes; row += stride)
                total += slope_weight(settings_, level, row) * density(i, row) * rows_[row].sums[i];
            result[i] = total > 0.0 ? reference_[i] + std::log(total) : -kInfinity;
        }
        return result;
    }

    // Of ln L between a level and the next, at training points that are not too deep.
    double largest_change(const std::vector<double>& coarse,
                          const std::vector<double>& fine) const noexcept {
        const double top = *std::max_element(fine.begin(), fine.end());
        double change = 0.0;
        for (std::size_t i = 0; i < coarse.size(); ++i)
            if (fine[i] > top - settings_.depth)
                change = std::max(change, std::fabs(coarse[i] - fine[i]));
        return change;
    }

    // The nodes of a level that matter, in chunks of one slope.
    bool keep(int level, const std::vector<double>& log_likelihood, KernelResult& result) {
        const std::size_t stride = level_stride(level);
        std::vector<std::vector<std::size_t>> kept(kMostSlopes);
        result.log_scale = -kInfinity;
        for (std::size_t row = 0; row < kMostSlopes; row += stride) {
            const RidgeColumns& nodes = rows_[row].nodes;
            const double weight = slope_weight(settings_, level, row);
            std::vector<double> best(nodes.size(), -kInfinity);
            raise_shares(points_, nodes, log_totals(log_likelihood, weight, row).data(),
                         best.data());
            for (std::size_t k = 0; k < best.size(); ++k) {
                if (!(best[k] > -settings_.node_drop)) continue;
                kept[row].push_back(k);
                result.log_scale = std::max(result.log_scale, nodes.log_weight[k]);
            }
        }
        for (std::size_t row = 0; row < kMostSlopes; row += stride)
            add_chunks(level, row, kept[row], result);
        return !result.gamma.empty();
    }

    void add_chunks(int level, std::size_t row, const std::vector<std::size_t>& kept,
                    KernelResult& result) const {
        if (kept.empty()) return;
        const RidgeColumns& nodes = rows_[row].nodes;
        const double extra = std::log(slope_weight(settings_, level, row)) - result.log_scale;
        const std::size_t padded = (kept.size() + kChunk - 1) / kChunk * kChunk;
        for (std::size_t i = 0; i < padded; ++i) {
            const std::size_t k = kept[std::min(i, kept.size() - 1)];
            result.log_mstar.push_back(static_cast<float>(nodes.log_mstar[k]));
            result.log_mhalo.push_back(static_cast<float>(nodes.log_mhalo[k]));
            result.ubar.push_back(static_cast<float>(nodes.ubar[k]));
            const double weight = i < kept.size() ? nodes.log_weight[k] + extra : -1e30;
            result.log_weight.push_back(static_cast<float>(weight));
        }
        result.gamma.insert(result.gamma.end(), padded / kChunk, static_cast<std::uint16_t>(row));
    }

    const RidgeLens& lens_;
    const KernelSettings& settings_;
    double step_;
    std::vector<Row> rows_;
    std::vector<GalaxyTerms> points_;
    std::vector<double> reference_, scanned_;  // (training,) exponents; ln L by the scan
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
    const double* step = nullptr;                // of the nodes
    const double* delay = nullptr;               // days
    const double* sigma_delay = nullptr;         // days, 0: no delay
    const double* days = nullptr;                // of a Fermat potential of 1 kpc^2
    const std::size_t* counts = nullptr;         // which table of counts
    const std::size_t* concentration = nullptr;  // which concentration
    const double* star_table = nullptr;          // of kMeanLayout, shared
    const double* star_shape = nullptr;          // (2,)
    const PairPhotometry* photometry = nullptr;  // (tables,)
    const Concentration* concentrations = nullptr;
    double r = 0.0;
};

inline RidgeLens ridge_lens(const PairColumns& c, std::size_t i) noexcept {
    RidgeLens lens;
    lens.star = {c.star_amplitude[i], 1.0 / c.star_radius[i], c.star_table, c.star_shape};
    lens.x_a = c.x_a[i];
    lens.b = c.b[i];
    lens.star_a = lens.star.at(lens.x_a);
    lens.star_b = lens.star.at(lens.b);
    lens.sum = lens.x_a + lens.b;
    const double stars = lens.x_a * lens.star_a.mean + lens.b * lens.star_b.mean;
    lens.log_sum = std::log(lens.sum);
    lens.log_mass_unit = std::log(lens.sum / stars);
    lens.unit_radius = c.unit_radius[i];
    lens.factor = c.factor[i];
    lens.m_a = c.m_a[i];
    lens.m_b = c.m_b[i];
    lens.r = c.r;
    lens.delay = c.delay[i];
    lens.sigma_delay = c.sigma_delay[i];
    lens.days = c.days[i];
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
            KernelBuilder builder(lens, galaxy, columns.step[i], mine);
            found[i] = builder.build(results[i]) ? 1 : 0;
        } catch (const std::bad_alloc&) {
            return Status{StatusCode::no_memory, i};
        }
        return Status{};
    });
}

}  // namespace clmassmod
