"""Masses of stacked clusters, with the full model of the published analysis."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit, minimize

import clmassmod as clm
from clmassmod.profiles.boost import boost_factor

pytestmark = pytest.mark.data

# McClintock et al. (2019), 0.2 < z < 0.35: bin of richness, log10 M200m [Msun/h, h = 0.7], mean
# richness and redshift of the bin (to 2 %: they enter by R_lambda ~ lambda^0.2 alone)
STACKS = {3: (14.036, 24.5, 0.25), 4: (14.323, 36.0, 0.25), 5: (14.454, 51.5, 0.25)}
STACKS[6] = (14.758, 80.0, 0.25)
H = 0.7
SHEAR_BIAS, SHEAR_BIAS_SD = 0.012, 0.013
EDGES = np.geomspace(0.03, 30.0, 16)


def truncated(mean, sd, low, high):
    return {"distribution": "truncated-normal", "mean": mean, "sd": sd, "low": low, "high": high}


def stack(folder, bin_):
    """Return the data and the model, with the boost factor fitted to its own measurement."""
    _, richness, redshift = STACKS[bin_]
    profile = np.loadtxt(folder / f"y1_l{bin_}_z0_profile.dat")
    boost = np.loadtxt(folder / f"y1_l{bin_}_z0_boost.dat")
    inverse = np.loadtxt(folder / "sigma_crit_inv.txt")[0, bin_] * 1e-12
    photo_z = np.loadtxt(folder / "Y1_deltap1.txt")[0, bin_]
    photo_z_sd = np.sqrt(np.loadtxt(folder / "Y1_deltap1_var.txt")[0, bin_])
    (b0, r_s), _ = curve_fit(
        boost_factor, boost[:, 0], boost[:, 1], (0.3, 0.7), np.maximum(boost[:, 2], 1e-4)
    )
    data = clm.DeltaSigma(
        profile[:, 0],
        profile[:, 1] * 1e12,
        covariance=np.loadtxt(folder / f"SAC_z0_l{bin_}.txt") * 1e24,
        redshift=redshift,
        inverse_critical_surface_density=inverse,
        radius_min=EDGES[:-1],
        radius_max=EDGES[1:],
    )
    r_lambda = (richness / 100.0) ** 0.2 / H
    calibration = {
        "distribution": "normal",
        "mean": (1.0 + SHEAR_BIAS) * photo_z - 1.0,
        "sd": float(np.hypot(SHEAR_BIAS_SD, photo_z_sd)),
    }
    model = {
        "mass_def": "200m",
        "concentration": "diemer19",
        "cosmology": {"H0": 70, "Om0": 0.3, "Ob0": 0.05, "sigma8": 0.8, "n_s": 0.96},
        "parameters": [
            *("mass", "miscentring_fraction", "miscentring_scale", "shear_calibration"),
        ],
        "priors": {
            "mass": {"distribution": "uniform", "low": 1e13, "high": 3e15},
            "miscentring_fraction": truncated(0.25, 0.08, 0.0, 1.0),
            "miscentring_scale": truncated(0.17 * r_lambda, 0.04 * r_lambda, 0.01, 1.0),
            "shear_calibration": calibration,
        },
        "miscentring": {"distribution": "gamma"},
        "two_halo": {"combine": "max"},
        "boost": {"b0": float(b0), "r_s": float(r_s)},
        "fit": {"r_min": 0.2, "r_max": 30.0},
    }
    return data, model


def best_mass(folder, bin_, **changes):
    """Return log10 M200m [Msun/h] at the maximum of the posterior, and its chi squared."""
    data, model = stack(folder, bin_)
    massmod = clm.CLMassMod({**model, **changes})
    massmod.obs_delta_sigma = data
    likelihood = massmod.likelihood()
    priors = massmod.model_info["priors"]
    start = [10 ** (STACKS[bin_][0] - 14.0) / H]
    start += [priors[name]["mean"] for name in likelihood.parameters.names[1:]]

    def cost(coordinates):
        value = likelihood.log_posterior(coordinates[None, :])[0]
        return -value if np.isfinite(value) else 1e10

    simplex = np.array([start] * 5) * (1.0 + 0.15 * np.eye(5)[:, 1:])
    options = {"xatol": 1e-3, "fatol": 1e-3, "initial_simplex": simplex}
    best = minimize(cost, start, method="Nelder-Mead", options=options)
    values = likelihood.parameters.to_values(best.x)
    return float(np.log10(values[0] * H)), float(likelihood.chi2(values[None, :])[0])


@pytest.mark.parametrize("bin_", STACKS)
def test_masses_of_the_published_analysis(data_dir, bin_):
    """Within 0.035 dex of the published means (found: -0.008, -0.012, -0.005, -0.031).

    Chains give means of -0.007, -0.008, -0.003, -0.031. The model at the mean radii, in place of
    its average over the bins, gives +0.025, +0.017, +0.022, -0.004.

    What differs: linear matter power about the haloes in place of a non-linear one, c(M) of
    Diemer & Joyce (2019) in place of Diemer & Kravtsov (2015), the boost factor fitted
    beforehand, the maximum of the posterior in place of its mean. The published errors are
    0.03 to 0.04.
    """
    found, chi2 = best_mass(data_dir / "desy1_z0", bin_)
    assert found == pytest.approx(STACKS[bin_][0], abs=0.035)
    assert chi2 < 25.0  # 11 points, 4 parameters with priors on 3


def test_sum_of_halo_and_two_halo_term_is_lower(data_dir):
    """Matter counted twice where the two meet makes the mass 0.07 dex too low."""
    folder = data_dir / "desy1_z0"
    larger, chi2 = best_mass(folder, 4)
    both, worse = best_mass(folder, 4, two_halo={"combine": "sum"})
    assert larger - both == pytest.approx(0.07, abs=0.02)
    assert worse > chi2
