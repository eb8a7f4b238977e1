// Tests of likelihoods over populations without Python, to be run under sanitizers: against
// closed forms and plain loops, for any number of threads, and at the edges.
#include <iterator>
#include <vector>

#include "check.hpp"
#include "clmassmod/ensemble_groups.hpp"

using namespace clmassmod;

namespace {

constexpr int kShapes = 5;
// per kind; those of `selected` are its tilt and slope
constexpr double kParameters[kShapes][kShapeParameters] = {
    {0.0, 0.0, 0.0}, {3.0, 0.0, 0.0}, {5.0, 0.0, 0.0}, {0.2, 1.5, 0.5}, {-0.5, 1.2, 0.0}};

// as MassLikelihoods promises: panels are less good at the wings of Student's t
double accuracy(int kind) { return kind == 2 ? 1e-5 : 1e-7; }

ShapeDensity shape(int kind) {
    return make_shape(static_cast<PopulationShape>(kind), kParameters[kind], kParameters[kind][0],
                      kParameters[kind][1]);
}

double log_density(int kind, double u) {
    const ShapeDensity s = shape(kind);
    double value = 0.0;
    for_each_object(static_cast<PopulationShape>(kind), 1, 1, [&]<PopulationShape k>(std::size_t) {
        value = weighted_density<k>(s, 0.0, u);
    });
    return std::log(value) + s.log_norm;
}

void densities_have_unit_moments() {
    for (int kind = 0; kind < kShapes; ++kind) {
        double moment[3] = {0.0, 0.0, 0.0};
        const double step = 0.01;
        for (double u = -300.0; u < 300.0; u += step) {
            const double g = step * std::exp(log_density(kind, u));
            moment[0] += g;
            moment[1] += g * u;
            moment[2] += g * u * u;
        }
        // beyond 300, Student's t of 5 degrees of freedom holds 1e-6 of the variance
        CHECK_CLOSE(moment[0], 1.0, 1e-9);
        if (kind == 4) continue;  // a selection moves the mean
        CHECK(std::fabs(moment[1]) < 1e-9);
        CHECK_CLOSE(moment[2], 1.0, 2e-6);
    }
}

// Objects x thetas of one kind.
struct Population {
    std::size_t objects, thetas;
    int kind;
    std::vector<double> mean, sd, tilt, slope, parameters, out;

    Population(int k, std::size_t n, std::size_t m) : objects(n), thetas(m), kind(k) {
        for (std::size_t i = 0; i < n * m; ++i) {
            mean.push_back(0.9 + 0.05 * static_cast<double>(i % 11));
            sd.push_back(0.05 + 0.1 * static_cast<double>(i % 5));
        }
        tilt.assign(n * m, kParameters[k][0]);
        slope.assign(n * m, kParameters[k][1]);
        for (std::size_t j = 0; j < m; ++j)
            parameters.insert(parameters.end(), kParameters[k], kParameters[k] + kShapeParameters);
        out.assign(n * m, -1.0);
    }
    PopulationBatch batch() {
        return {objects,     thetas,       mean.data(),       sd.data(),
                tilt.data(), slope.data(), parameters.data(), out.data()};
    }
};

// Likelihoods exp(-(M - 3)^2/(2 width^2)), whose cubics are exact, from `start` to `end`.
struct Grids {
    std::vector<std::int64_t> first, row;
    std::vector<double> nodes, start, step, low, high, peak, width;

    Grids(std::size_t n, std::size_t size, double inverse_variance, double from, double to) {
        first.push_back(0);
        for (std::size_t i = 0; i < n; ++i) {
            row.push_back(static_cast<std::int64_t>(i));
            const double h = (to - from) / static_cast<double>(size - 1);
            for (std::size_t j = 0; j < size; ++j) {
                const double gap = from + h * static_cast<double>(j) - 3.0;
                nodes.push_back(-0.5 * gap * gap * inverse_variance);
                nodes.push_back(-gap * h * inverse_variance);
            }
            first.push_back(first.back() + static_cast<std::int64_t>(size));
            start.push_back(from);
            step.push_back(h);
            low.insert(low.end(), kDepths, std::log(from));
            high.insert(high.end(), kDepths, std::log(to));
            peak.push_back(std::log(3.0));
            width.push_back(0.1);
        }
    }
    MassTables tables() const {
        return {{first.data(), nodes.data(), start.data(), step.data(), low.data(), high.data(),
                 peak.data(), width.data()},
                {},
                row.data()};
    }
};

void grids_against_a_loop() {
    for (int kind = 0; kind < kShapes; ++kind) {
        Population p(kind, 2, 5);
        const Grids g(2, 40, 4.0, 0.5, 8.0);
        CHECK(population_integrals(p.batch(), g.tables(), kind, 1).code == StatusCode::ok);
        for (std::size_t at = 0; at < p.out.size(); ++at) {
            // the midpoint rule, whose error at these steps is below 1e-8
            double sum = 0.0;
            const int n = 100'000;
            const double low = std::log(0.5), dy = std::log(16.0) / n;
            for (int i = 0; i < n; ++i) {
                const double y = low + (i + 0.5) * dy, gap = std::exp(y) - 3.0;
                sum += std::exp(log_density(kind, (y - p.mean[at]) / p.sd[at]) - 2.0 * gap * gap);
            }
            CHECK(std::fabs(p.out[at] - std::log(sum * dy / p.sd[at])) < accuracy(kind));
        }
    }
}

void a_flat_likelihood_of_one_interval_integrates_to_one() {
    for (int kind = 0; kind < kShapes; ++kind) {
        Population p(kind, 1, 5);
        const Grids g(1, 2, 0.0, 1e-30, 1e30);
        population_integrals(p.batch(), g.tables(), kind, 1);
        for (double value : p.out) CHECK(std::fabs(value) < accuracy(kind));
    }
}

void grids_at_the_edges() {
    const Grids g(1, 40, 4.0, 0.5, 8.0);
    const double mean = 1.0, gap = std::exp(mean) - 3.0;
    for (int kind = 0; kind < kShapes; ++kind) {
        Population p(kind, 1, 7);
        p.mean = {mean, mean, mean, mean, 3.0, 1e3, -1e3};
        p.sd = {0.0, 1e-300, 1e-17, 1e-10, 0.0, 0.1, 1e-12};
        population_integrals(p.batch(), g.tables(), kind, 1);
        // no scatter, and next to none: the likelihood at the mean
        for (std::size_t i = 0; i < 4; ++i) CHECK(std::fabs(p.out[i] + 2.0 * gap * gap) < 1e-7);
        // no mass of the grid is near: an outlier
        for (std::size_t i = 4; i < 7; ++i) {
            const double gap2 = std::pow(p.mean[i] - std::log(3.0), 2);
            const double d2 = gap2 / (p.sd[i] * p.sd[i] + 0.01);
            CHECK_CLOSE(p.out[i], -kFarFromGrid - std::log1p(d2), 1e-12);
        }
        // nearly uniform in ln M
        if (kind == 0) {
            p.mean.assign(7, mean);
            p.sd = {1e3, 1e6, 1e9, 1e12, 1e13, 1e14, 1e15};
            population_integrals(p.batch(), g.tables(), kind, 1);
            for (std::size_t i = 2; i < 7; ++i)
                CHECK_CLOSE(p.out[i] + std::log(p.sd[i]), p.out[1] + std::log(p.sd[1]), 1e-9);
        }
    }
}

void distributions_that_do_not_exist_have_no_likelihood() {
    const Grids g(1, 40, 4.0, 0.5, 8.0);
    const std::int64_t first[] = {0, 1}, row[] = {-1};
    const double sample[] = {1.0, 0.0}, one[] = {1.0};
    const MassTables samples{{}, {first, sample, sample + 1, one, one}, row};
    const double wrong[][kShapeParameters] = {
        {0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {2.0, 0.0, 0.0}, {0.5, 2.0, 1.0}, {-1e3, 0.0, 0.0}};
    for (int kind = 2; kind < kShapes; ++kind) {
        Population p(kind, 1, 1);
        p.parameters.assign(wrong[kind], wrong[kind] + kShapeParameters);
        p.tilt[0] = wrong[kind][0];
        p.slope[0] = wrong[kind][1];
        population_integrals(p.batch(), g.tables(), kind, 1);
        CHECK(p.out[0] == -kInfinity);
        population_integrals(p.batch(), samples, kind, 1);
        CHECK(p.out[0] == -kInfinity);
    }
    Population p(0, 1, 1);
    CHECK(population_integrals(p.batch(), g.tables(), kShapes, 1).code == StatusCode::unknown_kind);
    CHECK(population_integrals(p.batch(), g.tables(), -1, 1).code == StatusCode::unknown_kind);
}

void samples_against_a_loop() {
    // every remainder of eight that matters, one sample included
    const std::size_t sizes[] = {1, 7, 8, 9, 16, 23};
    std::vector<std::int64_t> first = {0}, row;
    std::vector<double> log_mass, log_weight, peak, width;
    for (std::size_t size : sizes) {
        for (std::size_t i = 0; i < size; ++i) {
            log_mass.push_back(1.0 + 0.3 * std::sin(static_cast<double>(7 * i + size)));
            log_weight.push_back(i % 5 == 4 ? -kInfinity : -0.1 * static_cast<double>(i));
        }
        first.push_back(static_cast<std::int64_t>(log_mass.size()));
        row.push_back(-1 - static_cast<std::int64_t>(row.size()));
        peak.push_back(1.0);
        width.push_back(0.2);
    }
    const MassTables samples{
        {},
        {first.data(), log_mass.data(), log_weight.data(), peak.data(), width.data()},
        row.data()};
    for (int kind = 0; kind < kShapes; ++kind) {
        Population p(kind, std::size(sizes), 4);
        p.sd[3] = 0.0;
        population_integrals(p.batch(), samples, kind, 1);
        for (std::size_t at = 0; at < p.out.size(); ++at) {
            // without scatter: as of the least width
            const double sd = std::max(p.sd[at], kFinestOfSamples * 0.2);
            double sum = 0.0;
            for (auto i = static_cast<std::size_t>(first[at / 4]);
                 i < static_cast<std::size_t>(first[at / 4 + 1]); ++i)
                sum += std::exp(log_weight[i] + log_density(kind, (log_mass[i] - p.mean[at]) / sd));
            // rounding of exponents of a few tens
            CHECK_CLOSE(p.out[at], std::log(sum / sd), 1e-13);
        }
        const std::vector<double> serial = p.out;
        for (int threads : {2, 3, 7}) {
            p.out.assign(p.out.size(), -1.0);
            population_integrals(p.batch(), samples, kind, threads);
            CHECK(p.out == serial);
        }
    }
}

void groups_against_a_loop() {
    const std::size_t n = 5, m = 3;
    Population p(0, n, m);
    const Grids g(n, 40, 4.0, 0.5, 8.0);
    const std::int64_t first[] = {0, 1, 5}, members[] = {3, 0, 1, 2, 4};
    const double rho[] = {0.0, 0.6, 0.999};
    std::vector<double> out(2 * m), again(2 * m);
    const GroupBatch batch{2, m, first, members, p.mean.data(), p.sd.data(), rho, out.data()};
    CHECK(group_integrals(batch, g.tables(), 1).code == StatusCode::ok);
    std::vector<double> sums(2 * m, 0.0);
    const double step = 0.01;
    Population given(0, n, m);
    for (double h = -7.0; h < 7.0; h += step) {
        for (std::size_t at = 0; at < n * m; ++at) {
            given.mean[at] = p.mean[at] + std::sqrt(rho[at % m]) * h * p.sd[at];
            given.sd[at] = std::sqrt(1.0 - rho[at % m]) * p.sd[at];
        }
        population_integrals(given.batch(), g.tables(), 0, 1);
        for (std::size_t at = 0; at < 2 * m; ++at) {
            double total = -0.5 * h * h - 0.5 * std::log(2.0 * kPi);
            for (std::int64_t j = first[at / m]; j < first[at / m + 1]; ++j)
                total += given.out[static_cast<std::size_t>(members[j]) * m + at % m];
            sums[at] += step * std::exp(total);
        }
    }
    for (std::size_t at = 0; at < 2 * m; ++at)
        CHECK(std::fabs(out[at] - std::log(sums[at])) < 1e-5);
    GroupBatch other = batch;
    other.out = again.data();
    for (int threads : {2, 3, 7}) {
        again.assign(2 * m, -1.0);
        group_integrals(other, g.tables(), threads);
        CHECK(again == out);
    }
}

void any_number_of_objects_and_threads() {
    for (std::size_t n : {0, 1, 13})
        for (std::size_t m : {0, 1, 6})
            for (int kind = 0; kind < kShapes; ++kind) {
                Population p(kind, n, m);
                const Grids g(n, 9, 4.0, 0.5, 8.0);
                population_integrals(p.batch(), g.tables(), kind, 1);
                const std::vector<double> serial = p.out;
                for (int threads : {2, 3, 7}) {
                    p.out.assign(n * m, -1.0);
                    population_integrals(p.batch(), g.tables(), kind, threads);
                    CHECK(p.out == serial);
                }
            }
}

}  // namespace

int main() {
    densities_have_unit_moments();
    grids_against_a_loop();
    a_flat_likelihood_of_one_interval_integrates_to_one();
    grids_at_the_edges();
    distributions_that_do_not_exist_have_no_likelihood();
    groups_against_a_loop();
    samples_against_a_loop();
    any_number_of_objects_and_threads();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
