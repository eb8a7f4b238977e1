// The mean surface density of generalised NFW haloes of any inner slope g: panels of the slope,
// each with a table in x whose coefficients are polynomials of degree 7 in g.
//
// Tabulated is (3 - g) f(x; g), which stays finite at g = 3. At fixed x it varies with g as
// x^(1 - g): a panel of half-width 1/32 holds that to (|ln x|/32)^8 / (8! 2^7), 1e-11 at x = 1e-4
// and 2e-10 at the end of the table.
#pragma once

#include <cstddef>

#include "clmassmod/mean_table.hpp"
#include "clmassmod/profiles/gnfw.hpp"

namespace clmassmod {

constexpr int kSlopePanelsPerUnit = 16;
constexpr int kSlopePanels = 3 * kSlopePanelsPerUnit;
constexpr std::size_t kSlopeBlock = kTableOrder * kTableOrder;  // (power of g, power of x)
constexpr OctavePanels kSlopeLayout{-20, 30, 4};

inline std::size_t slope_panel_size() noexcept { return kSlopeLayout.panels() * kSlopeBlock; }

// Fills panel p, slopes p/16 .. (p + 1)/16: slope_panel_size() coefficients; `scratch` holds eight
// mean tables. False if an integral does not converge.
inline bool build_slope_panel(int panel, double* scratch, double* coefficient) noexcept {
    static const PowerBasis basis;
    const std::size_t size = mean_table_size(kSlopeLayout);
    for (int node = 0; node < kTableOrder; ++node) {
        const double inner = (panel + 0.5 * (1.0 + basis.node[node])) / kSlopePanelsPerUnit;
        double* table = scratch + static_cast<std::size_t>(node) * size;
        if (!build_mean_table<FromDensity<Gnfw>>(Gnfw(&inner), kSlopeLayout, table)) return false;
        for (std::size_t k = 0; k < size; ++k) table[k] *= 3.0 - inner;
    }
    for (std::size_t i = 0; i < kSlopeLayout.panels(); ++i)
        for (std::size_t order = 0; order < kTableOrder; ++order) {
            double value[kTableOrder], c[kTableOrder];
            for (std::size_t node = 0; node < kTableOrder; ++node)
                value[node] = scratch[node * size + i * kTableOrder + order];
            fit_panel(basis, value, c);
            for (std::size_t power = 0; power < kTableOrder; ++power)
                coefficient[i * kSlopeBlock + power * kTableOrder + order] = c[power];
        }
    return true;
}

// A halo of one slope: which panel, and the place in it.
struct SlopePlace {
    const double* coefficient;  // of the panel
    double s;                   // in [-1, 1)
    double factor;              // 1 / (3 - g)
};

inline int slope_panel(double inner) noexcept {
    return static_cast<int>(inner * kSlopePanelsPerUnit);
}

CLMASSMOD_INLINE SlopePlace slope_place(const double* const* panels, double inner) noexcept {
    const int panel = slope_panel(inner);
    return {panels[panel], 2.0 * (inner * kSlopePanelsPerUnit - panel) - 1.0, 1.0 / (3.0 - inner)};
}

// A row of a block: its eight powers of x in one vector register where the machine has such.
using PowerRow = double __attribute__((vector_size(sizeof(double) * kTableOrder)));

CLMASSMOD_INLINE void load_row(const double* block, int power, PowerRow& row) noexcept {
    __builtin_memcpy(&row, block + power * kTableOrder, sizeof row);
}

// The polynomial in x at slope s: Estrin's scheme over the powers of s, short chains.
CLMASSMOD_INLINE void collapse(const double* block, double s, double* c) noexcept {
    PowerRow b[kTableOrder];
    for (int i = 0; i < kTableOrder; ++i) load_row(block, i, b[i]);
    const double square = s * s;
    const PowerRow low = (b[0] + b[1] * s) + (b[2] + b[3] * s) * square;
    const PowerRow high = (b[4] + b[5] * s) + (b[6] + b[7] * s) * square;
    const PowerRow sum = low + high * (square * square);
    __builtin_memcpy(c, &sum, sizeof sum);
}

// f, f', f'' at x inside the table.
CLMASSMOD_INLINE MeanValues slope_values(const SlopePlace& place, const PanelIndex& index,
                                         double x) noexcept {
    double c[kTableOrder];
    collapse(place.coefficient + index.panel(x) * kSlopeBlock, place.s, c);
    return place.factor * panel_values(c, index.place(x), index.log_rate(x));
}

}  // namespace clmassmod
