"""The twin of the selection against quadrature over the lenses of `lens_twin`, and its sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from population_twin import ARCMIN, Counts, Eta, Model, composite
from scipy.integrate import quad
from scipy.stats import norm
from selection_twin import Lenses, Survey, cross_section, pair_detection

from lens_twin import Twin

MODEL = Model()
MANY = np.linspace(0.0, 1.0, 17)
DELTA_LN_A = (
    # design document of the strong-lens part, section 5; A by a rule of its own
    ("mu_h", 13.01, 0.10697),
    ("beta_h", 2.34, 0.05065),
    ("sigma_h", 0.27, -0.07043),
    ("sigma_h", 0.15, -0.11389),
    ("sigma_h", 0.10, -0.1235),
    ("mu_g", 1.1, 0.19964),
    ("sigma_g", 0.15, -0.06288),
    ("alpha_sps", 0.1, 0.28356),
)


@pytest.mark.parametrize(
    "lens", [(11.5, 0.9, 13.0, 1.0), (11.0, 0.5, 12.5, 0.4), (11.9, 1.2, 14.5, 1.7)]
)
def test_radii_are_those_of_the_lens_twin(lens):
    star, size, halo, gamma = lens
    twin = Twin(star, halo, size, gamma_in=gamma)
    one = Lenses([star], [size], [halo], gamma, 0.3, 2.0, MODEL)
    ring = one.einstein_radius()
    radial = one.radial_critical_radius(ring)
    assert ring[0] == pytest.approx(twin.einstein_radius, rel=1e-10)
    assert radial[0] == pytest.approx(twin.radial_critical_radius, rel=1e-9)
    beta = 0.3 * twin.caustic_radius
    image = twin.images(beta)
    outer, inner = one.images(np.array([beta]), ring, radial)
    assert outer[0] == pytest.approx(image.x_a, rel=1e-10)
    assert inner[0] == pytest.approx(-image.x_b, rel=1e-10)
    assert one.magnification(inner)[0] == pytest.approx(-image.mu_b, rel=1e-8)


@pytest.mark.parametrize("mu", [(3.0, 1.0), (4.0, 3.9), (40.0, 27.0), (1.1, 0.01), (300.0, 250.0)])
def test_pair_detection_is_the_integral(mu):
    limits = [26.5 + 2.5 * math.log10(v) for v in mu]

    def density(m):
        found = [norm.cdf((limit - m) / 0.1) for limit in limits]
        return Counts().density_at(m) * found[0] * found[1]

    points = sorted({min(max(limit + d, 20.1), 29.9) for limit in limits for d in (-0.4, 0, 0.4)})
    exact = quad(density, 20.0, 30.0, points=points, epsabs=0.0, epsrel=1e-11, limit=500)[0]
    assert pair_detection(MODEL, np.array([mu[0]]), np.array([mu[1]]))[0] == pytest.approx(
        exact, rel=1e-8
    )


def test_cross_section_is_the_integral_over_the_source_plane():
    twin = Twin(11.5, 13.0, 0.9)
    caustic, total = twin.caustic_radius, 0.0
    # in beta itself, with panels that shrink towards the caustic and the axis
    edges = np.array([0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85, 0.95, 0.985, 0.996, 0.999, 0.9999, 1.0])
    for share, weight in zip(*composite(edges, 8), strict=True):
        image = twin.images(share * caustic)
        mu = np.array([image.mu_a]), np.array([-image.mu_b])
        found = pair_detection(MODEL, *mu)[0]
        total += weight * caustic * 2.0 * math.pi * share * caustic * found
    total /= (ARCMIN * twin.distances[0]) ** 2
    lens = Lenses([11.5], [0.9], [13.0], 1.0, 0.3, 2.0, MODEL)
    # this rule in beta is good to 1e-5, the twin's own default rule to 3e-4
    assert cross_section(lens, order=32, edges=MANY)[0] == pytest.approx(total, rel=2e-5)
    assert cross_section(lens)[0] == pytest.approx(total, rel=3e-4)


@pytest.mark.slow
def test_the_package_has_the_a_of_the_twin():
    """ln A and its differences: they share no code; the rule of the twin errs by some 1e-6.

    The reference differences of the design differ from both by up to 3.1e-4.
    """
    from clmassmod.population import PopulationParameters, build_selection
    from clmassmod.stronglens import LensPopulation

    survey, selection = Survey.of(MODEL, Eta(), slopes=20), build_selection()
    parameters = PopulationParameters(LensPopulation())
    base = Eta()
    for changes in ({}, *({name: value} for name, value, _ in DELTA_LN_A)):
        eta = [changes.get(name, getattr(base, name)) for name in parameters.free]
        found = selection.log_a(parameters.vectors(eta))[0]
        assert found == pytest.approx(survey.log_a(Eta(**changes)), abs=1e-5)
        stated = [v for n, value, v in DELTA_LN_A if changes == {n: value}]
        if stated:
            difference = found - selection.log_a(parameters.fixed[None])[0]
            assert difference == pytest.approx(stated[0], abs=3.2e-4)
