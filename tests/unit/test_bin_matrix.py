"""Averages over bins of any width, and over offsets, against scipy's quadrature."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate

import clmassmod as clm
from clmassmod._core import miscentring as core
from clmassmod.cluster.bin_matrix import BinMatrix
from clmassmod.cluster.bin_points import bin_points

Z = 0.25
PROFILES = {
    "NFW": clm.NFW(1e14, 8.0, Z),
    "less concentrated": clm.NFW(2e15, 2.0, Z),
    "cored": clm.Burkert(1e15, 5.0, Z, rtol=1e-9),
    "steep": clm.BMO(1e15, 3.0, Z, truncation=3.0),
    "miscentred": clm.Miscentred(clm.NFW(3e14, 5.0, Z), clm.RayleighOffset(0.2), 0.9),
}
WIDTHS = [0.1, 0.113, 0.2, 0.301, 0.5, 1.0, 2.0]  # dex


def area_mean(function, low, high):
    """Mean over the area of a ring: Gauss-Legendre in ln R of panels of at most 0.1 dex."""
    n = max(2, round(10 * np.log10(high / low)))
    edges = np.linspace(np.log(low), np.log(high), n + 1)
    total = sum(
        integrate.fixed_quad(lambda u: function(np.exp(u)) * np.exp(2 * u), a, b, n=16)[0]
        for a, b in itertools.pairwise(edges)
    )
    return 2.0 * total / (high**2 - low**2)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("low", [0.01, 0.2, 3.0])
def test_bins_of_any_width(name, low):
    """Within 1e-7 from 0.1 to 2 dex, inner bins and outer ones."""
    function = PROFILES[name].excess_surface_density
    high = low * 10.0 ** np.array(WIDTHS)
    matrix = BinMatrix(np.sqrt(low * high), np.array([np.full(high.size, low), high]), None)
    values = function(matrix.nodes[0])[None, :]
    expected = [area_mean(function, low, one) for one in high]
    np.testing.assert_allclose(matrix.seen(values, None, None, 1)[0], expected, rtol=1e-7)


def test_twin_agrees_with_adaptive_quadrature():
    function = PROFILES["NFW"].excess_surface_density
    for low, high in ((0.01, 1.0), (0.2, 0.25)):
        total = integrate.quad(lambda R: R * function(R), low, high, epsrel=1e-11, limit=400)[0]
        expected = 2.0 * total / (high**2 - low**2)
        assert area_mean(function, low, high) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("offsets", ["gamma", "rayleigh"])
@pytest.mark.parametrize("scale", [0.02, 0.15, 0.9])
def test_wide_bins_of_miscentred_haloes(offsets, scale):
    """Within 1e-6 of `Miscentred` averaged by quadrature."""
    low = np.array([0.02, 0.05, 0.2, 0.5, 1.0])
    high = low * 10.0 ** np.array([0.1, 2.0, 1.0, 0.5, 1.5])
    matrix = BinMatrix(np.sqrt(low * high), np.array([low, high]), offsets)
    of = {"gamma": clm.GammaOffset, "rayleigh": clm.RayleighOffset}[offsets]
    for halo in (PROFILES["NFW"], PROFILES["cored"]):
        values = halo.excess_surface_density(matrix.nodes[0])[None, :]
        found = matrix.seen(values, np.array([0.7]), np.array([scale]), 1)[0]
        seen = clm.Miscentred(halo, of(scale), 0.7).excess_surface_density
        expected = [area_mean(seen, a, b) for a, b in zip(low, high, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_disc_from_the_centre():
    """A bin that begins at 0 is a disc: a power law R^-a has the mean 2 / (2 - a) of its edge."""
    for slope, tolerance in ((0.0, 1e-14), (0.5, 1e-7), (1.0, 1e-6)):
        at = bin_points(np.array([0.0]), np.array([0.7]))
        found = np.sum(at.weight * (at.radius / 0.7) ** -slope)
        assert found == pytest.approx(2.0 / (2.0 - slope), rel=tolerance)


def test_weights_are_shares_of_the_area():
    low = np.array([0.0, 0.1, 0.12, 1.0])
    high = np.array([0.1, 0.12, 1.0, 300.0])
    at = bin_points(low, high)
    np.testing.assert_allclose(np.bincount(at.bin, at.weight), 1.0, rtol=1e-13)
    assert np.all((at.radius > low[at.bin]) & (at.radius < high[at.bin]))


def test_sums_over_no_nodes_are_zero():
    out = np.full((2, 3), np.nan)
    core.mixed(np.zeros((1, 3, 0)), np.zeros(2), np.zeros((2, 0)), out, 1)
    np.testing.assert_array_equal(out, 0.0)
