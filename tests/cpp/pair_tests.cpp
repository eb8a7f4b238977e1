// Tests of pair sums without Python, to be run under sanitizers: against one loop over all pairs,
// for grids of any number of cells, threads, and at the edges.
#include "check.hpp"
#include "pair_sample.hpp"

using namespace clmassmod;

namespace {

void sums_are_those_of_all_pairs() {
    for (std::size_t n_bands : {1, 3, 17}) {
        const PairSample s(5000, 20, n_bands);
        const std::vector<double> out = s.sums(1);
        for (std::size_t l = 0; l < s.lens_u.size(); ++l) {
            double pairs[3] = {}, weight[3] = {}, angle[3] = {};
            for (std::size_t i = 0; i < s.u.size(); ++i) {
                const double along = std::cos(s.u[i] - s.lens_u[l]);
                const double cosine = std::sin(s.v[i]) * std::sin(s.lens_v[l]) +
                                      std::cos(s.v[i]) * std::cos(s.lens_v[l]) * along;
                const double theta = std::acos(cosine);
                if (theta < 0.002 || theta >= PairSample::kOuter) continue;
                std::size_t place = 0;
                while (static_cast<std::size_t>(s.order[place]) != i) ++place;
                if (s.t[place] >= s.limit[l]) continue;
                const std::size_t bin = theta < 0.01 ? 0 : (theta < 0.02 ? 1 : 2);
                const double beta = 1.0 - 1000.0 * s.t[place];
                pairs[bin] += 1.0;
                weight[bin] += s.weight[place] * beta * beta;
                angle[bin] += s.weight[place] * beta * beta * theta;
            }
            for (std::size_t bin = 0; bin < 3; ++bin) {
                const double* row = out.data() + (l * 3 + bin) * kPairSums;
                CHECK(row[kPairs] == pairs[bin]);
                CHECK_CLOSE(row[kWeight], weight[bin], 1e-12);
                // acos loses digits at small angles
                CHECK_CLOSE(row[kSeparation], angle[bin], 1e-9);
            }
        }
    }
}

void threads_do_not_matter() {
    // one centre of many pieces of work, and many centres
    const PairSample many(3000, 300, 5), one(60000, 1, 9);
    for (const PairSample* sample : {&many, &one}) {
        const std::vector<double> out = sample->sums(1);
        for (int threads : {2, 3, 7}) CHECK(sample->sums(threads) == out);
    }
}

void windows_across_the_period_have_every_place_once() {
    const PairSample s(2000, 1, 7);
    for (double u0 : {0.0, 0.05, 0.0999, 1.0, 6.28})
        for (double du : {0.0, 0.01, 0.06, 3.0, kPi, 4.0}) {
            std::vector<Run> runs;
            append_window(s.grid, s.start.data(), u0, 0.05, du, 1.0, runs);
            std::vector<int> seen(s.u.size());
            for (const Run& run : runs)
                for (std::size_t i = run.first; i < run.last; ++i) ++seen[i];
            for (std::size_t place = 0; place < seen.size(); ++place) {
                const double u = s.u[static_cast<std::size_t>(s.order[place])];
                const double away = std::fabs(std::remainder(u - u0, 2.0 * kPi));
                CHECK(seen[place] <= 1);
                if (away <= du) CHECK(seen[place] == 1);
            }
        }
}

void separations_are_arcsines() {
    for (double s : {1e-12, 1e-3, 0.05, 0.0999, 0.1001, 0.7, 1.0})
        CHECK_CLOSE(Sphere::separation(s, s * s), std::asin(s), 1e-15);
}

void no_galaxies_and_no_centres() {
    const PairSample s(1, 2, 1);
    std::vector<double> out(2 * 3 * kPairSums, 1.0);
    PairGalaxies none = s.galaxies();
    none.n = 0;
    const std::int64_t start[] = {0, 0, 0};
    sum_pairs<false, Plane>(none, s.grid, start, s.centres(), 2, out.data());
    for (double value : out) CHECK(value == 0.0);
    PairCentres no_centres = s.centres();
    no_centres.n = 0;
    sum_pairs<false, Plane>(s.galaxies(), s.grid, s.start.data(), no_centres, 2, out.data());
}

}  // namespace

int main() {
    sums_are_those_of_all_pairs();
    threads_do_not_matter();
    windows_across_the_period_have_every_place_once();
    separations_are_arcsines();
    no_galaxies_and_no_centres();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
