"""The likelihood of the SLACS lenses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clmassmod.population import LensPopulationLikelihood
from clmassmod.population.data_files import load_einstein_radii
from clmassmod.runs.inference_config import load_infer_config

pytestmark = pytest.mark.data

EXAMPLE = Path(__file__).parents[2] / "examples" / "slacs_population.toml"


@pytest.fixture(scope="module")
def lenses(data_dir):
    info = load_infer_config(EXAMPLE)
    file = data_dir / "slacs" / "slacs_59.cat"
    columns = {key: name for key, name in info["data"]["columns"].items() if name is not None}
    return load_einstein_radii(file, {**columns, "name": "name"}, sigma_theta=0.03)


def test_all_lenses_are_read(lenses):
    assert len(lenses) == 59
    assert lenses.name[0] == "SDSSJ0029-0055"
    assert lenses.theta_e[0] == 0.96
    assert lenses.log_re[0] == pytest.approx(np.log10(8.36))
    assert lenses.sigma_msps[0] == 0.13


def test_the_posterior_of_one_parameter_is_sane(lenses):
    """Stars heavier than with a Chabrier IMF, by 0.2 dex; a Salpeter IMF is at 0.25.

    With fixed halo masses and slopes of the defaults, in 0.1 dex around.
    """
    box = {"alpha_sps": (0.0, 0.35), "find_radius": (0.7, 1.1)}
    likelihood = LensPopulationLikelihood(
        lenses[::4], data="einstein_radius", free=list(box), box=box
    )
    alpha = np.linspace(0.0, 0.35, 36)
    points = np.stack([alpha, np.full(alpha.size, 0.9)], axis=1)
    log_l = likelihood.log_likelihood(points)
    assert np.isfinite(log_l).all()
    weight = np.exp(log_l - log_l.max())
    mean = (weight * alpha).sum() / weight.sum()
    sd = np.sqrt((weight * (alpha - mean) ** 2).sum() / weight.sum())
    print(f"alpha_sps = {mean:.3f} +- {sd:.3f}")
    assert 0.14 < mean < 0.27
    # two of the walls would have a standard deviation of 0.1
    assert sd < 0.06
    assert log_l[[0, -1]].max() < log_l.max() - 2.0
