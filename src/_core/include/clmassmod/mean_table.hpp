// The mean surface density inside x = R / r_s and its first two derivatives, as polynomials of
// degree 7 in the 2^k panels of every octave of x.
//
// An axisymmetric lens needs nothing else: with f = mean Sigma / (rho_s r_s),
//   alpha = x f,  kappa = f + f'/2,  d alpha/dx = f + f'        (' = d/d ln x),
// so that deflection, convergence and shear come from one polynomial and agree by construction.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/abel.hpp"
#include "clmassmod/panels.hpp"
#include "clmassmod/radial_table.hpp"
#include "clmassmod/simd_math.hpp"
#include "clmassmod/targets.hpp"

namespace clmassmod {

// f, df/d ln x, d^2f/d ln x^2.
struct MeanValues {
    double mean, slope, bend;
};

CLMASSMOD_INLINE MeanValues operator*(double scale, const MeanValues& v) noexcept {
    return {scale * v.mean, scale * v.slope, scale * v.bend};
}
CLMASSMOD_INLINE MeanValues operator+(const MeanValues& a, const MeanValues& b) noexcept {
    return {a.mean + b.mean, a.slope + b.slope, a.bend + b.bend};
}

CLMASSMOD_INLINE bool holds(const OctavePanels& layout, double x) noexcept {
    return x >= layout.low() && x < layout.high();
}

// Value and derivatives of a panel's polynomial at t, with rate = dt / d ln x. Estrin's scheme:
// searches wait for each value, so that short chains count more than few operations.
CLMASSMOD_INLINE MeanValues panel_values(const double* c, double t, double rate) noexcept {
    const double t2 = t * t, t4 = t2 * t2;
    const double low = mul_add(mul_add(c[3], t, c[2]), t2, mul_add(c[1], t, c[0]));
    const double high = mul_add(mul_add(c[7], t, c[6]), t2, mul_add(c[5], t, c[4]));
    const double value = mul_add(high, t4, low);
    const double first_low =
        mul_add(mul_add(4.0 * c[4], t, 3.0 * c[3]), t2, mul_add(2.0 * c[2], t, c[1]));
    const double first_high = mul_add(7.0 * c[7], t2, mul_add(6.0 * c[6], t, 5.0 * c[5]));
    const double first = mul_add(first_high, t4, first_low);
    const double half_low =
        mul_add(mul_add(10.0 * c[5], t, 6.0 * c[4]), t2, mul_add(3.0 * c[3], t, c[2]));
    const double half_second = mul_add(mul_add(21.0 * c[7], t, 15.0 * c[6]), t4, half_low);
    // dt/d ln x is proportional to x: its own derivative is itself
    return {value, first * rate, mul_add(2.0 * half_second, rate, first) * rate};
}

CLMASSMOD_INLINE MeanValues mean_values(const double* coefficient, const PanelIndex& index,
                                        double x) noexcept {
    const double* c = coefficient + index.panel(x) * kTableOrder;
    return panel_values(c, index.place(x), index.log_rate(x));
}

// The same by quadrature, for x outside a table: d mean/d ln x = -2 Delta Sigma.
template <class Profile>
[[gnu::noinline]] MeanValues integrated_mean(const typename Profile::Shape& kernel,
                                             double x) noexcept {
    if (!(x > 0.0 && x < kInfinity)) return {kNaN, kNaN, kNaN};
    const RadialValues v = Profile::evaluate(kernel, x, Wanted{});
    return {v.mean, -2.0 * v.excess, 2.0 * v.slope + 4.0 * v.excess};
}

// -- building ------------------------------------------------------------------------------------

// Octaves -20 .. 16: 1e-6 to 6.5e4 scale radii. Twice as many panels as a table of 1e-12 in the
// mean needs: derivatives lose a factor 30 an order.
constexpr OctavePanels kMeanLayout{-20, 36, 4};
constexpr int kMeanNodes = 24;

inline std::size_t mean_table_size(const OctavePanels& layout) noexcept {
    return layout.panels() * kTableOrder;
}

// Coefficients from the values at the eight Chebyshev points of a panel.
inline void fit_panel(const PowerBasis& basis, const double* value, double* c) noexcept {
    for (int p = 0; p < kTableOrder; ++p) {
        c[p] = 0.0;
        for (int node = 0; node < kTableOrder; ++node) c[p] += basis.matrix[p][node] * value[node];
    }
}

// Radius of Chebyshev point `node` of panel i.
inline double panel_node(const OctavePanels& layout, const PowerBasis& basis, std::size_t i,
                         int node) noexcept {
    const double start = layout.start(i);
    return start + 0.5 * (layout.start(i + 1) - start) * (1.0 + basis.node[node]);
}

// Fills mean_table_size(layout) coefficients; false if an integral does not converge.
template <class Profile>
bool build_mean_table(const typename Profile::Shape& kernel, const OctavePanels& layout,
                      double* coefficient) noexcept {
    static const PowerBasis basis;
    const std::size_t split = std::size_t{1} << static_cast<unsigned>(layout.split);
    const std::size_t octaves = static_cast<std::size_t>(layout.octaves);
    CoarsePanel coarse;
    for (std::size_t octave = 0, end = 0; octave < octaves; octave = end) {
        const double low = layout.start(octave * split);
        end = octave + static_cast<std::size_t>(coarse_octaves(kernel.panel(low, true)));
        end = std::min(end, octaves);
        if (!coarse.template fill<Profile>(kernel, low, layout.start(end * split), kMeanNodes))
            return false;
        for (std::size_t i = octave * split; i < end * split; ++i) {
            double value[kTableOrder];
            for (int node = 0; node < kTableOrder; ++node) {
                double all[kTableFunctions];
                coarse.at(panel_node(layout, basis, i, node), all);
                value[node] = all[static_cast<int>(TableFunction::mean)];
            }
            fit_panel(basis, value, coefficient + i * kTableOrder);
        }
    }
    return true;
}

// Fills a table from a profile's mean surface density at all panel nodes, (panels, 8).
inline void fit_mean_table(const OctavePanels& layout, const double* values,
                           double* coefficient) noexcept {
    static const PowerBasis basis;
    for (std::size_t i = 0; i < layout.panels(); ++i)
        fit_panel(basis, values + i * kTableOrder, coefficient + i * kTableOrder);
}

inline void mean_table_nodes(const OctavePanels& layout, double* radius) noexcept {
    static const PowerBasis basis;
    for (std::size_t i = 0; i < layout.panels(); ++i)
        for (int node = 0; node < kTableOrder; ++node)
            radius[i * kTableOrder + static_cast<std::size_t>(node)] =
                panel_node(layout, basis, i, node);
}

}  // namespace clmassmod
