"""Maps as data of CLMassMod: assigned, joined by id, never the same data twice."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import FitError, ParameterError

RADIUS = np.geomspace(0.3, 2.5, 8)
SQUARE = np.arange(16.0).reshape(4, 4)


def shear(name):
    values = clm.NFW(5e14, 4.0, 0.3).reduced_tangential_shear(RADIUS, 1.0)
    return clm.GammaTheta(RADIUS, values, np.full(8, 0.01), redshift=0.3, sources=1.0, id=name)


def mass(name):
    return clm.MassMap(1e14 * SQUARE, 0.1, redshift=0.3, id=name)


def kappa(name):
    return clm.KappaMap(0.01 * SQUARE, 0.1, redshift=0.3, sources=1.0, id=name)


def test_one_map_or_many_and_none():
    massmod = clm.CLMassMod()
    massmod.obs_mass_map = mass("a")
    assert massmod.obs_mass_map == (mass("a"),)
    massmod.obs_kappa_map = (kappa(name) for name in "bc")
    assert [m.id for m in massmod.obs_kappa_map] == ["b", "c"]
    assert list(massmod.maps()) == ["a", "b", "c"]
    assert "1 mass_map, 2 kappa_map" in repr(massmod)
    massmod.obs_kappa_map = None
    assert massmod.maps() == {"a": (mass("a"),)}


def test_assigning_clears_the_results():
    for name, value in (("obs_mass_map", mass("b")), ("obs_kappa_map", [kappa("b")])):
        massmod = clm.CLMassMod({"concentration": 4.0})
        massmod.obs_gamma_theta = shear("a")
        massmod.fit_mass_profiles("curvefit")
        assert massmod.out_data_profiles
        setattr(massmod, name, value)
        assert massmod.out_data_profiles == []
        assert massmod.fit_info is None


def test_the_same_data_do_not_count_twice():
    massmod = clm.CLMassMod({"concentration": 4.0})
    massmod.obs_mass_map = [mass("a"), mass("b")]
    massmod.obs_kappa_map = [kappa("b"), kappa("c")]
    with pytest.raises(ParameterError, match=r"obs_kappa_map = 'b'.*count twice.*allow_same_data"):
        massmod.fit_mass_profiles("curvefit")
    with pytest.raises(ParameterError, match="count twice"):
        massmod.maps()
    massmod.allow_same_data = True
    assert massmod.maps()["b"] == (mass("b"), kappa("b"))


def test_a_map_and_a_profile_of_one_halo_do_not_count_twice():
    massmod = clm.CLMassMod({"concentration": 4.0})
    massmod.obs_gamma_theta = [shear("a"), shear("b")]
    massmod.obs_mass_map = [mass("b")]
    with pytest.raises(ParameterError, match=r"obs_mass_map = 'b'.*count twice.*allow_same_data"):
        massmod.fit_mass_profiles("curvefit")
    massmod.obs_mass_map = [mass("c")]
    assert list(massmod.maps()) == ["c"]


def test_maps_without_ids_are_called_by_their_place():
    massmod = clm.CLMassMod()
    massmod.obs_mass_map = [mass(""), mass("")]
    assert list(massmod.maps()) == ["halo_00000", "halo_00001"]
    massmod.obs_kappa_map = kappa("")
    with pytest.raises(ParameterError, match="halo_00000"):
        massmod.maps()


def test_refused():
    massmod = clm.CLMassMod()
    with pytest.raises(ParameterError, match=r"obs_mass_map.*a MassMap or a sequence"):
        massmod.obs_mass_map = [kappa("a")]
    with pytest.raises(ParameterError, match=r"obs_kappa_map.*a KappaMap or a sequence"):
        massmod.obs_kappa_map = shear("a")
    massmod.obs_kappa_map = [kappa("a"), kappa("a")]
    with pytest.raises(ParameterError, match="different for every object"):
        massmod.maps()
    massmod.obs_kappa_map = None
    with pytest.raises(FitError, match="nothing to fit"):
        massmod.fit_mass_profiles("curvefit")
    with pytest.raises(FitError, match="no maps"):
        massmod.make_catalog()
