"""Derive the Gauss-Legendre nodes and weights of src/_core/include/clmassmod/quadrature.hpp.

The secant method on the Legendre polynomial in 40-digit arithmetic; the positive nodes are
printed in increasing order. Run: python tools/gauss_nodes.py [order]
"""

import sys

from mpmath import cos, findroot, legendre, mp, mpf, nstr, pi

mp.dps = 40


def positive_nodes(order: int) -> list[tuple[mpf, mpf]]:
    """Return (node, weight) on (0, 1) of the rule of even `order` on [-1, 1]."""
    pairs = []
    for i in range(order // 2, 0, -1):
        guess = cos(pi * (i - mpf(1) / 4) / (order + mpf(1) / 2))
        # two starts close by: the secant from one alone may end at the root beside
        x = findroot(lambda t: legendre(order, t), (guess, guess + mpf("1e-6")))
        slope = order * (x * legendre(order, x) - legendre(order - 1, x)) / (x * x - 1)
        pairs.append((x, 2 / ((1 - x * x) * slope * slope)))
    return pairs


if __name__ == "__main__":
    for node, weight in positive_nodes(int(sys.argv[1]) if len(sys.argv) > 1 else 32):
        print(f"    {{{nstr(node, 20)}, {nstr(weight, 20)}}},")
