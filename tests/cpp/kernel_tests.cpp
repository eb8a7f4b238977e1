// Tests of the kernels of image pairs without Python, to be run under sanitizers.
#include <algorithm>
#include <vector>

#include "check.hpp"
#include "clmassmod/lens_kernel.hpp"

using namespace clmassmod;

namespace {

// Four pairs at 0.3 with sources at 2: usual, near a ring, wide, and one that no lens can make.
constexpr std::size_t kPairs = 4;
constexpr double kXa[kPairs] = {6.6, 5.05, 9.4, 50.0};
constexpr double kB[kPairs] = {3.1, 4.95, 1.3, 1.0};
constexpr double kMagA[kPairs] = {23.6, 20.3, 24.4, 24.0};
constexpr double kMagB[kPairs] = {24.4, 20.3, 27.6, 12.0};
constexpr double kInverseSigma = 1.0 / 2.352362907776449e9;
constexpr double kDensity = 200.0 * 184.828014744076;
constexpr double kIndex[2] = {4.0, 7.66924944250080};
constexpr double kUnitStar = 94.482746968394763;

struct Sample {
    std::vector<double> points, slopes, densities, tables, flat_counts, columns;
    std::vector<RidgeRow> rows;
    std::vector<std::size_t> first = std::vector<std::size_t>(kPairs, 0);
    PopulationBatch training;
    PairPhotometry photometry{};
    Concentration concentration;
    KernelSettings settings{};
    PairColumns pairs;
    double log_c = std::log(5.0);

    Sample() {
        for (int i = 0; i < 12; ++i) {
            const double u = std::fmod(0.618033988749895 * i, 1.0);
            const double v = std::fmod(0.754877666246693 * i, 1.0);
            const double one[kPopulationNumbers] = {
                11.252,        0.202,    0.17,          0.774, 0.977,
                0.112,         12.5 + u, 1.0 + 2.0 * v, 0.0,   0.1 + 0.4 * u,
                0.7 + 0.6 * v, 0.2,      0.1 * u,       0.0,   0.0};
            points.insert(points.end(), one, one + kPopulationNumbers);
        }
        for (std::size_t j = 0; j < kMostSlopes; ++j)
            slopes.push_back(2.0 * static_cast<double>(j) / (kMostSlopes - 1));
        static const double t = 0.0, log_t = 0.0;
        training = {12,
                    kMostSlopes,
                    1,
                    points.data(),
                    slopes.data(),
                    &t,
                    &log_t,
                    {11.4, 11.4, 11.4, 0.0, 2.0}};
        densities.resize(12 * kMostSlopes);
        fill_slope_densities(training, densities.data());
        make_rows();
        make_photometry();
        make_pairs();
    }

    void make_rows() {
        const std::size_t size = mean_table_size(kMeanLayout);
        tables.resize((kMostSlopes + 1) * size);
        rows.resize(kMostSlopes);
        for (std::size_t j = 0; j < kMostSlopes; ++j) {
            double* table = tables.data() + j * size;
            CHECK(build_mean_table<FromDensity<Gnfw>>(Gnfw(&slopes[j]), kMeanLayout, table));
            rows[j] = {table, slopes[j], 125.0 / (3.0 * Gnfw::enclosed_mass(5.0, slopes[j]))};
        }
        double* stars = tables.data() + kMostSlopes * size;
        CHECK(build_mean_table<FromSurface<Sersic>>(Sersic(kIndex), kMeanLayout, stars));
        settings = {14.5,
                    12.5,
                    3e-4,
                    15.0,
                    0,
                    rows.data(),
                    2.0 / (kMostSlopes - 1),
                    &training,
                    densities.data()};
    }

    // as many sources at every magnitude from 18 to 30.4
    void make_photometry() {
        flat_counts.assign(4 * 20, 0.0);
        photometry.table.log_counts.coefficients = flat_counts.data();
        photometry.table.log_counts.n_intervals = 20;
        photometry.table.log_counts.start = 15.0;
        photometry.table.log_counts.inverse_step = 1.0;
        photometry.table.inverse_variance = 50.0;
        photometry.table.weight_a = 0.5;
        photometry.table.log_norm = -0.5 * std::log(2.0 * kPi * 0.02);
        photometry.sigma_a = photometry.sigma_b = 0.1;
        photometry.ubar_low = 18.0;
        photometry.ubar_high = 30.4;
        concentration = {&log_c, 1};
    }

    void make_pairs() {
        const double radius = 8.0;
        const double same[] = {kUnitStar * kInverseSigma / (radius * radius),
                               radius,
                               std::cbrt(0.75 / kPi / kDensity),
                               kDensity * kInverseSigma,
                               0.1,
                               11.5,
                               0.1,
                               std::log10(radius),
                               0.11,
                               30.0,
                               0.0,
                               1.0};
        for (const double value : same) columns.insert(columns.end(), kPairs, value);
        columns[10 * kPairs] = 2.0;  // one delay
        const auto at = [&](std::size_t k) { return columns.data() + k * kPairs; };
        pairs.n = kPairs;
        pairs.x_a = kXa;
        pairs.b = kB;
        pairs.m_a = kMagA;
        pairs.m_b = kMagB;
        pairs.star_amplitude = at(0);
        pairs.star_radius = at(1);
        pairs.unit_radius = at(2);
        pairs.factor = at(3);
        pairs.sigma_a = pairs.sigma_b = at(4);
        pairs.log_msps = at(5);
        pairs.sigma_msps = at(6);
        pairs.log_re = at(7);
        pairs.step = at(8);
        pairs.delay = at(9);
        pairs.sigma_delay = at(10);
        pairs.days = at(11);
        pairs.counts = pairs.concentration = first.data();
        pairs.star_table = tables.data() + kMostSlopes * mean_table_size(kMeanLayout);
        pairs.star_shape = kIndex;
        pairs.photometry = &photometry;
        pairs.concentrations = &concentration;
        pairs.r = 1.0 / 3.0;
    }

    std::vector<KernelResult> build(char* found, int n_threads) const {
        std::vector<KernelResult> results(kPairs);
        const Status status = build_kernels(pairs, &settings, results.data(), found, n_threads);
        CHECK(status.code == StatusCode::ok);
        return results;
    }
};

// The sum over the nodes by the C library, one after another.
double slow_sum(const Sample& s, const KernelResult& k, std::size_t i, const GalaxyTerms& g) {
    double total = 0.0;
    for (std::size_t j = 0; j < k.log_mstar.size(); ++j) {
        const double d = g.d0 + g.d1 * k.log_mstar[j];
        const double halo = g.halo * k.log_mhalo[j] - (g.a + g.b * d);
        const double e = g.k0 + d * (g.k1 + d * g.k2) - 0.5 * halo * halo + k.log_weight[j] +
                         log_normal_cdf(g.s0 + g.s1 * d);
        total += std::exp(e) * s.densities[i * kMostSlopes + k.gamma[j / kChunk]];
    }
    return std::log(total);
}

void sums_are_those_of_the_nodes(const Sample& s) {
    char found[kPairs];
    const std::vector<KernelResult> kernels = s.build(found, 1);
    CHECK(found[0] == 1 && found[1] == 1 && found[2] == 1 && found[3] == 0);
    for (std::size_t lens = 0; lens < 3; ++lens) {
        const KernelResult& k = kernels[lens];
        CHECK(k.gamma.size() * kChunk == k.log_mstar.size());
        CHECK(k.gamma.size() > 20);
        const KernelNodes<float> nodes{k.log_mstar.size(),
                                       k.log_mstar.data(),
                                       k.log_mhalo.data(),
                                       k.log_weight.data(),
                                       k.gamma.data(),
                                       nullptr,
                                       {}};
        const GalaxyData galaxy{s.pairs.log_msps[lens], s.pairs.sigma_msps[lens],
                                s.pairs.log_re[lens]};
        for (std::size_t i = 0; i < s.training.n; ++i) {
            const PopulationPoint p = population_point(s.points.data() + i * kPopulationNumbers);
            const GalaxyTerms g = galaxy_terms(p, s.training.frame, galaxy, 0.0);
            const double* densities = s.densities.data() + i * kMostSlopes;
            const double sum = log_sum(g, nodes, densities);
            // single precision of one factor, over many nodes
            CHECK(std::fabs(sum - slow_sum(s, k, i, g)) < 1e-6);
        }
    }
}

// Cubics of the mean magnitude from 15 to 35, at every eta and two errors: some, and twice them.
std::vector<double> ratio_tables(std::size_t n) {
    std::vector<double> tables(n * 2 * 20 * 4);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < 80; ++k) {
            const double one = 0.3 * std::sin(1.0 + static_cast<double>(k * (i + 1)));
            tables[(2 * i) * 80 + k] = one;
            tables[(2 * i + 1) * 80 + k] = 2.0 * one;
        }
    return tables;
}

// The ratio is a factor of every node, interpolated between errors by the weights of the lens.
void ratios_weigh_the_nodes(const Sample& s) {
    char found[kPairs];
    const std::vector<KernelResult> kernels = s.build(found, 1);
    const std::vector<double> tables = ratio_tables(s.training.n);
    const double weights[] = {0.25, 0.5};  // 1.25 times the first table
    for (std::size_t lens = 0; lens < 3; ++lens) {
        const KernelResult& k = kernels[lens];
        const std::size_t first_part[] = {0, 1}, first[] = {0, k.gamma.size()};
        KernelBatch batch;
        batch.n_lenses = 1;
        batch.first_part = first_part;
        batch.first = first;
        batch.log_scale = &k.log_scale;
        batch.log_re = s.pairs.log_re + lens;
        batch.log_msps = s.pairs.log_msps + lens;
        batch.sigma_msps = s.pairs.sigma_msps + lens;
        batch.nodes = {k.log_mstar.size(),
                       k.log_mstar.data(),
                       k.log_mhalo.data(),
                       k.log_weight.data(),
                       k.gamma.data(),
                       k.ubar.data(),
                       {}};
        batch.ratios = {2, 20, 15.0, 1.0, tables.data(), weights};
        std::vector<double> out(s.training.n), fixed(s.training.n);
        const Status status = sum_lenses(batch, s.training, s.densities.data(), out.data(), 2);
        CHECK(status.code == StatusCode::ok);
        const GalaxyData galaxy{*batch.log_msps, *batch.sigma_msps, *batch.log_re};
        for (std::size_t i = 0; i < s.training.n; ++i) {
            const PopulationPoint p = population_point(s.points.data() + i * kPopulationNumbers);
            const GalaxyTerms g = galaxy_terms(p, s.training.frame, galaxy, 0.0);
            const UniformCubic ratio{tables.data() + 2 * i * 80, 20, 15.0, 1.0};
            KernelResult other = k;
            for (std::size_t j = 0; j < k.ubar.size(); ++j)
                other.log_weight[j] +=
                    static_cast<float>(1.25 * ratio(static_cast<double>(k.ubar[j])));
            // weights in single precision
            CHECK(std::fabs(out[i] - k.log_scale - slow_sum(s, other, i, g)) < 3e-6);
        }
    }
}

// Other counts that do not differ leave the nodes as they are; other ones keep more of them.
void nodes_are_good_for_other_counts(Sample& s) {
    char found[kPairs];
    const std::vector<KernelResult> fixed = s.build(found, 1);
    std::vector<double> same(80, 0.0), steep(80, 0.0);
    for (std::size_t k = 0; k < 20; ++k) {
        steep[4 * k] = 3.0 * static_cast<double>(k);
        steep[4 * k + 1] = 3.0;
    }
    const UniformCubic ratios[] = {{same.data(), 20, 15.0, 1.0}, {steep.data(), 20, 15.0, 1.0}};
    s.photometry.ratios = ratios;
    s.photometry.n_ratios = 1;
    const std::vector<KernelResult> unchanged = s.build(found, 1);
    s.photometry.n_ratios = 2;
    const std::vector<KernelResult> more = s.build(found, 1);
    for (std::size_t lens = 0; lens < 3; ++lens) {
        CHECK(fixed[lens].log_weight == unchanged[lens].log_weight);
        CHECK(fixed[lens].gamma == unchanged[lens].gamma);
        CHECK(more[lens].ubar.size() == more[lens].log_mstar.size());
    }
    CHECK(more[0].log_weight != fixed[0].log_weight);
    s.photometry.n_ratios = 0;
}

void threads_give_the_same_nodes(const Sample& s) {
    char found[kPairs];
    const std::vector<KernelResult> one = s.build(found, 1), two = s.build(found, 2);
    for (std::size_t lens = 0; lens < kPairs; ++lens) {
        CHECK(one[lens].log_mstar == two[lens].log_mstar);
        CHECK(one[lens].log_weight == two[lens].log_weight);
        CHECK(one[lens].gamma == two[lens].gamma);
        CHECK(one[lens].log_scale == two[lens].log_scale);
    }
}

void factor_of_the_skew_normal() {
    double worst = 0.0;
    for (double s = -60.0; s < 12.0; s += 0.0137) {
        const double below = std::min(s, 0.0);
        const double expected = std::exp(log_normal_cdf(s) + 0.5 * below * below);
        const float found = normal_cdf_factor(static_cast<float>(s));
        // the argument in single precision moves the factor by less than 3e-7 of it
        worst = std::max(worst, std::fabs(found / expected - 1.0));
    }
    CHECK(worst < 6e-7);
    CHECK(normal_cdf_factor(0.0f) > 0.4999998f && normal_cdf_factor(0.0f) < 0.5000002f);
    CHECK(normal_cdf_factor(-1e30f) >= 0.0f && normal_cdf_factor(1e30f) == 1.0f);
}

void gregory_is_exact_for_polynomials() {
    for (const std::size_t n : {33u, 49u, 97u})
        for (int power = 0; power < 5; ++power) {
            double sum = 0.0;
            for (std::size_t j = 0; j < n; ++j) {
                const double x = static_cast<double>(j) / static_cast<double>(n - 1);
                sum += gregory_weight(j, n) * std::pow(x, power) / static_cast<double>(n - 1);
            }
            CHECK_CLOSE(sum, 1.0 / (power + 1.0), 1e-12);
        }
}

}  // namespace

int main() {
    Sample sample;
    sums_are_those_of_the_nodes(sample);
    ratios_weigh_the_nodes(sample);
    nodes_are_good_for_other_counts(sample);
    threads_give_the_same_nodes(sample);
    factor_of_the_skew_normal();
    gregory_is_exact_for_polynomials();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
