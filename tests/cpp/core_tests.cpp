// Tests of the core without Python, to be run under sanitizers: shapes, limits, threads, errors.
#include <vector>

#include "check.hpp"
#include "clmassmod/likelihood.hpp"
#include "clmassmod/profile_kinds.hpp"
#include "clmassmod/rng.hpp"
#include "clmassmod/spline.hpp"

using namespace clmassmod;

namespace {

const int kThreads[] = {1, 2, 3, 7};

void elementary_functions() {
    for (double x = 1e-300; x < 1e300; x *= 13.7) {
        // absolute near ln 1 = 0, where the last bit of x decides
        CHECK(std::fabs(log_positive(x) - std::log(x)) <= 3e-16 * (1.0 + std::fabs(std::log(x))));
        CHECK_CLOSE(cbrt_positive(x), std::cbrt(x), 1e-15);
    }
    for (double x = -700.0; x < 700.0; x += 0.37) CHECK_CLOSE(exp_flushed(x), std::exp(x), 1e-15);
    CHECK(std::isnan(log_positive(0.0)) && std::isnan(log_positive(-1.0)));
    CHECK(std::isnan(log_positive(kInfinity)) && std::isnan(log_positive(kNaN)));
    CHECK(exp_flushed(-1000.0) == 0.0 && exp_flushed(1000.0) == kInfinity);
    CHECK(std::isnan(exp_flushed(kNaN)));
}

// The textbook form, good away from x = 1 and x = 0.
double textbook_nfw_sigma(double x) {
    const double y = std::fabs(x * x - 1.0);
    const double arc = x < 1.0 ? std::acosh(1.0 / x) : std::acos(1.0 / x);
    return 2.0 * (1.0 - arc / std::sqrt(y)) / (x * x - 1.0);
}

void nfw_against_the_textbook() {
    for (double x : {0.02, 0.1, 0.3, 0.69, 0.72, 1.3, 1.5, 4.0, 50.0})
        CHECK_CLOSE(Nfw::surface_density(x, 0.0), textbook_nfw_sigma(x), 1e-12);
    CHECK_CLOSE(Nfw::surface_density(1.0, 0.0), 2.0 / 3.0, 1e-15);
    CHECK_CLOSE(Nfw::enclosed_mass(5.0, 0.0), std::log(6.0) - 5.0 / 6.0, 1e-15);
    // d Sigma / d ln x by a central difference: h^2 = 1e-10
    for (double x : {0.05, 0.9, 1.0, 1.1, 7.0}) {
        const double h = 1e-5;
        const double up = Nfw::surface_density(x * std::exp(h), 0.0);
        const double down = Nfw::surface_density(x * std::exp(-h), 0.0);
        CHECK_CLOSE(Nfw::surface_density_slope(x, 0.0), (up - down) / (2.0 * h), 1e-8);
    }
}

void expected_ellipticity_is_g_or_its_inverse() {
    CHECK_CLOSE(expected_ellipticity(0.2, 0.4), 0.5, 1e-15);
    CHECK_CLOSE(expected_ellipticity(0.8, 0.4), 0.5, 1e-15);
    CHECK_CLOSE(expected_ellipticity(1.5, 0.2), -0.4, 1e-15);
    // |g| = 1 from both sides, kappa = 1, and no lens
    CHECK(expected_ellipticity(0.5, 0.5) == 1.0 && expected_ellipticity(1.5, 0.5) == -1.0);
    CHECK(expected_ellipticity(1.0, 0.3) == 0.0 && expected_ellipticity(0.0, 0.0) == 0.0);
}

struct Sample {
    std::size_t rows, columns;
    std::vector<double> radius, density_scale, radius_scale, shear, out;

    Sample(std::size_t n, std::size_t m) : rows(n), columns(m) {
        for (std::size_t i = 0; i < n * m; ++i)
            radius.push_back(0.01 + 0.003 * static_cast<double>(i % 997));
        for (std::size_t i = 0; i < n; ++i) {
            density_scale.push_back(1e14 + 1e12 * static_cast<double>(i % 31));
            radius_scale.push_back(0.2 + 0.01 * static_cast<double>(i % 17));
            shear.push_back(2e-16);
        }
        out.assign(n * m, 0.0);
    }

    ProfileBatch batch() {
        ProfileBatch b;
        b.radius = {radius.data(), columns, 1};
        b.n_rows = rows;
        b.n_columns = columns;
        b.density_scale = density_scale.data();
        b.radius_scale = radius_scale.data();
        b.sources.shear = {shear.data(), 1, 0};
        b.sources.convergence = {shear.data(), 1, 0};
        b.out = out.data();
        return b;
    }
};

const Quantity kQuantities[] = {
    Quantity::density,
    Quantity::enclosed_mass,
    Quantity::surface_density,
    Quantity::mean_surface_density,
    Quantity::excess_surface_density,
    Quantity::enclosed_mass_2d,
    Quantity::convergence,
    Quantity::reduced_tangential_shear,
    Quantity::magnification,
    Quantity::tangential_ellipticity,
};

void batches_of_any_shape_and_thread_count() {
    const std::size_t shapes[][2] = {{1, 1}, {1, 511}, {1, 513}, {3, 7}, {701, 15}, {5000, 1}};
    for (const auto& [n, m] : shapes) {
        for (Quantity q : kQuantities) {
            Sample sample(n, m);
            CHECK(run_batch<Nfw>(q, sample.batch(), 1).code == StatusCode::ok);
            const std::vector<double> first = sample.out;
            for (int threads : kThreads) {
                sample.out.assign(n * m, -1.0);
                CHECK(run_batch<Nfw>(q, sample.batch(), threads).code == StatusCode::ok);
                CHECK(sample.out == first);
            }
            // the last point alone gives the same bits
            ProfileBatch one = sample.batch();
            double alone = 0.0;
            one.radius.data += n * m - 1;
            one.density_scale += n - 1;
            one.radius_scale += n - 1;
            one.n_rows = one.n_columns = 1;
            one.out = &alone;
            CHECK(run_batch<Nfw>(q, one, 1).code == StatusCode::ok);
            CHECK(alone == first.back());
        }
    }
}

void the_first_bad_radius_is_reported() {
    for (int threads : kThreads) {
        Sample sample(900, 15);
        sample.radius[9000] = -1.0;
        sample.radius[12000] = kNaN;
        const Status status = run_batch<Nfw>(Quantity::density, sample.batch(), threads);
        CHECK(status.code == StatusCode::bad_radius);
        CHECK(status.index == 9000);
    }
    Sample sample(1, 1);
    CHECK(evaluate_profile(999, 0, sample.batch(), 1).code == StatusCode::unknown_kind);
}

void planes_average_the_observable() {
    Sample sample(4, 20);
    const std::vector<double> inverse = {0.0,     1e-16, 2e-16, 3e-16, 1.5e-16,
                                         0.5e-16, 2e-16, 1e-16, 4e-16};
    const std::vector<double> weight(inverse.size(), 1.0 / static_cast<double>(inverse.size()));
    std::vector<double> expected(80, 0.0);
    for (std::size_t k = 0; k < inverse.size(); ++k) {
        sample.shear.assign(4, inverse[k]);
        run_batch<Nfw>(Quantity::reduced_tangential_shear, sample.batch(), 1);
        for (std::size_t i = 0; i < 80; ++i) expected[i] += weight[k] * sample.out[i];
    }
    ProfileBatch b = sample.batch();
    b.sources.plane_inverse = inverse.data();
    b.sources.plane_weight = weight.data();
    b.sources.n_planes = inverse.size();
    run_batch<Nfw>(Quantity::reduced_tangential_shear, b, 1);
    // nine terms in another order
    for (std::size_t i = 0; i < 80; ++i) CHECK_CLOSE(sample.out[i], expected[i], 1e-14);
}

void likelihood_diagonal_is_full() {
    const std::size_t rows = 300, n = 11;
    std::vector<double> model(rows * n), amplitude(rows, 1.1), data(2 * n, 0.03), sigma(2 * n);
    std::vector<double> full(2 * n * n, 0.0), norm = {1.0, 2.0}, a(rows), b(rows);
    std::vector<std::int64_t> object(rows);
    for (std::size_t i = 0; i < model.size(); ++i) model[i] = 0.01 * static_cast<double>(i % 7);
    for (std::size_t i = 0; i < rows; ++i) object[i] = static_cast<std::int64_t>(i % 2);
    for (std::size_t i = 0; i < 2 * n; ++i) {
        sigma[i] = 50.0 + static_cast<double>(i);
        full[(i / n) * n * n + (i % n) * (n + 1)] = sigma[i];
    }
    GaussianBatch batch{rows,          n,           model.data(), amplitude.data(),
                        object.data(), data.data(), sigma.data(), norm.data(),
                        a.data()};
    gaussian_log_likelihood(batch, true, 1);
    batch.whitening = full.data();
    batch.out = b.data();
    for (int threads : kThreads) {
        gaussian_log_likelihood(batch, false, threads);
        // eleven squares added in another order
        for (std::size_t i = 0; i < rows; ++i) CHECK_CLOSE(a[i], b[i], 1e-14);
    }
}

void spline_reproduces_a_cubic_and_refuses_the_outside() {
    const std::size_t n = 10;
    const double step = 0.2;
    std::vector<double> coefficients;
    const auto cubic = [](double u) { return 1.0 + u * (2.0 + u * (-3.0 + 0.5 * u)); };
    for (std::size_t i = 0; i < n; ++i) {
        const double u = step * static_cast<double>(i);
        coefficients.insert(coefficients.end(),
                            {cubic(u), step * (2.0 + u * (-6.0 + 1.5 * u)),
                             step * step * (-3.0 + 1.5 * u), step * step * step * 0.5});
    }
    const UniformCubic spline{coefficients.data(), n, 0.0, 1.0 / step};
    const std::vector<double> z = {0.0, 0.1, 1.0, 3.0, 6.3, 8.0, -0.5, kNaN};
    std::vector<double> out(z.size());
    const Status status = evaluate_at_redshifts(spline, z.data(), z.size(), out.data());
    for (std::size_t i = 0; i < 5; ++i) CHECK_CLOSE(out[i], cubic(std::log1p(z[i])), 1e-13);
    for (std::size_t i = 5; i < z.size(); ++i) CHECK(std::isnan(out[i]));
    CHECK(status.code == StatusCode::outside && status.index == 5);
}

// The known answers that come with Random123 of the authors of Philox.
void philox_known_answers() {
    constexpr std::uint64_t kAll = ~std::uint64_t{0};
    const PhiloxBlock zero = {0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b,
                              0x7e68b68aec7ba23b};
    const PhiloxBlock ones = {0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6,
                              0xa09caebf594f0ba0};
    CHECK(philox4x64({0, 0, 0, 0}, {0, 0}) == zero);
    CHECK(philox4x64({kAll, kAll, kAll, kAll}, {kAll, kAll}) == ones);
    CHECK(open_uniform(0) == 0x1p-53 && open_uniform(kAll) == 1.0 - 0x1p-53);
}

void uniforms_of_any_thread_count() {
    const std::size_t n = 200'007, n_draws = 5;
    std::vector<std::uint64_t> objects(n);
    for (std::size_t i = 0; i < n; ++i) objects[i] = 3 * i;
    const KeyedUniforms wanted{{1, 2}, objects.data(), nullptr, n, n_draws};
    std::vector<double> one(n * n_draws), other(n * n_draws);
    keyed_uniforms(wanted, 1, one.data());
    for (int threads : kThreads) {
        keyed_uniforms(wanted, threads, other.data());
        CHECK(one == other);
    }
}

}  // namespace

int main() {
    elementary_functions();
    nfw_against_the_textbook();
    expected_ellipticity_is_g_or_its_inverse();
    batches_of_any_shape_and_thread_count();
    the_first_bad_radius_is_reported();
    planes_average_the_observable();
    likelihood_diagonal_is_full();
    spline_reproduces_a_cubic_and_refuses_the_outside();
    philox_known_answers();
    uniforms_of_any_thread_count();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
