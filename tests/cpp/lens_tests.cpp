// Tests of the lens engine without Python, to be run under sanitizers.
#include <vector>

#include "check.hpp"
#include "lens_sample.hpp"

using namespace clmassmod;

namespace {

bool same(double a, double b) { return a == b || (a != a && b != b); }

bool same(const std::vector<double>& a, const std::vector<double>& b) {
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i) equal = same(a[i], b[i]);
    return equal;
}

constexpr std::size_t kLenses = 700;

void images_solve_the_lens_equation() {
    const LensSample sample(kLenses);
    const LensAnswers answers(sample, 1);
    std::size_t solved = 0;
    for (std::size_t i = 0; i < kLenses; ++i) {
        if (answers.status[i] != 0) continue;
        ++solved;
        const LensBatch batch = sample.batch(sample.star_amplitude.data());
        const StarHaloLens lens = star_halo_lens(batch, i);
        const auto column = [&](std::size_t k) { return answers.numbers[k * kLenses + i]; };
        const double ring = column(0), beta = sample.beta[i];
        CHECK(std::fabs(ring - lens.at(ring).deflection()) <= 1e-12 * ring);
        CHECK(std::fabs(column(3) - lens.at(column(3)).deflection() - beta) <= 1e-12 * ring);
        const double b = -column(4);
        CHECK(std::fabs(lens.at(b).deflection() - b - beta) <= 1e-12 * ring);
        CHECK(column(3) >= ring && b <= ring && b >= column(1));
        // the inversion gives back what the images were made of
        if (beta > 0.0 && answers.status[kLenses + i] == 0) {
            CHECK_CLOSE(column(16), sample.log_stars[i], 1e-9);
            CHECK(std::fabs(column(17) - beta) <= 1e-9 * ring);
        }
    }
    // enough of the sample is lenses
    CHECK(solved > kLenses / 4);
}

void threads_give_the_same_bits() {
    const LensSample sample(kLenses);
    const LensAnswers first(sample, 1);
    const std::vector<double> x_a(kLenses, 6.6), x_b(kLenses, -3.1);
    const GridAnswers grid(sample, x_a, x_b, 1);
    for (int threads : {2, 3, 7}) {
        const LensAnswers other(sample, threads);
        CHECK(same(other.numbers, first.numbers) && other.status == first.status);
        const GridAnswers again(sample, x_a, x_b, threads);
        CHECK(same(again.numbers, grid.numbers) && again.status == grid.status);
    }
}

void enclosed_mass_of_nfw() {
    for (double x : {1e-3, 0.1, 0.9, 1.0, 1.1, 5.0, 1e4}) {
        // the series of ln(1 + x) - x/(1 + x) where that cancels
        const double y = x / (1.0 + x);
        double series = 0.0, power = y;
        for (int k = 2; k < 200; ++k) series += (power *= y) / k;
        CHECK_CLOSE(Gnfw::enclosed_mass(x, 1.0), x < 2.0 ? series : std::log1p(x) - y, 1e-13);
    }
    CHECK_CLOSE(digamma(1.0), -kEulerGamma, 1e-15);
    CHECK_CLOSE(digamma(0.5), -kEulerGamma - 2.0 * kLn2, 1e-15);
}

void what_is_no_number_is_said_to_be_none() {
    LensSample sample(3);
    sample.star_amplitude[1] = kNaN;
    sample.beta[2] = kNaN;
    const LensAnswers answers(sample, 1);
    CHECK(answers.status[1] == static_cast<int>(LensStatus::not_a_number));
    CHECK(answers.status[2] != 0);
    CHECK(std::isnan(answers.numbers[3 * 3 + 1]) && std::isnan(answers.numbers[3 * 3 + 2]));
}

}  // namespace

int main() {
    images_solve_the_lens_equation();
    threads_give_the_same_bits();
    enclosed_mass_of_nfw();
    what_is_no_number_is_said_to_be_none();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
