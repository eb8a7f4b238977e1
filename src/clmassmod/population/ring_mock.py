"""Mock samples of Einstein radii."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import NumericalError
from ..stronglens.mass_sampler import GalaxySample, LensPopulation
from .cross_section import CrossSection, DetectedCounts
from .finding import MEASURED, FindingProbability
from .ring_data import RingData

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.source_population import SourcePopulation

Array = npt.NDArray[np.float64]

# drawn for the lenses at one pair of redshifts
_GALAXIES_PER_LENS, _LEAST_GALAXIES, _MOST_GALAXIES = 100, 400, 20_000
_MOST_DRAWS = 1000


def mock_rings(
    survey: RingData,
    population: LensPopulation,
    detected: DetectedCounts,
    sources: SourcePopulation,
    finding: FindingProbability,
    cosmology: FLRW | None = None,
    *,
    n_lenses: int,
    seed: int,
    n_threads: int = 1,
) -> RingData:
    """Return a mock sample of lenses with redshifts and errors of a survey.

    Lenses of the survey lend their redshifts and errors, in turn. Of some hundred galaxies of
    the population for each lens, one is drawn with a probability proportional to Lambda and
    observed with these errors, until one is found, by its observed radius.

    Parameters
    ----------
    survey : RingData
    population : LensPopulation
        Its redshifts are not used.
    detected : DetectedCounts
    sources : SourcePopulation
    finding : FindingProbability
    cosmology : astropy cosmology, optional
    n_lenses, seed : int
    n_threads : int, >= 0

    Raises
    ------
    NumericalError
        A population whose lenses are next to never found.
    """
    random = np.random.default_rng(seed)
    of = np.arange(n_lenses) % len(survey)
    drawn = np.empty((3, n_lenses))
    for like in np.unique(of):
        rows = np.flatnonzero(of == like)
        z_l, z_s = float(survey.z_l[like]), float(survey.z_s[like])
        section = CrossSection(detected, sources, z_l, population.sersic_n, cosmology, [(z_s, 1.0)])
        n = min(_MOST_GALAXIES, max(_LEAST_GALAXIES, _GALAXIES_PER_LENS * rows.size))
        there = replace(population, z_l=z_l)  # concentrations depend on it
        galaxies = there.sample(like * _MOST_GALAXIES + np.arange(n), seed, n_threads)
        number, ring = section.by_plane(_columns(galaxies), n_threads=n_threads)
        chance = number[0, :, 0] / number[0, :, 0].sum()
        errors = [float(column[like]) for column in _errors(survey)]
        for row in rows:
            at, theta = _found(chance, ring[0], errors[0], finding, random)
            observed = theta, galaxies.log_re[at], galaxies.log_msps[at]
            noise = random.standard_normal(2) * errors[1:]
            drawn[:, row] = observed[0], observed[1] + noise[0], observed[2] + noise[1]
    sigma = {"sigma_theta": survey.sigma_theta, "sigma_re": survey.sigma_re}
    columns_of = sigma | {"sigma_msps": survey.sigma_msps, "z_l": survey.z_l, "z_s": survey.z_s}
    return RingData(
        theta_e=drawn[0],
        log_re=drawn[1],
        log_msps=drawn[2],
        **{name: column[of] for name, column in columns_of.items()},
    )


def _columns(galaxies: GalaxySample) -> Array:
    """Return what `CrossSection` takes, (5, n)."""
    g = galaxies
    return np.array([g.log_mstar, g.log_re, g.log_mhalo, g.gamma_in, g.c200])


def _errors(survey: RingData) -> tuple[Array, Array, Array]:
    return survey.sigma_theta, survey.sigma_re, survey.sigma_msps


def _found(
    chance: Array,
    ring: Array,
    sigma: float,
    finding: FindingProbability,
    random: np.random.Generator,
) -> tuple[int, float]:
    """Return a galaxy and its observed Einstein radius [arcsec], once it is found."""
    for _ in range(_MOST_DRAWS):
        at = random.choice(chance.size, 64, p=chance)
        theta = ring[at] + sigma * random.standard_normal(64)
        hit = np.flatnonzero((random.random(64) < finding(theta)) & (theta > MEASURED * sigma))
        if hit.size:
            return int(at[hit[0]]), float(theta[hit[0]])
    raise NumericalError("next to no lens of the population is found: its radii are too small")
