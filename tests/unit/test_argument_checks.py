"""What wrong arguments of profiles are told: masks, sources, threads, ranges."""

import inspect

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError

HALO = clm.NFW(5e14, 4.0, redshift=0.3)
MASKED = np.ma.array([0.5, 1.0], mask=[False, True])


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("radius", lambda: HALO.density(MASKED)),
        ("mass", lambda: clm.NFW(1e14 * MASKED, 4.0, 0.3)),
        ("concentration", lambda: clm.gNFW(1e14, MASKED, 0.3)),
        ("redshift", lambda: clm.NFW(1e14, 4.0, MASKED)),
        ("z_s", lambda: HALO.convergence(np.array([0.5, 1.0]), MASKED)),
    ],
)
def test_masks_are_refused(name, call):
    with pytest.raises(ParameterError, match=rf"^{name} .*without a mask"):
        call()


def test_masked_quantities_are_refused():
    from astropy.units import Mpc
    from astropy.utils.masked import Masked

    with pytest.raises(ParameterError, match="without a mask"):
        HALO.density(Masked([0.5, 1.0] * Mpc, mask=[False, True]))


@pytest.mark.parametrize("z_s", ["chang2013", None, [0.5, "a"], object()])
def test_sources_of_no_known_kind(z_s):
    with pytest.raises(ParameterError, match=r"^z_s = .*SourceDistribution.*BetaMoments"):
        HALO.convergence(1.0, z_s)


@pytest.mark.parametrize("R", [None, "a"])
def test_radius_that_is_no_number(R):
    with pytest.raises(ParameterError, match=r"^radius = .*number .*\[Mpc\]"):
        HALO.surface_density(R)


@pytest.mark.parametrize("slope", [-0.1, 3.2])
def test_range_of_inner_slope(slope):
    with pytest.raises(ParameterError, match=">= 0 and < 3"):
        clm.gNFW(1e14, 4.0, 0.3, slope)


@pytest.mark.parametrize("n_threads", ["a", -1, 1.5, None, True])
@pytest.mark.parametrize(
    "profile", [HALO, clm.Einasto(1e14, 4.0, 0.3), clm.Composite([HALO, HALO])], ids=repr
)
def test_threads(profile, n_threads):
    with pytest.raises(ParameterError, match=r"^n_threads = .*integer >= 0"):
        profile.convergence(1.0, 1.0, n_threads=n_threads)
    with pytest.raises(ParameterError, match=r"^n_threads"):
        clm.convert_mass(1e14, 4.0, 0.3, "200c", "500c", n_threads=n_threads)


@pytest.mark.parametrize("n_threads", [0, 1, 2, np.int64(1)])
def test_threads_allowed(n_threads):
    assert HALO.density(1.0, n_threads=n_threads) == HALO.density(1.0)


def test_haloes_begin_with_mass_concentration_redshift():
    for halo in (clm.NFW, clm.Hernquist, clm.BMO, clm.gNFW, clm.Einasto, clm.Burkert):
        names = list(inspect.signature(halo).parameters)
        assert names[:3] == ["mass", "concentration", "redshift"], halo
    assert list(inspect.signature(clm.BMO).parameters)[3:] == [
        "truncation",
        "mass_def",
        "cosmology",
    ]
    assert clm.BMO(1e14, 4.0, 0.3, 5.0) == clm.BMO(1e14, 4.0, 0.3, truncation=5.0)


@pytest.mark.parametrize("delta", [200.0001, 200, 1.0 / 3.0, 1e-7, 1e22, 180.123456789012])
@pytest.mark.parametrize("reference", ["critical", "mean"])
def test_name_of_mass_definition_gives_it_back(delta, reference):
    definition = clm.MassDef(delta, reference)
    assert clm.MassDef.from_name(definition.name) == definition
