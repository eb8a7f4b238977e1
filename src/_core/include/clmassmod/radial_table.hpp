// A profile tabulated in x = r / r_s: polynomials of degree 7 in the 2^k panels of every octave.
//
// The nearest singularity of a power law, x = 0, is 2^(k+1) half-widths away, so the error falls as
// (2^(k+2))^-8: about 1e-9 for k = 2, 1e-11 for k = 3. Sigma and rho, which may fall
// exponentially, are stored as logarithms.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>

#include "clmassmod/abel.hpp"
#include "clmassmod/panels.hpp"
#include "clmassmod/simd_math.hpp"
#include "clmassmod/targets.hpp"

namespace clmassmod {

enum class TableFunction : int {
    log_surface = 0,
    mean = 1,
    excess = 2,
    surface_slope = 3,  // - d ln Sigma / d ln x
    mass = 4,
    log_density = 5,
    density_slope = 6,  // - d ln rho / d ln x
};
constexpr int kTableFunctions = 7;

using TableLayout = OctavePanels;
inline std::size_t table_size(const TableLayout& layout) noexcept {
    return kTableFunctions * layout.panels() * kTableOrder;
}

struct RadialTable {
    TableLayout layout;
    double* coefficient = nullptr;  // (function, panel, order), increasing powers of t in [-1, 1)

    CLMASSMOD_INLINE bool holds(double x) const noexcept {
        return x >= layout.low() && x < layout.high();
    }
    const double* function(TableFunction f) const noexcept {
        return coefficient + static_cast<std::size_t>(f) * layout.panels() * kTableOrder;
    }
    double* function(TableFunction f) noexcept {
        return coefficient + static_cast<std::size_t>(f) * layout.panels() * kTableOrder;
    }
};

CLMASSMOD_INLINE double table_value(const double* function, const PanelIndex& index,
                                    double x) noexcept {
    const double* c = function + index.panel(x) * kTableOrder;
    const double t = index.place(x);
    const double square = t * t;
    // Estrin's scheme: short chains
    const double low = (c[0] + c[1] * t) + (c[2] + c[3] * t) * square;
    const double high = (c[4] + c[5] * t) + (c[6] + c[7] * t) * square;
    return low + high * (square * square);
}

// -- building ------------------------------------------------------------------------------------

// The functions of a table, from the values of a profile.
inline void table_functions(const RadialValues& v, double* out) noexcept {
    out[0] = std::log(v.surface);
    out[1] = v.mean;
    out[2] = v.excess;
    out[3] = -v.slope / v.surface;
    out[4] = v.mass;
    out[5] = std::log(v.density);
    out[6] = -v.density_slope / v.density;
}

constexpr int kMostNodes = 24;

// Chebyshev interpolants of the table's functions in ln x over a few octaves: few enough nodes
// that quadrature at each is cheap. Positive functions are interpolated as logarithms, which are
// nearly straight, so that the relative error is uniform.
class CoarsePanel {
   public:
    template <class Profile>
    bool fill(const typename Profile::Shape& kernel, double low, double high, int nodes) noexcept {
        nodes_ = nodes;
        middle_ = 0.5 * (std::log(low) + std::log(high));
        half_ = 0.5 * (std::log(high) - std::log(low));
        for (int f = 0; f < kTableFunctions; ++f) logarithm_[f] = f != 0 && f != 5;
        for (int i = 0; i < nodes; ++i) {
            const double angle = (i + 0.5) * kPi / nodes;
            node_[i] = std::cos(angle);
            weight_[i] = (i % 2 == 0 ? 1.0 : -1.0) * std::sin(angle);
            const RadialValues v =
                Profile::evaluate(kernel, std::exp(middle_ + half_ * node_[i]), Wanted{});
            if (!v.converged) return false;
            table_functions(v, value_[i]);
            for (int f = 0; f < kTableFunctions; ++f)
                logarithm_[f] = logarithm_[f] && value_[i][f] > 0.0;
        }
        for (int i = 0; i < nodes; ++i)
            for (int f = 0; f < kTableFunctions; ++f)
                if (logarithm_[f]) value_[i][f] = std::log(value_[i][f]);
        return true;
    }

    void at(double x, double* out) const noexcept {
        const double t = (std::log(x) - middle_) / half_;
        double sum = 0.0;
        std::fill_n(out, kTableFunctions, 0.0);
        for (int i = 0; i < nodes_; ++i) {
            const double gap = t - node_[i];
            if (gap == 0.0) {
                std::copy_n(value_[i], kTableFunctions, out);
                sum = 1.0;
                break;
            }
            const double w = weight_[i] / gap;
            sum += w;
            for (int f = 0; f < kTableFunctions; ++f) out[f] += w * value_[i][f];
        }
        for (int f = 0; f < kTableFunctions; ++f) {
            out[f] /= sum;
            if (logarithm_[f]) out[f] = std::exp(out[f]);
        }
    }

   private:
    int nodes_ = 0;
    double middle_ = 0.0, half_ = 1.0;
    double node_[kMostNodes], weight_[kMostNodes];
    double value_[kMostNodes][kTableFunctions];
    bool logarithm_[kTableFunctions];
};

// Values at the eight Chebyshev points of [-1, 1] to coefficients of powers.
struct PowerBasis {
    double node[kTableOrder];
    double matrix[kTableOrder][kTableOrder];  // (power, node)
    PowerBasis() noexcept {
        // T_m as powers of t
        double chebyshev[kTableOrder][kTableOrder] = {};
        chebyshev[0][0] = chebyshev[1][1] = 1.0;
        for (int m = 2; m < kTableOrder; ++m)
            for (int p = 0; p < kTableOrder; ++p)
                chebyshev[m][p] =
                    (p > 0 ? 2.0 * chebyshev[m - 1][p - 1] : 0.0) - chebyshev[m - 2][p];
        for (int i = 0; i < kTableOrder; ++i) {
            const double angle = (i + 0.5) * kPi / kTableOrder;
            node[i] = std::cos(angle);
            for (int p = 0; p < kTableOrder; ++p) {
                matrix[p][i] = 0.0;
                for (int m = 0; m < kTableOrder; ++m)
                    matrix[p][i] +=
                        (m == 0 ? 1.0 : 2.0) / kTableOrder * std::cos(m * angle) * chebyshev[m][p];
            }
        }
    }
};

// Largest error of each function, relative (absolute for logarithms), at points between nodes.
struct TableError {
    double value[kTableFunctions] = {};
    void merge(const TableError& other) noexcept {
        for (int f = 0; f < kTableFunctions; ++f)
            if (!(other.value[f] <= value[f])) value[f] = other.value[f];
    }
    double largest() const noexcept {
        TableError all;
        for (int f = 0; f < kTableFunctions; ++f)
            if (!(value[f] <= all.value[0])) all.value[0] = value[f];
        return all.value[0];
    }
};

// Compares panels from `low` to `high` with quadrature, up to the first point that is off by more
// than `tolerance`. False if an integral does not converge.
template <class Profile>
bool check_panel(const typename Profile::Shape& kernel, const RadialTable& table, double low,
                 double high, int nodes, double tolerance, TableError& error) noexcept {
    // where the error of the coarse interpolant is largest, ends first, then anywhere
    constexpr double kPart[] = {0.0, 1.0, 0.5, 0.25, 0.75};
    constexpr double kAnywhere[] = {0.118, 0.382, 0.854};
    double places[std::size(kPart) + std::size(kAnywhere)];
    double* next = places;
    for (const double part : kPart)
        *next++ = 0.5 - 0.5 * std::cos(std::round(part * nodes) * kPi / nodes);
    std::copy(std::begin(kAnywhere), std::end(kAnywhere), next);
    // the density itself is no integral: it is never read from the table
    constexpr int kFunctions = Profile::kDensityFirst ? 5 : kTableFunctions;
    const PanelIndex index(table.layout);
    for (const double place : places) {
        // rounding must not lead out of the range
        const double x =
            std::min(std::max(low, low * std::pow(high / low, place)), high * (1.0 - 0x1p-53));
        double exact[kTableFunctions];
        const RadialValues v = Profile::evaluate(kernel, x, Wanted{});
        if (!v.converged) return false;
        table_functions(v, exact);
        for (int f = 0; f < kFunctions; ++f) {
            const double value = table_value(table.function(TableFunction(f)), index, x);
            double scale = f == 0 || f == 5 ? 1.0 : std::fabs(exact[f]);
            // d rho/d ln x vanishes in a core: it is good to `tolerance` of rho
            if (f == 6) scale = std::max(scale, 1.0);
            const double difference = std::fabs(value - exact[f]);
            // NaN counts as an error
            if (!(difference <= error.value[f] * scale)) error.value[f] = difference / scale;
        }
        if (!(error.largest() <= tolerance)) return true;
    }
    return true;
}

// Octaves that a coarse panel spans at first where Gauss panels may have that width.
inline int coarse_octaves(double panel) noexcept {
    return panel >= 10.0 ? 4 : (panel >= 5.0 ? 2 : 1);
}

// Coefficients of panel i from a coarse interpolant that covers it.
inline void fill_panel(const CoarsePanel& coarse, const PowerBasis& basis, std::size_t i,
                       RadialTable& table) noexcept {
    const double start = table.layout.start(i);
    const double half = 0.5 * (table.layout.start(i + 1) - start);
    double value[kTableOrder][kTableFunctions];
    for (int node = 0; node < kTableOrder; ++node)
        coarse.at(start + half * (1.0 + basis.node[node]), value[node]);
    for (int f = 0; f < kTableFunctions; ++f) {
        double* c = table.function(TableFunction(f)) + i * kTableOrder;
        for (int p = 0; p < kTableOrder; ++p) {
            c[p] = 0.0;
            for (int node = 0; node < kTableOrder; ++node)
                c[p] += basis.matrix[p][node] * value[node][f];
        }
    }
}

// Fills panels begin .. end, by coarse interpolants of `nodes` nodes over as many of them as stay
// below `tolerance`. False if an integral does not converge.
template <class Profile>
bool fill_range(const typename Profile::Shape& kernel, int nodes, double tolerance,
                std::size_t begin, std::size_t end, RadialTable& table,
                TableError& error) noexcept {
    static const PowerBasis basis;
    const double low = table.layout.start(begin);
    const double high = table.layout.start(end);
    CoarsePanel coarse;
    if (!coarse.template fill<Profile>(kernel, low, high, nodes)) return false;
    for (std::size_t i = begin; i < end; ++i) fill_panel(coarse, basis, i, table);
    TableError here;
    if (!check_panel<Profile>(kernel, table, low, high, nodes, tolerance, here)) return false;
    if (here.largest() <= tolerance || end - begin < 2) {
        error.merge(here);
        return true;
    }
    const std::size_t middle = begin + (end - begin) / 2;
    return fill_range<Profile>(kernel, nodes, tolerance, begin, middle, table, error) &&
           fill_range<Profile>(kernel, nodes, tolerance, middle, end, table, error);
}

// Fills table.coefficient (table_size(layout) doubles); false if an integral does not converge.
template <class Profile>
bool build_table(const typename Profile::Shape& kernel, int nodes, double tolerance,
                 RadialTable& table, TableError& error) noexcept {
    const TableLayout& layout = table.layout;
    const std::size_t split = std::size_t{1} << static_cast<unsigned>(layout.split);
    for (std::size_t octave = 0, end = 0; octave < layout.panels() / split; octave = end) {
        const double low = layout.start(octave * split);
        end = octave + static_cast<std::size_t>(coarse_octaves(kernel.panel(low, true)));
        end = std::min(end, layout.panels() / split);
        if (!fill_range<Profile>(kernel, nodes, tolerance, octave * split, end * split, table,
                                 error))
            return false;
    }
    return true;
}

// Radii of a table: 1e-6 to 1e5 scale radii, less where a cut-off leaves nothing outside, or as
// the kernel knows better.
template <class Profile>
TableLayout table_layout(const typename Profile::Shape& kernel, int split) noexcept {
    int first = -20, last = 16;
    if constexpr (requires { kernel.first_exponent(); }) {
        first = kernel.first_exponent();
        last = kernel.last_exponent();
    } else {
        const double cut = std::log2(std::min(kernel.support(), 1e300));
        last = std::min(last, static_cast<int>(std::floor(cut)));
    }
    return {first, std::max(0, last - first), split};
}

}  // namespace clmassmod
