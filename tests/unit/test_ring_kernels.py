"""Likelihoods of Einstein radii: closed forms, and the integral against the slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from population_twin import Eta, Model, log_likelihood
from selection_twin import Ring, ring_cells

from clmassmod.cosmology import resolve_cosmology
from clmassmod.errors import ParameterError
from clmassmod.population import PopulationParameters, RingData
from clmassmod.population.cross_section import CrossSection, DetectedCounts
from clmassmod.population.ring_kernels import build_ring_kernels
from clmassmod.population.ring_ridge import RingLens, ring_masses
from clmassmod.stronglens import LensModel, LensPopulation, MagnitudeLimit, SourcePopulation

COSMOLOGY = resolve_cosmology(None)
SOURCES = SourcePopulation()
DETECTED = DetectedCounts(SOURCES, MagnitudeLimit(), 0.1)
PARAMETERS = PopulationParameters(LensPopulation(), ["alpha_sps", "mu_h", "mu_g"])
BOX = {"alpha_sps": (-0.05, 0.1), "mu_h": (12.8, 13.0), "mu_g": (0.9, 1.1)}
POINTS = [(0.0, 12.91, 1.0), (0.1, 12.8, 0.9), (-0.05, 13.0, 1.1)]


def kernels_of(data, n_threads=1):
    return build_ring_kernels(
        data, PARAMETERS, DETECTED, SOURCES, BOX, COSMOLOGY, n_threads=n_threads
    )


@pytest.mark.parametrize(
    ("mass", "size", "halo", "gamma", "z"),
    [
        (11.5, 0.9, 13.0, 1.3, (0.2, 0.6)),
        (11.0, 0.4, 12.0, 0.4, (0.1, 0.3)),
        (11.9, 1.2, 14.3, 1.8, (0.4, 2.0)),
    ],
)
def test_the_stellar_mass_of_a_ring_is_that_of_the_root(mass, size, halo, gamma, z):
    """Einstein radii are roots by bisection and Newton steps: good to 1e-12."""

    def ring(log_mstar):
        lens = LensModel(log_mstar, halo, size, *z, gamma, 5.0, 4.0, COSMOLOGY)
        return float(lens.einstein_radius())

    lens = RingLens(ring(mass), size, *z, LensPopulation(), COSMOLOGY)
    found, slope = ring_masses(lens, np.array([halo]), np.array([gamma]))
    assert found[0] == pytest.approx(mass, abs=1e-9)
    h = 1e-4  # central differences err by h^2
    assert slope[0] == pytest.approx(2.0 * h / (ring(mass + h) - ring(mass - h)), rel=1e-6)


def test_a_halo_that_is_too_massive_leaves_no_stars():
    lens = RingLens(3.0, 0.8, 0.2, 0.6, LensPopulation(), COSMOLOGY)
    mass, slope = ring_masses(lens, np.array([16.0]), np.array([1.5]))
    assert np.isnan([mass, slope]).all()


def section_of(lenses):
    """Return Lambda of lenses of the twin: against the twin's own in the tests of A."""
    section = CrossSection(
        DETECTED, SOURCES, lenses.planes[0], 4.0, COSMOLOGY, [(lenses.planes[1], 1.0)]
    )
    return section(lenses.log_mstar, lenses.log_re, lenses.log_mhalo, lenses.gamma)


@pytest.mark.parametrize("sigma_theta", [0.0, 0.05])
def test_the_integral_is_that_of_the_twin(sigma_theta, monkeypatch):
    """The twin agrees with itself to 1e-4 with nodes half as far apart."""
    monkeypatch.setattr("selection_twin.cross_section", section_of)
    rings = [
        Ring(1.2, sigma_theta, 0.8, 11.4, 0.1, 0.2, 0.6),
        Ring(0.9, sigma_theta, 0.5, 11.1, 0.06, 0.1, 0.4),
    ]
    data = RingData(
        theta_e=[r.theta for r in rings],
        log_re=[r.log_re for r in rings],
        log_msps=[r.log_msps for r in rings],
        z_l=[r.z_l for r in rings],
        z_s=[r.z_s for r in rings],
        sigma_theta=sigma_theta,
        sigma_msps=[r.sigma_msps for r in rings],
    )
    kernels = kernels_of(data)
    found = kernels.per_lens(PARAMETERS.vectors(POINTS))
    assert kernels.errors.max() < 3e-4
    model = Model()
    for i, ring in enumerate(rings[: 1 if sigma_theta else 2]):
        cells = ring_cells(ring, model, panels=2, thetas=9, width=0.5, lowest=10.0)
        for j, (alpha, mu_h, mu_g) in enumerate(POINTS):
            exact = log_likelihood(cells, ring, model, Eta(alpha_sps=alpha, mu_h=mu_h, mu_g=mu_g))
            assert found[j, i] == pytest.approx(exact, abs=5e-4)


def test_sizes_with_errors_are_averaged_over():
    """The twin: many sizes, each with exact kernels, trapezoids in the true size."""
    one = {"theta_e": 1.2, "log_msps": 11.4, "z_l": 0.2, "z_s": 0.6}
    vectors = PARAMETERS.vectors(POINTS)
    found = kernels_of(RingData(log_re=0.8, sigma_re=0.05, **one)).per_lens(vectors)[:, 0]
    t = np.linspace(-4.5, 4.5, 10)
    every = kernels_of(RingData(log_re=0.8 + 0.05 * t, **one)).per_lens(vectors)
    weight = np.exp(-0.5 * t**2) / np.sqrt(2.0 * np.pi) * (t[1] - t[0])
    assert found == pytest.approx(np.log(np.exp(every) @ weight), abs=5e-4)


def test_threads_change_no_bit():
    data = RingData([1.2, 0.8], [0.8, 0.5], [11.4, 11.0], 0.2, 0.6, sigma_theta=0.02)
    vectors = PARAMETERS.vectors(POINTS)
    one, two = kernels_of(data), kernels_of(data, n_threads=2)
    assert (one.per_lens(vectors) == two.per_lens(vectors, n_threads=2)).all()
    assert one.root_hash == two.root_hash


def test_a_lens_that_no_galaxy_is():
    data = RingData(1.2, [0.8, 3.0], 11.4, 0.2, 0.6, name=["a", "b"])
    with pytest.raises(ParameterError, match=r"'b' \(index 1\).*some galaxy of the population"):
        kernels_of(data)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"theta_e": 0.0}, "theta_e"),
        ({"theta_e": np.nan}, "theta_e"),
        ({"theta_e": [1.0, -1.0]}, r"theta_e.*index 1"),
        ({"sigma_theta": -0.1}, "sigma_theta"),
        ({"sigma_theta": 0.3}, "theta_e / 4"),
        ({"sigma_msps": 0.0}, "sigma_msps"),
        ({"sigma_re": -0.1}, "sigma_re"),
        ({"z_l": 0.0}, "z_l"),
        ({"z_s": 0.2}, "z_s"),
        ({"theta_e": "wide"}, "theta_e"),
        ({"name": ["a", "b"]}, "name"),
    ],
)
def test_wrong_data_are_refused(change, named):
    good = {"theta_e": 1.2, "log_re": 0.8, "log_msps": 11.4, "z_l": 0.2, "z_s": 0.6}
    with pytest.raises(ParameterError, match=named):
        RingData(**good | change)


def test_the_hash_is_over_every_column():
    good = {"theta_e": 1.2, "log_re": 0.8, "log_msps": 11.4, "z_l": 0.2, "z_s": 0.6}
    good |= {"sigma_theta": 0.02, "sigma_msps": 0.1, "sigma_re": 0.01}
    hashes = {RingData(**good).hash}
    hashes |= {RingData(**good | {name: value * 1.001}).hash for name, value in good.items()}
    assert len(hashes) == len(good) + 1
