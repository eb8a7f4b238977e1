// Batches of profiles that are known by quadrature: read from tables, or integrated point by point.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/abel.hpp"
#include "clmassmod/profile_batch.hpp"
#include "clmassmod/radial_table.hpp"

namespace clmassmod {

struct NumericBatch {
    ProfileBatch profile;                       // without shape
    const double* parameters = nullptr;         // (n_rows or 1, kernel's number)
    std::size_t parameter_stride = 0;           // 0: shared by all rows
    const RadialTable* tables = nullptr;        // null: quadrature at every point
    const std::size_t* table_of_row = nullptr;  // null: tables[0] for all rows
};

// quadrature takes about 1 us a point: threads pay off early
constexpr std::size_t kDirectBlockPoints = 32;

inline Wanted wanted_integrals(Quantity q, bool density_first) noexcept {
    switch (q) {
        case Quantity::density:
        case Quantity::density_slope:
            return {false, !density_first};
        case Quantity::enclosed_mass:
            return {true, !density_first};
        case Quantity::surface_density:
        case Quantity::convergence:
        case Quantity::surface_density_slope:
            return {false, density_first};
        case Quantity::mean_surface_density:
        case Quantity::enclosed_mass_2d:
        case Quantity::excess_surface_density:
        case Quantity::tangential_shear:
        case Quantity::reduced_tangential_shear:
        case Quantity::magnification:
        case Quantity::tangential_ellipticity:
            break;
    }
    return {true, density_first};
}

// Puts what `q` needs of `v` where a block holds it.
inline void pick(Quantity q, const RadialValues& v, double& first, double& second) noexcept {
    switch (q) {
        case Quantity::density:
            first = v.density;
            return;
        case Quantity::density_slope:
            first = v.density_slope;
            return;
        case Quantity::enclosed_mass:
            first = v.mass;
            return;
        case Quantity::surface_density:
        case Quantity::convergence:
            first = v.surface;
            return;
        case Quantity::mean_surface_density:
        case Quantity::enclosed_mass_2d:
            first = v.mean;
            return;
        case Quantity::excess_surface_density:
        case Quantity::tangential_shear:
            first = v.excess;
            return;
        case Quantity::surface_density_slope:
            first = v.slope;
            return;
        case Quantity::reduced_tangential_shear:
        case Quantity::magnification:
        case Quantity::tangential_ellipticity:
            first = v.surface;
            second = v.excess;
            return;
    }
}

template <class Kernel>
CLMASSMOD_TARGETS void density_points(Quantity q, const Kernel& kernel, const double* x,
                                      double* out, std::size_t n) noexcept {
    if (q == Quantity::density) {
        for (std::size_t k = 0; k < n; ++k) out[k] = kernel.at(x[k]).value;
        return;
    }
    for (std::size_t k = 0; k < n; ++k) {
        const Local f = kernel.at(x[k]);
        out[k] = -f.slope * f.value;
    }
}

inline bool is_local(Quantity q) noexcept {
    return q == Quantity::density || q == Quantity::density_slope;
}

template <class Profile>
Status direct_points(Quantity q, const typename Profile::Shape& kernel, const double* x,
                     double* first, double* second, std::size_t n) noexcept {
    Status status;
    if (Profile::kDensityFirst && is_local(q)) {
        density_points(q, kernel, x, first, n);
        return status;
    }
    const Wanted wanted = wanted_integrals(q, Profile::kDensityFirst);
    for (std::size_t k = 0; k < n; ++k) {
        if (!(x[k] > 0.0 && x[k] < kInfinity)) continue;  // reported as a bad radius
        const RadialValues v = Profile::evaluate(kernel, x[k], wanted);
        if (!v.converged) status.merge({StatusCode::no_convergence, k});
        pick(q, v, first[k], second[k]);
    }
    return status;
}

// Reads a table at points that are all inside it.
CLMASSMOD_TARGETS
inline void table_points(Quantity q, const RadialTable& table, const double* x, double* first,
                         double* second, std::size_t n) noexcept {
    const PanelIndex index(table.layout);
    const double* log_surface = table.function(TableFunction::log_surface);
    const double* excess = table.function(TableFunction::excess);
    const double* other = table.function(TableFunction::mean);
    switch (q) {
        case Quantity::surface_density:
        case Quantity::convergence:
            for (std::size_t k = 0; k < n; ++k) first[k] = table_value(log_surface, index, x[k]);
            for (std::size_t k = 0; k < n; ++k) first[k] = exp_flushed(first[k]);
            return;
        case Quantity::density:
            other = table.function(TableFunction::log_density);
            for (std::size_t k = 0; k < n; ++k) first[k] = table_value(other, index, x[k]);
            for (std::size_t k = 0; k < n; ++k) first[k] = exp_flushed(first[k]);
            return;
        case Quantity::density_slope: {
            const double* log_density = table.function(TableFunction::log_density);
            other = table.function(TableFunction::density_slope);
            for (std::size_t k = 0; k < n; ++k) first[k] = table_value(log_density, index, x[k]);
            for (std::size_t k = 0; k < n; ++k)
                first[k] = -exp_flushed(first[k]) * table_value(other, index, x[k]);
            return;
        }
        case Quantity::surface_density_slope:
            other = table.function(TableFunction::surface_slope);
            for (std::size_t k = 0; k < n; ++k) first[k] = table_value(log_surface, index, x[k]);
            for (std::size_t k = 0; k < n; ++k)
                first[k] = -exp_flushed(first[k]) * table_value(other, index, x[k]);
            return;
        case Quantity::reduced_tangential_shear:
        case Quantity::magnification:
        case Quantity::tangential_ellipticity:
            for (std::size_t k = 0; k < n; ++k) first[k] = table_value(log_surface, index, x[k]);
            for (std::size_t k = 0; k < n; ++k) first[k] = exp_flushed(first[k]);
            for (std::size_t k = 0; k < n; ++k) second[k] = table_value(excess, index, x[k]);
            return;
        case Quantity::excess_surface_density:
        case Quantity::tangential_shear:
            other = excess;
            break;
        case Quantity::enclosed_mass:
            other = table.function(TableFunction::mass);
            break;
        case Quantity::mean_surface_density:
        case Quantity::enclosed_mass_2d:
            break;
    }
    for (std::size_t k = 0; k < n; ++k) first[k] = table_value(other, index, x[k]);
}

// Points of one shape; those outside the table are integrated.
template <class Profile>
Status numeric_points(Quantity q, const typename Profile::Shape& kernel, const RadialTable* table,
                      const double* x, double* first, double* second, std::size_t n) noexcept {
    if (table == nullptr || (Profile::kDensityFirst && is_local(q)))
        return direct_points<Profile>(q, kernel, x, first, second, n);
    double inside[kBlockPoints] = {};
    const double low = table->layout.low();
    const double high = table->layout.high();
    bool all = true;
    for (std::size_t k = 0; k < n; ++k) {
        const bool held = x[k] >= low && x[k] < high;
        inside[k] = held ? x[k] : low;
        all = all && held;
    }
    table_points(q, *table, inside, first, second, n);
    Status status;
    for (std::size_t k = 0; !all && k < n; ++k) {
        if (table->holds(x[k])) continue;
        Status one = direct_points<Profile>(q, kernel, x + k, first + k, second + k, 1);
        one.index += k;
        status.merge(one);
    }
    return status;
}

template <class Profile>
Status run_numeric(Quantity q, const NumericBatch& batch, int n_threads) noexcept {
    const ProfileBatch& profile = batch.profile;
    const std::size_t points = profile.n_rows * profile.n_columns;
    const bool direct = batch.tables == nullptr;
    const std::size_t size = direct ? kDirectBlockPoints : kBlockPoints;
    const bool shared = batch.parameter_stride == 0 && batch.table_of_row == nullptr;
    const auto evaluate = [&, q](Block& b, std::size_t begin, std::size_t n, std::size_t padded) {
        Status status;
        std::fill(b.first + n, b.first + padded, 0.0);
        std::fill(b.second + n, b.second + padded, 0.0);
        for (std::size_t k = 0; k < n;) {
            const std::size_t row = (begin + k) / profile.n_columns;
            const std::size_t left = (row + 1) * profile.n_columns - (begin + k);
            const std::size_t run = shared ? n : std::min(n - k, left);
            const RadialTable* table =
                direct ? nullptr
                       : batch.tables + (batch.table_of_row ? batch.table_of_row[row] : 0);
            const typename Profile::Shape kernel(batch.parameters + row * batch.parameter_stride);
            Status some =
                numeric_points<Profile>(q, kernel, table, b.x + k, b.first + k, b.second + k, run);
            some.index += begin + k;
            status.merge(some);
            k += run;
        }
        return status;
    };
    const std::size_t blocks = (points + size - 1) / size;
    const bool serial = points < (direct ? 2 * kDirectBlockPoints : kSerialPoints);
    return for_each_block(blocks, serial ? 1 : n_threads, [&](std::size_t block) {
        const std::size_t begin = block * size;
        return run_block(q, profile, begin, std::min(size, points - begin), evaluate);
    });
}

}  // namespace clmassmod
