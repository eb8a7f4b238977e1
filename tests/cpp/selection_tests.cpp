// Detected counts, cross-sections and means over populations: constants, edges and threads.
#include <cmath>
#include <cstdio>
#include <vector>

#include "check.hpp"
#include "clmassmod/cross_section.hpp"
#include "clmassmod/selection_sum.hpp"
#include "lens_sample.hpp"

using namespace clmassmod;

namespace {

// Two counts that do not depend on the gains: 1 and 2.
struct ConstantCounts {
    std::vector<double> coefficients;
    DetectedCounts table;

    ConstantCounts() : coefficients(2 * 30 * 12, 1.0) {
        std::fill(coefficients.begin() + 30 * 12, coefficients.end(), 2.0);
        table = {2, 30, 12, coefficients.data(), -3.0, -3.0 + 2.0, 0.8, 10.0};
    }
};

// A midpoint rule whose interpolation is never believed: every offset is solved.
struct SolvedRule {
    std::vector<double> solved, tail, interpolation, w, weight, log_beta, log_w;
    OffsetRule rule;

    SolvedRule()
        : tail(kTailTerms * kSolvedOffsets, 1e9), interpolation(kSolvedOffsets * kRuleOffsets) {
        for (std::size_t k = 0; k < kSolvedOffsets; ++k)
            solved.push_back((static_cast<double>(k) + 0.5) / kSolvedOffsets);
        for (std::size_t k = 0; k < kRuleOffsets; ++k) {
            const double one = (static_cast<double>(k) + 0.5) / kRuleOffsets;
            w.push_back(one);
            weight.push_back(4.0 * one * (1.0 - one * one) / kRuleOffsets);
            log_beta.push_back(std::log(1.0 - one * one));
            log_w.push_back(std::log(one));
        }
        rule = {solved.data(), tail.data(),     interpolation.data(), w.data(),
                weight.data(), log_beta.data(), log_w.data()};
    }
};

void gains_beyond_the_table_are_at_its_ends() {
    const ConstantCounts counts;
    const std::vector<double> gains{-kInfinity, -1e9, -2.0, 0.0, 1.0, 1e9, kInfinity, kNaN};
    for (double a : gains)
        for (double b : gains) {
            double out[2];
            detected_counts(counts.table, &a, &b, 1, out);
            CHECK_CLOSE(out[0], 1.0, 1e-14);
            CHECK_CLOSE(out[1], 2.0, 1e-14);
        }
}

struct Sections {
    std::vector<double> section, einstein;
    std::vector<int> status;

    Sections(const LensSample& sample, std::size_t n, int threads)
        : section(2 * n), einstein(n), status(n) {
        const ConstantCounts counts;
        const SolvedRule rule;
        cross_sections(sample.batch(sample.star_amplitude.data()), rule.rule, counts.table,
                       {section.data(), einstein.data(), status.data()}, threads);
    }
};

void sources_that_are_all_seen_fill_the_caustic() {
    constexpr std::size_t kLenses = 300;
    const LensSample sample(kLenses);
    std::vector<double> einstein(kLenses), radial(kLenses), caustic(kLenses);
    std::vector<int> status(kLenses);
    lens_structures(sample.batch(sample.star_amplitude.data()),
                    {einstein.data(), radial.data(), caustic.data(), status.data()}, 1);
    const Sections first(sample, kLenses, 1);
    int filled = 0;
    for (std::size_t i = 0; i < kLenses; ++i) {
        if (status[i] != 0) {
            CHECK(first.section[2 * i] == 0.0 && first.status[i] == status[i]);
        } else if (caustic[i] == kInfinity) {
            CHECK(first.section[2 * i] == kInfinity);
        } else if (first.status[i] == 0) {
            ++filled;
            // the midpoint rule errs by 1/(12 n^2) of the derivatives at both ends
            CHECK_CLOSE(first.section[2 * i], kPi * caustic[i] * caustic[i], 1e-4);
            CHECK_CLOSE(first.section[2 * i + 1], 2.0 * first.section[2 * i], 1e-13);
        }
    }
    CHECK(filled > 100);
    for (int threads : {2, 3}) {
        const Sections other(sample, kLenses, threads);
        CHECK(other.section == first.section && other.status == first.status);
    }
}

void a_population_adds_up_to_one() {
    // mu, sigma and shape of the stars; sizes; halo masses; slopes; mismatch
    std::vector<double> points{11.25, 0.2,  0.1, 0.8, 0.9, 0.12, 12.9, 1.5,
                               0.0,   0.35, 1.0, 0.3, 0.0, 0.0,  0.0};
    for (int k = 0; k < 20; ++k) points.insert(points.end(), points.begin(), points.begin() + 15);
    points[15 + 8] = -0.3;  // a relation with the sizes
    points[30 + 13] = 0.1;  // scattered mismatch
    points[45 + 14] = 0.2;  // sloped mismatch
    std::vector<double> slopes, weights, values;
    std::vector<SelectionRow> rows;
    std::vector<SelectionStrip> strips;
    for (std::size_t g = 0; g < kSlopeLanes; ++g) {
        // equal steps, half of the support normal away: 1e-4
        slopes.push_back(2.0 * (static_cast<double>(g) + 0.5) / kSlopeLanes);
        weights.push_back(2.0 / kSlopeLanes);
    }
    constexpr std::size_t kRows = 32, kSizes = 22, kMasses = 120;
    // every other strip leaves out masses nothing of which is in the population
    for (std::size_t k = 0; k < kRows * kSizes; ++k) {
        const std::size_t begin = k % 2 ? 5 : 0, end = kMasses - (k % 2 ? 3 : 0);
        strips.push_back({begin, end, values.size() / kSlopeLanes});
        values.resize(values.size() + (end - begin) * kSlopeLanes, 1.0);
    }
    for (std::size_t i = 0; i < kRows; ++i) {
        const double m = 9.7 + 0.12 * static_cast<double>(i);
        rows.push_back(
            {m, 0.8 + 0.9 * (m - 11.4) - 1.3, 6.0, kSizes, kMasses, &strips[i * kSizes]});
    }
    SelectionGrid grid;
    grid.n_rows = rows.size();
    grid.rows = rows.data();
    grid.n_slopes = kSlopeLanes;
    grid.slopes = slopes.data();
    grid.weights = weights.data();
    grid.values = values.data();
    grid.step_re = 0.12;
    grid.step_mhalo = 0.12;
    grid.volume = 0.12 * 0.12 * 0.12;
    const double t[3] = {-1.7320508075688772, 0.0, 1.7320508075688772};
    const double log_t[3] = {std::log(1.0 / 6.0), std::log(2.0 / 3.0), std::log(1.0 / 6.0)};
    const SelectionPoints given{21, points.data(), 3, t, log_t, {11.4, 11.4, 11.4, 0.0, 2.0}};
    std::vector<double> out(21);
    selection_sums(grid, given, out.data(), 1);
    for (double value : out) CHECK(std::fabs(value) < 2e-4);
    for (int threads : {2, 3}) {
        std::vector<double> again(21);
        selection_sums(grid, given, again.data(), threads);
        CHECK(again == out);
    }
}

}  // namespace

int main() {
    gains_beyond_the_table_are_at_its_ends();
    sources_that_are_all_seen_fill_the_caustic();
    a_population_adds_up_to_one();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
