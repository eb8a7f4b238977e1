// Inversion of image pairs over a grid of halo masses and inner slopes, with photometry: the
// integrand of a lens's likelihood.
//
// Everything that does not depend on the cell is done outside the innermost loop, over halo masses:
// stars once a lens, the halo's table once a slope. In it x_A and b are looked up in that table for
// a scale radius, and the closed forms of lens_inversion.hpp follow. Photometry, with
// u = m + 2.5 log10 |mu| and F the source counts convolved with N(0, sigma_c):
//   Phi = N(u_A - u_B; sqrt(sigma_A^2 + sigma_B^2)) F(ubar),
//   ubar the inverse-variance mean of u_A and u_B, sigma_c^-2 = sigma_A^-2 + sigma_B^-2.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/lens_inversion.hpp"
#include "clmassmod/spline.hpp"

namespace clmassmod {

struct Photometry {
    UniformCubic log_counts;        // ln F(ubar)
    double inverse_variance = 0.0;  // 1/(sigma_A^2 + sigma_B^2)
    double weight_a = 0.0;          // of u_A in ubar
    double log_norm = 0.0;          // of the normal density
};

struct GridBatch {
    // axes
    std::size_t n_slopes = 0, n_masses = 0;
    const double* slopes = nullptr;              // (n_slopes,)
    const double* const* halo_tables = nullptr;  // (n_slopes,) of kMeanLayout
    const double* amplitude = nullptr;           // (n_slopes, n_masses) c^3/(3 m(c))
    const double* unit_radius = nullptr;         // (n_masses,) r_s at rho_Delta = 1
    // lenses
    std::size_t n = 0;
    const double* x_a = nullptr;                     // (n,)
    const double* x_b = nullptr;                     // (n,) < 0
    const double* star_amplitude = nullptr;          // (n,) for one unit of mass
    const double* star_radius = nullptr;             // (n,)
    const double* star_table = nullptr;              // of kMeanLayout
    const double* star_shape = nullptr;              // (2,)
    const double* reference_density = nullptr;       // (n,) rho_Delta
    const double* inverse_sigma_critical = nullptr;  // (n,)
    const double* m_a = nullptr;                     // (n,) or null: no photometry
    const double* m_b = nullptr;
    Photometry photometry;
    // results, (n, n_slopes, n_masses)
    double *log_mass = nullptr, *beta = nullptr, *jacobian = nullptr;
    double *mu_a = nullptr, *mu_b = nullptr;
    double* log_photometry = nullptr;  // null: not wanted
    int* status = nullptr;
};

constexpr std::size_t kGridBlock = 64;

// Halo masses of one lens and slope. Loops run over whole vectors and over plain arrays, so that
// the compiler can vectorise them.
struct alignas(64) GridScratch {
    std::size_t count, padded;  // of masses; rounded up to whole vectors
    double r_s[kGridBlock], scale[kGridBlock], x[kGridBlock];
    double mean_a[kGridBlock], slope_a[kGridBlock];
    double mean_b[kGridBlock], slope_b[kGridBlock];
    double mass[kGridBlock], log_mass[kGridBlock], beta[kGridBlock], jacobian[kGridBlock];
    double mu_a[kGridBlock], mu_b[kGridBlock], radial_b[kGridBlock], log_photometry[kGridBlock];
};

constexpr std::size_t kGridVector = 8;

// Scale radii, and kbar of a halo over its dimensionless value.
CLMASSMOD_INLINE void grid_scales(const double* unit, const double* amplitude, double shrink,
                                  double factor, GridScratch& s) noexcept {
    for (std::size_t k = 0; k < s.count; ++k) s.r_s[k] = unit[k] * shrink;
    for (std::size_t k = 0; k < s.count; ++k) s.scale[k] = amplitude[k] * (s.r_s[k] * factor);
    for (std::size_t k = s.count; k < s.padded; ++k) {
        s.r_s[k] = s.r_s[0];
        s.scale[k] = s.scale[0];
    }
}

// kbar and kbar' of the halo at radius x for all scale radii.
CLMASSMOD_INLINE void grid_halo(const double* table, const double* slope, double x, GridScratch& s,
                                double* mean, double* mean_slope) noexcept {
    const PanelIndex index(kMeanLayout);
    const double low = kMeanLayout.low(), high = kMeanLayout.high();
    double outside = 0.0;
    for (std::size_t k = 0; k < s.padded; ++k) {
        const double y = x / s.r_s[k];
        const bool inside = y >= low && y < high;
        outside += inside ? 0.0 : 1.0;
        s.x[k] = inside ? y : 1.0;
    }
    for (std::size_t k = 0; k < s.padded; ++k) {
        const double y = s.x[k];
        const double* c = table + index.panel(y) * kTableOrder;
        const double t = index.place(y);
        double value = c[7], first = 0.0;
#pragma GCC unroll 7
        for (int p = 6; p >= 0; --p) {
            first = mul_add(first, t, value);
            value = mul_add(value, t, c[p]);
        }
        mean[k] = s.scale[k] * value;
        mean_slope[k] = s.scale[k] * (first * index.log_rate(y));
    }
    if (outside == 0.0) return;
    for (std::size_t k = 0; k < s.count; ++k) {
        if (holds(kMeanLayout, x / s.r_s[k])) continue;
        const MeanValues v = integrated_mean<FromDensity<Gnfw>>(Gnfw(slope), x / s.r_s[k]);
        mean[k] = s.scale[k] * v.mean;
        mean_slope[k] = s.scale[k] * v.slope;
    }
}

CLMASSMOD_INLINE void grid_pairs(double x_a, double b, const MeanValues& star_a,
                                 const MeanValues& star_b, GridScratch& s) noexcept {
    for (std::size_t k = 0; k < s.padded; ++k) {
        const PairSolution p = invert_pair(x_a, b, star_a, star_b, {s.mean_a[k], s.slope_a[k], 0.0},
                                           {s.mean_b[k], s.slope_b[k], 0.0});
        s.mass[k] = p.mass;
        s.beta[k] = p.beta;
        s.jacobian[k] = p.jacobian;
        s.mu_a[k] = p.mu_a;
        s.mu_b[k] = p.mu_b;
        s.radial_b[k] = p.radial_b;
    }
    for (std::size_t k = 0; k < s.padded; ++k)
        s.log_mass[k] = log_positive(s.mass[k]) * (1.0 / kLn10);
}

CLMASSMOD_INLINE double magnitude_gain(double mu) noexcept {
    return (2.5 / kLn10) * log_positive(std::fabs(mu));
}

// ln Phi; -inf where F is not tabulated, NaN for cells without images.
CLMASSMOD_INLINE void grid_photometry(const Photometry& photometry, double m_a, double m_b,
                                      GridScratch& s) noexcept {
    const UniformCubic& f = photometry.log_counts;
    const double end = static_cast<double>(f.n_intervals);
    for (std::size_t k = 0; k < s.padded; ++k) {
        const double u_a = m_a + magnitude_gain(s.mu_a[k]);
        const double u_b = m_b + magnitude_gain(s.mu_b[k]);
        const double gap = u_a - u_b;
        s.x[k] = (u_b + photometry.weight_a * gap - f.start) * f.inverse_step;
        s.log_photometry[k] = photometry.log_norm - 0.5 * gap * gap * photometry.inverse_variance;
    }
    for (std::size_t k = 0; k < s.padded; ++k) {
        const double position = s.x[k];
        const bool inside = position >= 0.0 && position < end;
        const double held = inside ? position : 0.0;
        const int i = static_cast<int>(held);
        const double t = held - i;
        const double* c = f.coefficients + 4 * i;
        const double value = c[0] + t * (c[1] + t * (c[2] + t * c[3]));
        s.log_photometry[k] += inside ? value : (position == position ? -kInfinity : kNaN);
    }
}

// Results of the block to where they belong, NaN where a cell is not valid.
inline void grid_results(const GridBatch& g, const GridScratch& s, std::size_t at) noexcept {
    for (std::size_t k = 0; k < s.count; ++k) {
        const LensStatus status = pair_status(s.mass[k], s.beta[k], s.radial_b[k]);
        const bool ok = status == LensStatus::ok;
        g.log_mass[at + k] = ok ? s.log_mass[k] : kNaN;
        g.beta[at + k] = ok ? s.beta[k] : kNaN;
        g.jacobian[at + k] = ok ? s.jacobian[k] : kNaN;
        g.mu_a[at + k] = ok ? s.mu_a[k] : kNaN;
        g.mu_b[at + k] = ok ? s.mu_b[k] : kNaN;
        g.status[at + k] = static_cast<int>(status);
        if (g.log_photometry != nullptr) g.log_photometry[at + k] = ok ? s.log_photometry[k] : kNaN;
    }
}

CLMASSMOD_TARGETS
inline void invert_row(const GridBatch& g, std::size_t lens, std::size_t row,
                       const MeanValues& star_a, const MeanValues& star_b, std::size_t begin,
                       std::size_t count) noexcept {
    const double x_a = g.x_a[lens], b = -g.x_b[lens];
    const double rho = g.reference_density[lens];
    GridScratch s;
    s.count = count;
    s.padded = (count + kGridVector - 1) / kGridVector * kGridVector;
    grid_scales(g.unit_radius + begin, g.amplitude + row * g.n_masses + begin,
                1.0 / cbrt_positive(rho), rho * g.inverse_sigma_critical[lens], s);
    grid_halo(g.halo_tables[row], g.slopes + row, x_a, s, s.mean_a, s.slope_a);
    grid_halo(g.halo_tables[row], g.slopes + row, b, s, s.mean_b, s.slope_b);
    grid_pairs(x_a, b, star_a, star_b, s);
    if (g.log_photometry != nullptr) grid_photometry(g.photometry, g.m_a[lens], g.m_b[lens], s);
    grid_results(g, s, (lens * g.n_slopes + row) * g.n_masses + begin);
}

inline void invert_lens_grid(const GridBatch& g, std::size_t lens) noexcept {
    const StarPart star{g.star_amplitude[lens], 1.0 / g.star_radius[lens], g.star_table,
                        g.star_shape};
    const MeanValues star_a = star.at(g.x_a[lens]), star_b = star.at(-g.x_b[lens]);
    for (std::size_t row = 0; row < g.n_slopes; ++row)
        for (std::size_t begin = 0; begin < g.n_masses; begin += kGridBlock)
            invert_row(g, lens, row, star_a, star_b, begin,
                       std::min(kGridBlock, g.n_masses - begin));
}

inline void invert_grid(const GridBatch& g, int n_threads) noexcept {
    for_each_block(g.n, n_threads, [&](std::size_t lens) {
        invert_lens_grid(g, lens);
        return Status{};
    });
}

}  // namespace clmassmod
