"""Derive the polynomial coefficients of simd_math.hpp and profiles/power_law.hpp.

Each is a Chebyshev interpolant in 60-digit arithmetic, converted to monomials; the
printed error is the largest relative error of the exact polynomial over its interval.
Run: python tools/simd_coefficients.py
"""

from collections.abc import Callable

from mpmath import atan, atanh, chebyfit, gamma, linspace, mp, mpf, pi, polyval, sqrt

mp.dps = 60


def odd_kernel(w: mpf) -> mpf:
    """(T(w) - 1) / w with T(w) = artanh(sqrt w)/sqrt w, or arctan for w < 0."""
    if abs(w) < mpf("1e-6"):
        return sum(w**k / (2 * k + 3) for k in range(12))
    root = sqrt(abs(w))
    value = atanh(root) / root if w > 0 else atan(root) / root
    return (value - 1) / w


def power_law_factor(t: mpf) -> mpf:
    """Factor sqrt(pi) Gamma((s + 1)/2) / Gamma(s/2) of a projected power law, s = 2 + t."""
    return sqrt(pi) * gamma((t + 3) / 2) / gamma((t + 2) / 2)


def show(name: str, function: Callable, low: mpf, high: mpf, degree: int) -> None:
    coefficients = chebyfit(function, [low, high], degree + 1)
    error = max(abs(polyval(coefficients, t) / function(t) - 1) for t in linspace(low, high, 400))
    print(f"// {name}: degree {degree}, relative error {float(error):.1e}")
    for value in reversed(coefficients):
        print(f"    {float(value)!r},")


if __name__ == "__main__":
    # ln m with m in [sqrt(1/2), sqrt 2]: 2 s (1 + z K(z)), z = s^2, s = (m - 1)/(m + 1).
    show("log", odd_kernel, mpf(0), mpf("0.02944"), 7)
    # arctan and artanh kernel on |w| <= tan^2(pi/8).
    show("odd_kernel", odd_kernel, mpf("-0.1716"), mpf("0.1716"), 14)
    # e^r on |r| <= ln2/2.
    show("exp", mp.exp, mpf("-0.34658"), mpf("0.34658"), 11)
    # slopes 1 < s < 3 of profiles/power_law.hpp.
    show("power_law", power_law_factor, mpf(-1), mpf(1), 20)
