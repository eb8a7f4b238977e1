// A few hundred lenses of stars and haloes, usual and extreme, for the tests of the core.
#pragma once

#include <cmath>
#include <vector>

#include "clmassmod/lens_batch.hpp"
#include "clmassmod/lens_grid.hpp"
#include "clmassmod/lens_scales.hpp"

namespace clmassmod {

// compilers may replace the C library's pow by something that rounds otherwise
inline double exp10_of(double x) { return exp_flushed(kLn10 * x); }

struct LensSample {
    static constexpr double kInverseSigma = 1.0 / 2.352362907776449e9;  // z = 0.3 and 2, kpc^2/Msun
    static constexpr double kDensity = 200.0 * 184.828014744076;        // Msun/kpc^3
    static constexpr double kIndex = 4.0, kB = 7.66924944250080;
    // b^(2n) / (2 pi n Gamma(2n)): a number, since compilers round functions of constants anew
    static constexpr double kUnit = 94.482746968394763;

    std::vector<double> log_stars, radius, log_halo, concentration, slope, density, inverse_sigma;
    std::vector<double> star_amplitude, unit_amplitude, halo_amplitude, halo_radius, beta;
    std::vector<double> star_table, panel_memory;
    std::vector<const double*> star_tables, panels;
    double shape[2] = {kIndex, kB};

    explicit LensSample(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            const double u = std::fmod(0.618033988749895 * static_cast<double>(i), 1.0);
            const double v = std::fmod(0.754877666246693 * static_cast<double>(i), 1.0);
            const double w = std::fmod(0.569840290998053 * static_cast<double>(i), 1.0);
            log_stars.push_back(10.0 + 2.3 * u);
            radius.push_back(exp10_of(0.1 + 1.2 * v));
            log_halo.push_back(11.0 + 4.0 * w);
            // slopes of three panels, one of them beyond isothermal
            slope.push_back(i % 7 == 0 ? 2.3 + 0.06 * v : (i % 3 ? 1.0 : 0.0) + 0.06 * u);
            beta.push_back(i % 11 == 0 ? 0.0 : 4.0 * w * u);
        }
        concentration.assign(n, 5.0);
        density.assign(n, kDensity);
        inverse_sigma.assign(n, kInverseSigma);
        halo_amplitude.resize(n);
        halo_radius.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            unit_amplitude.push_back(kUnit * kInverseSigma / (radius[i] * radius[i]));
            star_amplitude.push_back(exp10_of(log_stars[i]) * unit_amplitude[i]);
        }
        make_tables();
        halo_scales(scales(), 1);
    }

    HaloScaleBatch scales() {
        return {log_halo.size(), log_halo.data(),      concentration.data(),  slope.data(),
                density.data(),  inverse_sigma.data(), halo_amplitude.data(), halo_radius.data()};
    }

    void make_tables() {
        star_table.resize(mean_table_size(kMeanLayout));
        build_mean_table<FromSurface<Sersic>>(Sersic(shape), kMeanLayout, star_table.data());
        star_tables = {star_table.data()};
        std::vector<double> scratch(8 * mean_table_size(kSlopeLayout));
        const int used[] = {0, 16, 36, 37};
        panel_memory.resize(4 * slope_panel_size());
        panels.assign(kSlopePanels, nullptr);
        for (std::size_t k = 0; k < 4; ++k) {
            double* place = panel_memory.data() + k * slope_panel_size();
            build_slope_panel(used[k], scratch.data(), place);
            panels[static_cast<std::size_t>(used[k])] = place;
        }
    }

    LensBatch batch(const double* amplitude) const {
        LensBatch b;
        b.n = slope.size();
        b.star_amplitude = amplitude;
        b.star_radius = radius.data();
        b.halo_amplitude = halo_amplitude.data();
        b.halo_radius = halo_radius.data();
        b.inner_slope = slope.data();
        b.star_tables = star_tables.data();
        b.star_shapes = shape;
        b.slope_panels = panels.data();
        return b;
    }
};

// Everything the engine says of a sample, one array after another.
struct LensAnswers {
    std::vector<double> numbers;
    std::vector<int> status;

    LensAnswers(const LensSample& sample, int n_threads) {
        const std::size_t n = sample.slope.size();
        numbers.assign(23 * n, 0.0);
        status.assign(2 * n, 0);
        double* p = numbers.data();
        const auto column = [&](std::size_t k) { return p + k * n; };
        const LensBatch lenses = sample.batch(sample.star_amplitude.data());
        solve_lenses(lenses, sample.beta.data(),
                     {{column(0), column(1), column(2), status.data()},
                      column(3),
                      column(4),
                      column(5),
                      column(6),
                      column(7)},
                     n_threads);
        solve_central(lenses, sample.beta.data(), {column(8), column(9)}, n_threads);
        disc_magnifications(lenses, sample.beta.data(), sample.radius.data(),
                            {column(10), column(11)}, n_threads);
        lens_values(lenses, sample.radius.data(), {column(12), column(13), column(14), column(15)},
                    n_threads);
        PairBatch pairs;
        pairs.lenses = sample.batch(sample.unit_amplitude.data());
        pairs.x_a = column(3);
        pairs.x_b = column(4);
        pairs.log_mass = column(16);
        pairs.beta = column(17);
        pairs.jacobian = column(18);
        pairs.mu_a = column(19);
        pairs.mu_b = column(20);
        pairs.status = status.data() + n;
        invert_pairs(pairs, n_threads);
        RingBatch rings;
        std::vector<int> ring_status(n);
        rings.lenses = pairs.lenses;
        rings.einstein = column(0);
        rings.log_mass = column(21);
        rings.jacobian = column(22);
        rings.status = ring_status.data();
        invert_rings(rings, n_threads);
    }
};

// The image pairs of a sample inverted on a grid of 3 slopes and 70 halo masses.
struct GridAnswers {
    std::vector<double> numbers;
    std::vector<int> status;

    GridAnswers(const LensSample& sample, const std::vector<double>& x_a,
                const std::vector<double>& x_b, int n_threads) {
        const double slopes[] = {0.0, 1.0, 2.3};
        const std::size_t rows = 3, masses = 70, n = x_a.size(), cells = n * rows * masses;
        std::vector<std::vector<double>> memory(rows);
        std::vector<const double*> tables;
        std::vector<double> amplitude, unit, counts, m_a(n, 24.0), m_b(n, 25.0);
        for (std::size_t row = 0; row < rows; ++row) {
            memory[row].resize(mean_table_size(kMeanLayout));
            build_mean_table<FromDensity<Gnfw>>(Gnfw(slopes + row), kMeanLayout,
                                                memory[row].data());
            tables.push_back(memory[row].data());
            for (std::size_t k = 0; k < masses; ++k)
                amplitude.push_back(125.0 / (3.0 * Gnfw::enclosed_mass(5.0, slopes[row])));
        }
        for (std::size_t k = 0; k < masses; ++k) {
            const double mass = exp10_of(11.0 + 0.06 * static_cast<double>(k));
            unit.push_back(0.2 * cbrt_positive(0.75 / kPi * mass));
        }
        for (int k = 0; k < 100; ++k)
            counts.insert(counts.end(), {-3.0 + 0.1 * k, 0.1, 0.01, -0.01});
        numbers.assign(6 * cells, 0.0);
        status.assign(cells, 0);
        GridBatch g;
        g.n_slopes = rows;
        g.n_masses = masses;
        g.slopes = slopes;
        g.halo_tables = tables.data();
        g.amplitude = amplitude.data();
        g.unit_radius = unit.data();
        g.n = n;
        g.x_a = x_a.data();
        g.x_b = x_b.data();
        g.star_amplitude = sample.unit_amplitude.data();
        g.star_radius = sample.radius.data();
        g.star_table = sample.star_table.data();
        g.star_shape = sample.shape;
        g.reference_density = sample.density.data();
        g.inverse_sigma_critical = sample.inverse_sigma.data();
        g.m_a = m_a.data();
        g.m_b = m_b.data();
        g.photometry = {{counts.data(), 100, 20.0, 10.0}, 50.0, 0.5, 1.0};
        double* p = numbers.data();
        g.log_mass = p;
        g.beta = p + cells;
        g.jacobian = p + 2 * cells;
        g.mu_a = p + 3 * cells;
        g.mu_b = p + 4 * cells;
        g.log_photometry = p + 5 * cells;
        g.status = status.data();
        invert_grid(g, n_threads);
    }
};

}  // namespace clmassmod
