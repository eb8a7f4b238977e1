"""Many clusters in one call give what each gives alone."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError


def sample(kind, covariance=False):
    random = np.random.default_rng(5)
    result = []
    for i, (mass, z, m) in enumerate([(4e14, 0.25, 6), (8e14, 0.4, 9), (2e14, 0.6, 7)]):
        radius = np.geomspace(0.25, 2.5 + 0.1 * i, m)
        halo = clm.NFW(mass, 4.0, z)
        common = {"redshift": z, "id": f"c{i}"}
        if kind == "delta_sigma":
            values = halo.excess_surface_density(radius)
            sd = np.full(m, 2e13)
            boost = 1.0 + 0.1 / radius if i == 1 else None
            inverse = 2e-16
            build, extra = (
                clm.DeltaSigma,
                {"boost": boost, "inverse_critical_surface_density": inverse},
            )
        else:
            sources = {
                "plane": 1.1,
                "n(z)": clm.SourceDistribution(np.linspace(0.3, 1.5, 5 + i), np.ones(5 + i)),
                "moments": clm.BetaMoments(0.4 + 0.05 * i, 0.2 + 0.05 * i),
            }[kind]
            values = halo.reduced_tangential_shear(radius, sources)
            sd = np.full(m, 0.01)
            build, extra = clm.GammaTheta, {"sources": sources}
        if covariance and i != 2:
            near = np.exp(-np.abs(np.subtract.outer(np.arange(m), np.arange(m))))
            extra["covariance"] = near * sd[0] ** 2
        noisy = values + sd * random.standard_normal(m)
        result.append(build(radius, noisy, sd, **common, **extra))
    return result


def massmod_of(data, **info):
    massmod = clm.CLMassMod(info)
    if isinstance(data[0], clm.DeltaSigma):
        massmod.obs_delta_sigma = data
    else:
        massmod.obs_gamma_theta = data
    return massmod


@pytest.mark.parametrize("covariance", [False, True])
@pytest.mark.parametrize("kind", ["plane", "n(z)", "moments", "delta_sigma"])
def test_one_call_is_each_cluster_alone(kind, covariance):
    massmod = massmod_of(sample(kind, covariance))
    mass = np.array([[-3e14], [0.0], [1e14], [9e14]])
    together = massmod.sample_likelihood().log_likelihood(mass)
    alone = [massmod.likelihood(f"c{i}").log_likelihood(mass) for i in range(3)]
    # the same terms, added in another order
    assert together == pytest.approx(np.array(alone), rel=1e-12)


def test_parameters_of_their_own_and_thread_counts():
    info = {"parameters": ["mass", "concentration"]}
    massmod = massmod_of(sample("n(z)"), **info)
    random = np.random.default_rng(2)
    values = np.stack([random.uniform(-1e15, 2e15, (3, 700)), random.uniform(2, 9, (3, 700))], -1)
    whole = massmod.sample_likelihood()
    first = whole.log_likelihood(values)
    assert first[1] == pytest.approx(massmod.likelihood("c1").log_likelihood(values[1]), rel=1e-12)
    for n_threads in (2, 3, 7):
        assert np.array_equal(first, whole.log_likelihood(values, n_threads=n_threads))


def test_what_does_not_fit_together_is_refused():
    massmod = massmod_of(sample("plane"))
    massmod.obs_delta_sigma = sample("delta_sigma")
    with pytest.raises(ParameterError, match="one observable each"):
        massmod.sample_likelihood()
    with pytest.raises(ParameterError, match=r"\(3, B, 1\)"):
        massmod_of(sample("plane")).sample_likelihood().log_likelihood(np.ones((2, 4, 1)))


def test_kinds_of_observables_do_not_mix():
    shear, excess = sample("n(z)")[:1], sample("delta_sigma")[1:2]
    massmod = massmod_of(shear)
    massmod.obs_delta_sigma = excess
    with pytest.raises(ParameterError, match="of the same kind"):
        massmod.sample_likelihood()
