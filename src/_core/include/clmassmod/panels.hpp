// Octaves of x cut into 2^k panels of equal width: the panel is the leading bits of x, the place in
// it the rest of the mantissa. No logarithm is needed to find either.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "clmassmod/targets.hpp"

namespace clmassmod {

constexpr int kTableOrder = 8;  // coefficients a panel: one cache line

struct OctavePanels {
    int first_exponent = 0;  // from x = 2^first_exponent
    int octaves = 0;
    int split = 0;  // k
    std::size_t panels() const noexcept {
        return static_cast<std::size_t>(octaves) << static_cast<unsigned>(split);
    }
    double low() const noexcept { return std::ldexp(1.0, first_exponent); }
    double high() const noexcept { return std::ldexp(1.0, first_exponent + octaves); }
    // where panel i begins
    double start(std::size_t i) const noexcept {
        const std::size_t parts = std::size_t{1} << static_cast<unsigned>(split);
        return std::ldexp(1.0 + static_cast<double>(i % parts) / static_cast<double>(parts),
                          first_exponent + static_cast<int>(i / parts));
    }
};

// Finds x, which must be inside.
struct PanelIndex {
    std::uint64_t first, split;
    CLMASSMOD_INLINE explicit PanelIndex(const OctavePanels& panels) noexcept
        : first(static_cast<std::uint64_t>(panels.first_exponent + 1023)
                << static_cast<unsigned>(panels.split)),
          split(static_cast<std::uint64_t>(panels.split)) {}
    CLMASSMOD_INLINE std::size_t panel(double x) const noexcept {
        return (std::bit_cast<std::uint64_t>(x) >> (52 - split)) - first;
    }
    // t in [-1, 1)
    CLMASSMOD_INLINE double place(double x) const noexcept {
        const std::uint64_t rest = (std::bit_cast<std::uint64_t>(x) << split) & kMantissa;
        return 2.0 * std::bit_cast<double>(rest | kOne) - 3.0;
    }
    // dt / d ln x
    CLMASSMOD_INLINE double log_rate(double x) const noexcept {
        const double m =
            std::bit_cast<double>((std::bit_cast<std::uint64_t>(x) & kMantissa) | kOne);
        return m * static_cast<double>(std::uint64_t{2} << split);
    }

   private:
    static constexpr std::uint64_t kMantissa = 0x000fffffffffffffULL;
    static constexpr std::uint64_t kOne = 0x3ff0000000000000ULL;
};

}  // namespace clmassmod
