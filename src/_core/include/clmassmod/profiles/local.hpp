// What quadrature needs of a radial function at one radius, and what it has to know beforehand.
#pragma once

#include <algorithm>
#include <cmath>

namespace clmassmod {

struct Local {
    double value;       // f(x) >= 0
    double slope;       // g = -d ln f / d ln x
    double bend = 0.0;  // d g / d ln x; needed of surface densities only
};

// A kernel for quadrature is a struct with
//   static constexpr std::size_t kParameters       length of its parameter vector
//   explicit Kernel(const double* parameters)
//   Local at(double x) const                       f and its slope, branch-free
//   double panel(double x, bool outward) const     widest Gauss panel in ln x that may begin at x
//                                                  and go outwards or inwards (quadrature.hpp)
//   double power_law_below() const                 f is x^-slope to 1e-16 below; 0: f tends to a
//                                                  constant and the integrals end by themselves
//   double support() const                         f is negligible above (see kNegligible); inf

// Exponential cut-offs are followed down to e^-kNegligible of the value at x = 1.
constexpr double kNegligible = 600.0;

// Panels near a feature of f between two radii, such as a truncation, must be narrow; those that
// end before it, or leave it behind, need not.
struct Feature {
    double low, high, narrow;
    double panel(double x, bool outward, double wide) const noexcept {
        if (outward ? x >= high : x <= low) return wide;
        const double distance = outward ? std::log(low / x) : std::log(x / high);
        return std::min(wide, std::max(narrow, distance));
    }
};

}  // namespace clmassmod
