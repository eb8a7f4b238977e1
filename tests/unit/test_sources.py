"""Sources: moments of beta against closed forms and quadrature, immutability, errors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from clmassmod.cosmology import (
    critical_surface_density,
    inverse_critical_surface_density,
    inverse_critical_surface_density_at_infinity,
)
from clmassmod.errors import NumericalError, ParameterError
from clmassmod.sources import BetaMoments, SourceDistribution, checked_sources, sources_from_dict

EDS = FlatLambdaCDM(H0=70.0, Om0=1.0, Tcmb0=0.0)
Z_LENS = 0.4


def beta_s_eds(z_s, z_l=Z_LENS):
    """beta(z_s) / beta(inf) of an Einstein-de Sitter universe, D_M ~ 1 - (1 + z)^-1/2."""
    near, far = 1.0 - (1.0 + z_l) ** -0.5, 1.0 - (1.0 + np.asarray(z_s)) ** -0.5
    return np.where(np.asarray(z_s) > z_l, (far - near) / np.maximum(far, 1e-300) / (1 - near), 0)


def quad_moment(density, z_max, order, z_l=Z_LENS):
    """Moment of beta_s by adaptive quadrature, split at the kink."""
    norm = quad(density, 0, z_l, epsrel=1e-12)[0] + quad(density, z_l, z_max, epsrel=1e-12)[0]
    above = quad(
        lambda z: density(z) * float(beta_s_eds(z, z_l)) ** order, z_l, z_max, epsrel=1e-12
    )
    return above[0] / norm


def smail(alpha, beta, z0):
    return lambda z: (z / z0) ** alpha * np.exp(-((z / z0) ** beta))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_moments_of_discrete_sources_are_the_closed_form(order):
    z, w = [0.2, 0.5, 0.9, 2.0], [1.0, 3.0, 4.0, 2.0]
    expected = np.sum(np.array(w) / 10.0 * beta_s_eds(z) ** order)
    sources = SourceDistribution(z, w)
    assert sources.beta_s_moment(order, Z_LENS, EDS) == pytest.approx(expected, rel=1e-9)


def test_named_moments_are_the_orders():
    sources = SourceDistribution.chang2013()
    named = [sources.mean_beta_s, sources.mean_beta_s_squared, sources.mean_beta_s_cubed]
    for order, method in enumerate(named, start=1):
        assert method(0.3) == sources.beta_s_moment(order, 0.3)


@pytest.mark.parametrize(
    ("parameters", "make"),
    [
        ((1.24, 1.01, 0.51), SourceDistribution.chang2013),
        ((2.0, 0.68, 0.11), lambda **kw: SourceDistribution.desc_srd(10, **kw)),
        ((2.0, 0.78, 0.13), lambda **kw: SourceDistribution.desc_srd(1, **kw)),
        ((2.0, 0.90, 0.28), lambda **kw: SourceDistribution.desc_srd(10, "lens", **kw)),
        ((2.0, 0.94, 0.26), lambda **kw: SourceDistribution.desc_srd(1, "lens", **kw)),
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_published_distributions_against_quadrature(parameters, make, order):
    # z_max = 40 holds all but 1e-12; the errors are the stated ones.
    expected = quad_moment(smail(*parameters), 40.0, order)
    assert make().beta_s_moment(order, Z_LENS, EDS) == pytest.approx(expected, rel=3e-4)
    exact = make(breaks=[Z_LENS]).beta_s_moment(order, Z_LENS, EDS)
    assert exact == pytest.approx(expected, rel=1e-7)
    assert make(breaks=[Z_LENS]).weight.size < 100


def test_error_at_the_kink_falls_with_the_square_of_the_panel_width():
    density, z_max = smail(1.24, 1.01, 0.51), 6.0
    lenses = np.linspace(0.3, 0.6, 31)
    expected = np.array([quad_moment(density, z_max, 1, z) for z in lenses])

    def worst(width):
        sources = SourceDistribution.from_function(density, 0, z_max, panel_width=width)
        return np.abs(sources.mean_beta_s(lenses, EDS) / expected - 1).max()

    coarse, fine = worst(0.2), worst(0.02)
    assert coarse < 3e-3
    assert fine < coarse / 30


def test_narrow_peak_is_resolved_or_refused():
    def peak(z):
        return np.exp(-0.5 * ((z - 1.234) / 1e-3) ** 2)

    sources = SourceDistribution.from_function(peak, 0.0, 3.0)
    assert sources.redshift @ sources.weight == pytest.approx(1.234, abs=1e-7)
    with pytest.raises(NumericalError, match="breaks"):
        SourceDistribution.from_function(lambda z: np.sin(1e9 * z) ** 2, 0.0, 3.0)


def test_step_with_a_break_is_exact():
    def step(z):
        return np.where(z < 0.7, 1.0, 3.0)

    sources = SourceDistribution.from_function(step, 0.0, 1.0, breaks=[0.7])
    assert sources.redshift @ sources.weight == pytest.approx((0.245 + 0.765) / 1.6, rel=1e-12)


def test_histogram_by_centres_and_by_edges():
    by_centres = SourceDistribution.from_histogram([0.25, 0.75, 1.25], [1, 0, 3])
    by_edges = SourceDistribution.from_histogram([0.0, 0.5, 1.0, 1.5], [1, 0, 3])
    assert by_centres == by_edges
    assert by_centres.redshift.tolist() == [0.25, 1.25]
    assert by_centres.weight.tolist() == [0.25, 0.75]


def test_histogram_bins_can_be_uniform_within():
    fine = SourceDistribution.from_histogram([0.5, 0.6], [7], nodes_per_bin=6)
    expected = quad(lambda z: float(beta_s_eds(z)), 0.5, 0.6, epsrel=1e-12)[0] / 0.1
    assert fine.mean_beta_s(Z_LENS, EDS) == pytest.approx(expected, rel=1e-10)
    middle = SourceDistribution.from_histogram([0.5, 0.6], [7])
    assert middle.mean_beta_s(Z_LENS, EDS) != pytest.approx(expected, rel=1e-5)


def test_foreground_sources_dilute():
    behind = SourceDistribution([1.0], [1.0])
    half = SourceDistribution([0.1, 1.0], [1.0, 1.0])
    assert half.mean_beta_s(0.3) == pytest.approx(behind.mean_beta_s(0.3) / 2, rel=1e-15)
    values, weights = half.inverse_critical_surface_density_nodes(0.3)
    assert values[0, 0] == 0.0
    assert weights.tolist() == [0.5, 0.5]
    assert SourceDistribution([0.2, 0.3], [1, 1]).mean_beta_s(0.3) == 0.0


def test_nodes_are_inverse_critical_surface_densities():
    sources = SourceDistribution([0.5, 1.0, 2.0], [1, 2, 1])
    values, weights = sources.inverse_critical_surface_density_nodes([0.2, 0.6])
    assert values.shape == (2, 3)
    assert weights.shape == (3,)
    assert values[0, 1] == 1.0 / critical_surface_density(0.2, 1.0)
    assert values[1, 0] == 0.0
    single, _ = sources.inverse_critical_surface_density_nodes(0.2)
    assert np.array_equal(single, values[:1])


@settings(deadline=None)
@given(mean=st.floats(0.05, 0.95), excess=st.floats(0.0, 1.0), kappa=st.floats(0.0, 0.3))
def test_two_moments_give_the_formula_of_seitz_and_schneider(mean, excess, kappa):
    square = mean**2 + excess * (mean - mean**2)
    gamma = 0.2
    values, weights = BetaMoments(mean, square).inverse_critical_surface_density_nodes(0.3)
    beta = values[0] / inverse_critical_surface_density_at_infinity(0.3)
    averaged = np.sum(weights * beta * gamma / (1.0 - beta * kappa))
    assert averaged == pytest.approx(mean * gamma / (1.0 - square / mean * kappa), rel=1e-12)


def test_moments_of_a_distribution_are_kept():
    sources = SourceDistribution.chang2013()
    moments = sources.beta_moments(0.3)
    assert moments.mean_beta_s(0.3) == sources.mean_beta_s(0.3)
    assert moments.mean_beta_s_squared(0.3) == sources.mean_beta_s_squared(0.3)
    values, weights = moments.inverse_critical_surface_density_nodes(0.3)
    beta = values[0] / inverse_critical_surface_density_at_infinity(0.3)
    assert weights @ beta == pytest.approx(float(sources.mean_beta_s(0.3)), rel=1e-14)
    assert weights @ beta**2 == pytest.approx(float(sources.mean_beta_s_squared(0.3)), rel=1e-14)


def test_beta_without_infinity_is_converted():
    # Einstein-de Sitter: D_ls / D_s at infinity is 1 - D_l / D_inf = (1 + z_l)^-1/2.
    at_infinity = (1.0 + Z_LENS) ** -0.5
    moments = BetaMoments.from_beta(0.5 * at_infinity, Z_LENS, 0.3 * at_infinity**2, EDS)
    assert moments.mean_beta_s() == pytest.approx(0.5, rel=1e-9)
    assert moments.mean_beta_s_squared() == pytest.approx(0.3, rel=1e-9)


def test_single_plane_of_moments_is_that_plane():
    beta = float(
        inverse_critical_surface_density(0.3, 1.0)
        / inverse_critical_surface_density_at_infinity(0.3)
    )
    values, weights = BetaMoments(beta).inverse_critical_surface_density_nodes(0.3)
    assert weights.tolist() == pytest.approx([0.0, 1.0], abs=1e-15)
    assert values[0, 1] == pytest.approx(float(inverse_critical_surface_density(0.3, 1.0)))
    nothing, _ = BetaMoments(0.0).inverse_critical_surface_density_nodes(0.3)
    assert nothing.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    "sources",
    [SourceDistribution([0.5, 1.0, 1.7], [1.0, 1.0, 1.0]), BetaMoments(0.4, 0.2), 1.0],
)
def test_copies_are_equal_bit_for_bit(sources):
    described = sources if isinstance(sources, float) else sources.to_dict()
    for other in (
        pickle.loads(pickle.dumps(sources)),
        copy.deepcopy(sources),
        sources_from_dict(described),
    ):
        assert other == sources
        assert hash(other) == hash(sources)


def test_objects_are_immutable():
    given_weights = np.array([1.0, 3.0])
    sources = SourceDistribution([0.5, 1.0], given_weights)
    given_weights[0] = 9.0
    assert sources.weight.tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="read-only"):
        sources.weight[0] = 1.0
    with pytest.raises(AttributeError, match="immutable"):
        sources.weight = given_weights
    with pytest.raises(AttributeError, match="immutable"):
        BetaMoments(0.5).mean = 0.4
    assert not pickle.loads(pickle.dumps(sources)).weight.flags.writeable


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: SourceDistribution([], []), "redshift"),
        (lambda: SourceDistribution([0.5, np.nan], [1, 1]), r"redshift\[1\]"),
        (lambda: SourceDistribution([0.5, -1.0], [1, 1]), r"redshift\[1\]"),
        (lambda: SourceDistribution([0.5, 1.0], [1, -1]), r"weight\[1\]"),
        (lambda: SourceDistribution([0.5, 1.0], [0, 0]), "weight"),
        (lambda: SourceDistribution([0.5, 1.0], [1]), "weight"),
        (lambda: SourceDistribution(["a"], [1]), "redshift"),
        (lambda: SourceDistribution.from_histogram([0.5, 0.4], [1, 1]), r"z\[1\]"),
        (lambda: SourceDistribution.from_histogram([0.5, 0.6, 0.7], [1]), "z"),
        (lambda: SourceDistribution.from_histogram([0.5], [1], nodes_per_bin=2), "nodes_per_bin"),
        (lambda: SourceDistribution.from_histogram([0.5], [1], nodes_per_bin=0), "nodes_per_bin"),
        (lambda: SourceDistribution.from_function(np.ones_like, 1.0, 0.5), "z_max"),
        (lambda: SourceDistribution.from_function(np.ones_like, -1.0, 0.5), "z_min"),
        (lambda: SourceDistribution.from_function(lambda z: -z, 0.0, 1.0), "function"),
        (lambda: SourceDistribution.from_function(lambda z: 1.0, 0.0, 1.0), "function"),
        (lambda: SourceDistribution.smail(1.0, 0.0, 0.5), "beta"),
        (lambda: SourceDistribution.desc_srd(3), "year"),
        (lambda: SourceDistribution([1.0], [1.0]).mean_beta_s(0.0), "z_l"),
        (lambda: SourceDistribution([1.0], [1.0]).beta_s_moment(0, 0.3), "order"),
        (lambda: BetaMoments(1.2), "mean_beta_s"),
        (lambda: BetaMoments(0.5, 0.2), "mean_beta_s_squared"),
        (lambda: BetaMoments(0.5, 0.6), "mean_beta_s_squared"),
        (lambda: checked_sources(-1.0), "sources"),
        (lambda: checked_sources(True), "sources"),
        (lambda: checked_sources("far"), "sources"),
        (lambda: sources_from_dict({"type": "distribution"}), "sources"),
        (lambda: sources_from_dict({"type": "other"}), "sources"),
    ],
)
def test_wrong_calls_name_the_field(call, field):
    with pytest.raises(ParameterError, match=field):
        call()
