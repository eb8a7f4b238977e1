// Positions sorted into cells: bands of equal height, each cut into cells of equal width.
//
// The first coordinate u may be periodic (right ascension); the cells need not cover the period. A
// window around a point is a few runs of consecutive places in the sorted order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace clmassmod {

struct SkyGrid {
    double u_start, u_width;      // u_width > 0
    double v_start, band_height;  // band_height > 0
    double period;                // of u; 0: none
    std::size_t n_bands;
    const std::int64_t* first_cell;  // (n_bands + 1): cells before each band, rising by >= 1

    std::size_t n_cells() const noexcept { return static_cast<std::size_t>(first_cell[n_bands]); }

    std::size_t band_of(double v) const noexcept {
        return place((v - v_start) / band_height, n_bands);
    }

    std::size_t cells_in(std::size_t band) const noexcept {
        return static_cast<std::size_t>(first_cell[band + 1] - first_cell[band]);
    }

    // Number of the cell within its band.
    std::size_t column_of(double u, std::size_t band) const noexcept {
        const std::size_t n = cells_in(band);
        return place((u - u_start) / u_width * static_cast<double>(n), n);
    }

    std::size_t cell_of(double u, double v) const noexcept {
        const std::size_t band = band_of(v);
        return static_cast<std::size_t>(first_cell[band]) + column_of(u, band);
    }

   private:
    // Points at the far edge, or pushed over it by rounding, are in the last place.
    static std::size_t place(double x, std::size_t n) noexcept {
        const double inside = std::clamp(x, 0.0, static_cast<double>(n - 1));
        return static_cast<std::size_t>(inside);
    }
};

// Fills `order` (n), the points by cell and, within one, as given; and `start` (n_cells + 1), where
// each cell begins. May throw bad_alloc.
inline void sort_into_cells(const SkyGrid& grid, const double* u, const double* v, std::size_t n,
                            std::int64_t* order, std::int64_t* start) {
    std::vector<std::uint32_t> cell(n);
    std::fill(start, start + grid.n_cells() + 1, std::int64_t{0});
    for (std::size_t i = 0; i < n; ++i) {
        cell[i] = static_cast<std::uint32_t>(grid.cell_of(u[i], v[i]));
        ++start[cell[i] + 1];
    }
    for (std::size_t c = 0; c < grid.n_cells(); ++c) start[c + 1] += start[c];
    std::vector<std::int64_t> next(start, start + grid.n_cells());
    for (std::size_t i = 0; i < n; ++i) order[next[cell[i]]++] = static_cast<std::int64_t>(i);
}

struct Run {
    std::size_t first, last;  // places in the sorted order
};

// Appends the runs of the window |u - u0| <= du, |v - v0| <= dv. May throw bad_alloc.
inline void append_window(const SkyGrid& grid, const std::int64_t* start, double u0, double v0,
                          double du, double dv, std::vector<Run>& runs) {
    const double top = grid.v_start + grid.band_height * static_cast<double>(grid.n_bands);
    const double right = grid.u_start + grid.u_width;
    if (v0 + dv < grid.v_start || v0 - dv > top) return;
    const int turns = grid.period > 0.0 ? 1 : 0;
    const bool all = turns > 0 && 2.0 * du >= grid.period;
    const std::size_t last_band = grid.band_of(v0 + dv);
    for (std::size_t band = grid.band_of(v0 - dv); band <= last_band; ++band) {
        const std::int64_t* const cell = start + grid.first_cell[band];
        std::size_t next = 0;  // the first column that is in no run yet
        for (int turn = -turns; turn <= turns; ++turn) {
            const double low = u0 - du + turn * grid.period;
            const double high = u0 + du + turn * grid.period;
            if (!all && (high < grid.u_start || low > right)) continue;
            const std::size_t from = std::max(next, all ? 0 : grid.column_of(low, band));
            const std::size_t to = all ? grid.cells_in(band) - 1 : grid.column_of(high, band);
            if (from > to) continue;
            next = to + 1;
            const Run run{static_cast<std::size_t>(cell[from]),
                          static_cast<std::size_t>(cell[to + 1])};
            if (run.first < run.last) runs.push_back(run);
        }
    }
}

}  // namespace clmassmod
