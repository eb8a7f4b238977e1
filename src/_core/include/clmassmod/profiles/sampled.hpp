// A user's function of radius: ln f is a polynomial of degree 7 in each part of an octave (see
// radial_table.hpp), a power law below the first radius, and a power law or nothing above the last.
//
// Parameters: Gauss panel, low, high, slope below, slope above, 1 when cut off above, first
// exponent, octaves, k, then the coefficients (panel, order).
#pragma once

#include <cstddef>

#include "clmassmod/panels.hpp"
#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Sampled {
    static constexpr std::size_t kParameters = 9;
    static constexpr bool kBreaks = true;
    double narrow, low, high, slope_below, slope_above;
    bool cut_off;
    OctavePanels panels;
    const double* coefficient;
    double below_high;  // the last number that is inside the panels
    double log_at_low, log_at_high;

    explicit Sampled(const double* p) noexcept
        : narrow(p[0]),
          low(p[1]),
          high(p[2]),
          slope_below(p[3]),
          slope_above(p[4]),
          cut_off(p[5] != 0.0),
          panels{static_cast<int>(p[6]), static_cast<int>(p[7]), static_cast<int>(p[8])},
          coefficient(p + kParameters),
          below_high(high * (1.0 - 0x1p-53)) {
        log_at_low = inside(low).log_value;
        log_at_high = inside(below_high).log_value;
    }

    struct Derivatives {
        double log_value, first, second;  // d/d ln x
    };
    CLMASSMOD_INLINE Derivatives inside(double x) const noexcept {
        const PanelIndex index(panels);
        const double* c = coefficient + index.panel(x) * kTableOrder;
        const double t = index.place(x);
        double value = c[kTableOrder - 1], first = 0.0, second = 0.0;
        for (int k = kTableOrder - 2; k >= 0; --k) {
            second = second * t + 2.0 * first;
            first = first * t + value;
            value = value * t + c[k];
        }
        const double rate = index.log_rate(x);
        return {value, first * rate, second * (rate * rate) + first * rate};
    }

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const bool below = x <= low;
        const bool above = x > high;
        const double held = below ? low : (x < below_high ? x : below_high);
        const Derivatives d = inside(held);
        const double slope = below ? slope_below : slope_above;
        const double tail = (below ? log_at_low : log_at_high) -
                            slope * (log_positive(x) - log_positive(below ? low : high));
        const bool outside = below || above;
        const double value = exp_flushed(outside ? tail : d.log_value);
        return {above && cut_off ? 0.0 : value, outside ? slope : -d.first,
                outside ? 0.0 : -d.second};
    }
    double panel(double x, bool outward) const noexcept {
        // panels end at `low` and `high`
        if (outward) return x < low || x >= high ? 11.0 : narrow;
        return x <= low || x > high ? 11.0 : narrow;
    }
    double power_law_below() const noexcept { return low; }
    double support() const noexcept { return cut_off ? high : kInfinity; }
    // what f jumps by at the end of its support
    double jump() const noexcept { return cut_off ? exp_flushed(log_at_high) : 0.0; }
    // a table would meet kinks elsewhere: below `low`, and near `high`
    int first_exponent() const noexcept { return std::ilogb(low) + 1; }
    int last_exponent() const noexcept { return std::ilogb(high) - 1; }
};

}  // namespace clmassmod
