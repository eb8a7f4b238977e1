"""The lens engine against lenstronomy on random Sersic + NFW lenses.

Needs lenstronomy: run by ``pytest -m peers``. What lenstronomy 1.14 itself reaches, measured
against 30-digit arithmetic, stands beside each tolerance.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy.special import gammaincinv, gammaln

from clmassmod.stronglens import LensModel, solve_images

pytestmark = [
    pytest.mark.peers,
    # the other package warns of things of its own
    pytest.mark.filterwarnings("ignore"),
]

COUNT = 100
DIFFERENCE = 1e-5
"""Step [arcsec] of the forward difference from which lenstronomy has the Sersic's Hessian."""


@cache
def lenses():
    """Return arguments (n,) of random lenses, the model, and sources within the caustics."""
    random = np.random.default_rng(411)
    log_mstar = random.uniform(11.1, 11.9, COUNT)
    z_l = random.uniform(0.15, 0.7, COUNT)
    arguments = {
        "log_mstar": log_mstar,
        "log_mhalo": 12.9 + 1.5 * (log_mstar - 11.4) + random.normal(0.0, 0.3, COUNT),
        "log_re": 0.8 + 0.9 * (log_mstar - 11.4) + random.normal(0.0, 0.1, COUNT),
        "z_l": z_l,
        "z_s": z_l + random.uniform(0.5, 2.0, COUNT),
        "c200": random.uniform(3.0, 9.0, COUNT),
        "sersic_n": random.choice([1.5, 4.0, 5.0], COUNT),
    }
    model = LensModel(**arguments)
    return arguments, model, random.uniform(0.1, 0.9, COUNT) * model.caustic_radius()


class Theirs:
    """Lens `i` as lenstronomy has it, in arcsec."""

    def __init__(self, i):
        from lenstronomy.LensModel.lens_model import LensModel as Lens

        arguments, model, beta = lenses()
        own = {name: float(values[i]) for name, values in arguments.items()}
        self.cosmology = FlatLambdaCDM(70.0, 0.3, Tcmb0=0.0)
        self.kpc = float(self.cosmology.kpc_proper_per_arcmin(own["z_l"]).value) / 60.0
        per_sigma_critical = 1.0 / float(model.critical_surface_density[i])
        self.parameters = [
            self._stars(own, per_sigma_critical),
            self._halo(own, per_sigma_critical),
        ]
        self.lens = Lens(
            ["SERSIC", "NFW"], z_lens=own["z_l"], z_source=own["z_s"], cosmo=self.cosmology
        )
        self.beta = beta[i] / self.kpc

    def _stars(self, own, per_sigma_critical):
        # lenstronomy's b_n is linear in n: the same exp(-b (R / R_e)^(1/n)) needs another R_e
        n, r_e = own["sersic_n"], 10.0 ** own["log_re"]
        b, theirs = gammaincinv(2.0 * n, 0.5), 1.9992 * n - 0.3271
        log_lead = 2.0 * n * math.log(b) - gammaln(2.0 * n) - math.log(2.0 * math.pi * n)
        central = 10.0 ** own["log_mstar"] * math.exp(log_lead) / r_e**2 * per_sigma_critical
        return {
            "k_eff": central * math.exp(-theirs),
            "R_sersic": r_e * (theirs / b) ** n / self.kpc,
            "n_sersic": n,
        }

    def _halo(self, own, per_sigma_critical):
        # not by lenstronomy's LensCosmo, whose GM_sun is 2.8e-4 off
        c, mass = own["c200"], 10.0 ** own["log_mhalo"]
        density = self.cosmology.critical_density(own["z_l"]).to_value("Msun / kpc3")
        r_s = np.cbrt(3.0 * mass / (800.0 * math.pi * density)) / c
        unit = mass / (4.0 * math.pi * (math.log1p(c) - c / (1.0 + c)))
        alpha = 4.0 * (1.0 - math.log(2.0)) * unit / r_s * per_sigma_critical
        return {"Rs": r_s / self.kpc, "alpha_Rs": alpha / self.kpc}

    def images(self, window):
        """Return the images [kpc] its solver finds; sometimes there are too few, or none."""
        from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

        x, _ = LensEquationSolver(self.lens).image_position_from_source(
            self.beta,
            0.0,
            self.parameters,
            solver="lenstronomy",
            min_distance=0.05,
            search_window=window / self.kpc,
            precision_limit=1e-12,
            num_iter_max=200,
        )
        return np.asarray(x) * self.kpc


@pytest.fixture(scope="module", autouse=True)
def _lenstronomy():
    import lenstronomy  # noqa: F401  a missing peer is a failure


@pytest.fixture(scope="module")
def pairs():
    """Positions (n, 2), magnifications (n, 2) and delays (n,) of ours."""
    _, model, beta = lenses()
    images = solve_images(model, beta)
    assert np.all(images.status == 0)
    x = np.stack((images.x_a, images.x_b), axis=1)
    return x, np.stack((images.mu_a, images.mu_b), axis=1), images.time_delay


def test_deflections(pairs):
    ring = lenses()[1].einstein_radius()
    for i, x in enumerate(pairs[0]):
        theirs = Theirs(i)
        source, _ = theirs.lens.ray_shooting(x / theirs.kpc, np.zeros(2), theirs.parameters)
        # rounding of its closed forms, 6e-13
        error = np.abs(source - theirs.beta) * theirs.kpc / ring[i]
        assert np.max(error) < 1e-11, i


def test_magnifications(pairs):
    for i, (x, mu) in enumerate(zip(*pairs[:2], strict=True)):
        theirs = Theirs(i)
        values = theirs.lens.magnification(x / theirs.kpc, np.zeros(2), theirs.parameters)
        # mu times half the step times alpha'', of the order of 1 / x: 0.3 of this
        bound = np.maximum(1.0, np.abs(mu)) * DIFFERENCE * np.maximum(1.0, theirs.kpc / np.abs(x))
        assert np.all(np.abs(values / mu - 1.0) < bound), i


def test_delays(pairs):
    for i, (x, delay) in enumerate(zip(pairs[0], pairs[2], strict=True)):
        theirs = Theirs(i)
        at = theirs.lens.arrival_time(x / theirs.kpc, np.zeros(2), theirs.parameters)
        # its Mpc and day against astropy's: 4.8e-10
        assert at[1] - at[0] == pytest.approx(delay, rel=2e-9), i


def test_einstein_radii(pairs):
    from lenstronomy.Analysis.lens_profile import LensProfileAnalysis

    ring = lenses()[1].einstein_radius()
    for i in range(COUNT):
        theirs = Theirs(i)
        r = np.geomspace(1e-4, 3.0 * ring[i] / theirs.kpc, 3000)
        kappa = theirs.lens.kappa(r, np.zeros_like(r), theirs.parameters)
        radius = LensProfileAnalysis.effective_einstein_radius_from_radial_profile(r, kappa)
        # a sum over its grid and the forward difference: 1.8e-5
        assert radius * theirs.kpc == pytest.approx(ring[i], rel=5e-5), i


def test_images_its_solver_finds(pairs):
    found = 0
    for i, x in enumerate(pairs[0]):
        theirs = Theirs(i)
        positions = theirs.images(window=4.0 * x[0])
        for mine in x:
            near = positions[np.abs(positions - mine) < 1e-3 * x[0]]
            if near.size:
                found += 1
                # its precision_limit, 1e-12 arcsec in the source, times mu: 3e-12
                assert np.min(np.abs(near - mine)) < 3e-11 * x[0], i
    # it misses 36 of these 200, all images of 17 sources
    assert found > 1.6 * COUNT
