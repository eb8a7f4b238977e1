// What quadrature needs of a radial function at one radius, and what it has to know beforehand.
#pragma once

namespace clmassmod {

struct Local {
    double value;  // f(x) >= 0
    double slope;  // g = -d ln f / d ln x
    double bend = 0.0;  // d g / d ln x; needed of surface densities only
};

// A kernel for quadrature is a struct with
//   static constexpr std::size_t kParameters       length of its parameter vector
//   explicit Kernel(const double* parameters)
//   Local at(double x) const                       f and its slope, branch-free
//   double panel() const                           widest Gauss panel in ln x (see quadrature.hpp)
//   double power_law_below() const                 f is x^-slope to 1e-16 below; 0: f tends to a
//                                                  constant and the integrals end by themselves
//   double support() const                         f is negligible above (see kNegligible); inf

// Exponential cut-offs are followed down to e^-kNegligible of the value at x = 1.
constexpr double kNegligible = 600.0;

}  // namespace clmassmod
