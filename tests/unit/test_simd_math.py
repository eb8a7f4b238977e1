"""The core's elementary functions against mpmath."""

import mpmath
import numpy as np
import pytest

from clmassmod._core import simd_math

ULP = 2.220446049250313e-16


def evaluate(name, x):
    x = np.ascontiguousarray(x, dtype=np.float64)
    out = np.empty_like(x)
    simd_math.evaluate(simd_math.FUNCTIONS[name], x, out)
    return out


def worst_error(name, exact, x):
    with mpmath.workdps(40):
        truth = [exact(mpmath.mpf(float(v))) for v in x]
        pairs = zip(evaluate(name, x), truth, strict=True)
        return max(float(abs(mpmath.mpf(float(a)) / t - 1)) for a, t in pairs)


def arc(w):
    """T(w) = artanh(sqrt w)/sqrt w, or arctan for w < 0."""
    if abs(w) < mpmath.mpf("1e-12"):
        return 1 + w / 3 + w**2 / 5 + w**3 / 7
    root = mpmath.sqrt(abs(w))
    return (mpmath.atanh(root) if w > 0 else mpmath.atan(root)) / root


def arc_kernel(order):
    """T less its first `order` terms of the series, over w^order."""

    def kernel(w):
        if abs(w) < mpmath.mpf("1e-6"):
            return sum(w**k / (2 * (k + order) + 1) for k in range(12))
        value = arc(w)
        for k in range(order):
            value = (value - mpmath.mpf(1) / (2 * k + 1)) / w
        return value

    return kernel


def test_log():
    x = np.concatenate([np.geomspace(1e-300, 1e300, 3001), np.linspace(0.5, 2.0, 2000)])
    # 1.5 ulp stated; all points but 1 itself, where the value is 0
    assert worst_error("log", mpmath.log, x[x != 1.0]) < 2 * ULP
    near = 1.0 + np.concatenate([np.geomspace(1e-15, 0.1, 200), -np.geomspace(1e-15, 0.1, 200)])
    # f - f^2/2 + ... is formed from f = x - 1, exact: relative accuracy down to the last bit
    assert worst_error("log", mpmath.log, near) < 2 * ULP
    assert evaluate("log", [1.0])[0] == 0.0


@pytest.mark.parametrize("value", [0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310])
def test_log_of_special_values_is_nan(value):
    assert np.isnan(evaluate("log", [value])[0])


def test_log_at_the_ends_of_its_range():
    assert worst_error("log", mpmath.log, [2.2250738585072014e-308, 1.7976931348623157e308]) < ULP


def test_exp():
    x = np.concatenate([np.linspace(-707.9, 708.9, 4001), np.linspace(-1.0, 1.0, 2001)])
    assert worst_error("exp", mpmath.exp, x) < 2 * ULP


def test_exp_of_special_values():
    x = [0.0, -708.5, -1e308, -np.inf, 710.0, np.inf, np.nan]
    np.testing.assert_array_equal(evaluate("exp", x), [1.0, 0.0, 0.0, 0.0, np.inf, np.inf, np.nan])


def test_log_one_plus():
    x = np.concatenate([np.geomspace(1e-300, 1e300, 3001), np.linspace(0.0, 3.0, 2001)[1:]])
    # the correcting quotient adds two roundings to those of the logarithm
    assert worst_error("log_one_plus", mpmath.log1p, x) < 4 * ULP
    assert evaluate("log_one_plus", [0.0])[0] == 0.0


def test_cbrt():
    # one step of Newton's method is good to rounding of its last three operations
    assert worst_error("cbrt", mpmath.cbrt, np.geomspace(1e-200, 1e200, 3001)) < 2 * ULP


@pytest.mark.parametrize(
    ("name", "order", "tolerance"),
    [
        ("arc_kernel_first", 1, 3 * ULP),
        # the polynomial was fitted to T_1: its error grows by 1/w in T_2 and again in T_3
        ("arc_kernel_second", 2, 4e-15),
        ("arc_kernel_third", 3, 1.5e-13),
    ],
)
def test_arc_kernels(name, order, tolerance):
    w = np.concatenate([np.linspace(-0.1716, 0.1716, 1001), np.geomspace(1e-30, 0.1, 100)])
    assert worst_error(name, arc_kernel(order), w[w != 0.0]) < tolerance


def test_arctan_kernels():
    t = np.concatenate([np.geomspace(1e-30, 1e8, 2001), np.linspace(0.3, 3.0, 1001)])
    assert worst_error("arctan_zeroth", lambda v: arc(-v * v), t) < 4 * ULP
    # above tan(pi/8) it is (1 - T)/t^2 with T up to 0.95, a loss of a factor 20
    assert worst_error("arctan_first", lambda v: arc_kernel(1)(-v * v), t) < 40 * ULP


def test_same_bits_whatever_the_position():
    """Vector lanes and the scalar tail of a loop agree."""
    x = np.geomspace(1e-5, 1e5, 37)
    for name in simd_math.FUNCTIONS:
        single = [evaluate(name, [v])[0] for v in x]
        np.testing.assert_array_equal(evaluate(name, x), single)
        np.testing.assert_array_equal(evaluate(name, x[3:]), single[3:])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="out"):
        simd_math.evaluate(0, np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="unknown"):
        simd_math.evaluate(99, np.ones(3), np.ones(3))
