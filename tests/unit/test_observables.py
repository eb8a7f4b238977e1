"""Observed profiles: checks, immutability, selection, copies, and what is written."""

from __future__ import annotations

import copy
import os
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given, settings
from hypothesis import strategies as st

from clmassmod.errors import ParameterError
from clmassmod.observables import DeltaSigma, GammaTheta
from clmassmod.readers import load_delta_sigma, load_gamma_theta
from clmassmod.sources import BetaMoments, SourceDistribution

RADIUS = np.array([0.3, 0.6, 1.0, 2.0])
COVARIANCE = np.diag([4.0, 3.0, 2.0, 1.0]) * 1e-4 + 2e-5


def gamma_theta(**changes):
    content = {
        "radius": RADIUS,
        "values": [0.1, 0.06, 0.04, -0.01],
        "errors": [0.02, 0.02, 0.01, 0.01],
        "redshift": 0.3,
    }
    return GammaTheta(**{**content, **changes})


def delta_sigma(**changes):
    content = {
        "radius": RADIUS,
        "values": [2e14, 1e14, 5e13, -1e13],
        "errors": [4e13, 3e13, 1e13, 1e13],
        "redshift": 0.3,
    }
    return DeltaSigma(**{**content, **changes})


FULL_GAMMA = gamma_theta(
    theta=RADIUS / 1000.0,
    covariance=COVARIANCE,
    cross=[0.01, -0.02, 0.0, 1 / 3],
    cross_errors=[0.1, 0.1, 0.1, 0.1],
    n_galaxies=[10, 20, 30, 40.5],
    sources=SourceDistribution([0.5, 1.0, 1.7], [1, 1, 1]),
    kind="shear",
    id="A 2029: #1",
    metadata={"survey": "ours", "list": [1, 2.5, None]},
)
FULL_DELTA = delta_sigma(
    covariance=COVARIANCE * 1e30,
    cross=[1e12, 2e12, 3e12, -1e12 / 3],
    cross_errors=[1e12, 1e12, 1e12, 1e12],
    n_galaxies=[1, 2, 3, 4],
    inverse_critical_surface_density=2.56e-16 / 3,
    boost=[1.3, 1.2, 1.1, 1.0],
    id="17",
)
ALL = [
    gamma_theta(),
    gamma_theta(radius=None, theta=RADIUS / 1000, sources=BetaMoments(0.4, 0.2)),
    gamma_theta(sources=1.0 / 3.0),
    FULL_GAMMA,
    delta_sigma(),
    delta_sigma(errors=None, covariance=COVARIANCE * 1e30),
    FULL_DELTA,
]


def reader_of(profile):
    return load_gamma_theta if isinstance(profile, GammaTheta) else load_delta_sigma


@pytest.mark.parametrize("profile", ALL, ids=repr)
def test_written_and_read_again_is_the_same_bit_for_bit(profile, tmp_path):
    path = tmp_path / "profile.ecsv"
    profile.write(path)
    again = reader_of(profile)(path)
    assert again == profile
    assert again.file == str(path)
    assert os.listdir(tmp_path) == ["profile.ecsv"]


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e20, 1e20), min_size=3, max_size=3),
    steps=st.lists(st.floats(1e-6, 1e3), min_size=3, max_size=3),
    redshift=st.floats(1e-3, 10.0),
)
def test_any_numbers_survive_writing(values, steps, redshift, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / "x.ecsv"
    profile = DeltaSigma(np.cumsum(steps), values, [1.0, 2.0, 3.0], redshift=redshift)
    profile.write(path)
    again = load_delta_sigma(path)
    assert again == profile


@settings(deadline=None)
@given(
    id=st.text(st.characters(codec="utf-8"), max_size=40).filter(str.isprintable),
    metadata=st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=10),
        st.one_of(st.text(st.characters(codec="utf-8"), max_size=200), st.floats(), st.integers()),
    ),
)
def test_any_names_survive_writing(id, metadata, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / "x.ecsv"
    profile = gamma_theta(id=id, metadata=metadata)
    profile.write(path)
    again = load_gamma_theta(path)
    assert again == profile


@pytest.mark.parametrize("profile", ALL, ids=repr)
def test_copies_are_equal_and_read_only(profile):
    for other in (pickle.loads(pickle.dumps(profile)), copy.deepcopy(profile)):
        assert other == profile
        assert other.file == profile.file
        assert not other.values.flags.writeable


@pytest.mark.parametrize("profile", ALL, ids=repr)
def test_nothing_can_be_changed(profile):
    for name in ("radius", "values", "errors", "covariance"):
        array = getattr(profile, name)
        if array is not None:
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 1.0
    with pytest.raises(AttributeError, match="replace"):
        profile.redshift = 1.0
    with pytest.raises(AttributeError, match="immutable"):
        del profile.redshift
    profile.metadata["new"] = 1
    assert "new" not in profile.metadata
    with pytest.raises(TypeError):
        hash(profile)


def test_arguments_are_copied():
    radius = RADIUS.copy()
    profile = gamma_theta(radius=radius)
    radius[0] = 99.0
    assert profile.radius[0] == 0.3


def test_equality_sees_every_field():
    base = FULL_GAMMA
    changes = {
        "values": base.values * 2,
        "errors": base.errors * 2,
        "covariance": None,
        "theta": base.theta * 2,
        "radius": None,
        "cross": None,
        "n_galaxies": None,
        "sources": 1.0,
        "kind": "reduced_shear",
        "id": "other",
        "redshift": 0.4,
        "metadata": {},
    }
    for name, value in changes.items():
        assert base.replace(**{name: value}) != base, name
    assert base.replace(file="elsewhere") == base
    assert base.replace() == base
    assert base != "text"
    with pytest.raises(ParameterError, match=r"Did you mean 'values'\?"):
        base.replace(valeus=1)


@pytest.mark.parametrize("profile", [FULL_GAMMA, FULL_DELTA], ids=repr)
def test_select_cuts_every_array_and_the_covariance(profile):
    cut = profile.select(0.6, 1.0)
    assert cut.radius.tolist() == [0.6, 1.0]
    for name in ("values", "errors", "cross", "cross_errors", "n_galaxies"):
        assert np.array_equal(getattr(cut, name), getattr(profile, name)[1:3])
    assert np.array_equal(cut.covariance, profile.covariance[1:3, 1:3])
    assert cut.id == profile.id
    assert profile.select() == profile
    assert profile.select(r_min=0.5 * u.Mpc, r_max=1000 * u.kpc) == cut
    with pytest.raises(ParameterError, match=r"overlap the data, 0.3 to 2 Mpc"):
        profile.select(5.0, 6.0)


def test_select_by_radius_of_angles_uses_the_cosmology():
    profile = gamma_theta(radius=None, theta=[1.0, 2.0, 4.0, 8.0] * u.arcmin)
    # FlatLambdaCDM(70, 0.3, Tcmb0=0) at z = 0.3: 0.2673 Mpc per arcmin.
    assert profile.projected_radius() == pytest.approx([0.2673, 0.5346, 1.0692, 2.1384], rel=1e-3)
    assert len(profile.select(0.5, 1.1)) == 2
    smaller = FlatLambdaCDM(H0=140.0, Om0=0.3, Tcmb0=0.0)
    assert profile.projected_radius(smaller) == pytest.approx(profile.projected_radius() / 2)
    assert len(profile.select(0.5, 1.1, smaller)) == 2
    assert profile.select(0.5, 1.1, smaller).theta[0] == pytest.approx(4.0 / 60 * np.pi / 180)
    with_radius = profile.with_radius(smaller)
    assert np.array_equal(with_radius.radius, profile.projected_radius(smaller))
    assert np.array_equal(with_radius.theta, profile.theta)


def test_quantities_are_converted():
    profile = delta_sigma(
        radius=RADIUS * 1000 * u.kpc,
        values=[200, 100, 50, -10] * u.Msun / u.pc**2,
        errors=[4, 3, 1, 1] * u.Msun / u.pc**2,
        covariance=COVARIANCE * (u.Msun / u.pc**2) ** 2,
        inverse_critical_surface_density=2.5e-4 * u.pc**2 / u.Msun,
    )
    assert profile.radius == pytest.approx(RADIUS, rel=1e-15)
    assert profile.values == pytest.approx([2e14, 1e14, 5e13, -1e13], rel=1e-15)
    assert profile.covariance == pytest.approx(COVARIANCE * 1e24, rel=1e-15)
    assert profile.inverse_critical_surface_density == pytest.approx(2.5e-16, rel=1e-15)


def test_covariance_and_errors_stand_in_for_each_other():
    assert np.array_equal(gamma_theta().covariance_matrix(), np.diag(gamma_theta().errors ** 2))
    only = gamma_theta(errors=None, covariance=COVARIANCE)
    assert np.array_equal(only.errors, np.sqrt(np.diag(COVARIANCE)))
    both = gamma_theta(covariance=COVARIANCE)
    assert np.array_equal(both.covariance_matrix(), COVARIANCE)
    assert both.errors.tolist() == [0.02, 0.02, 0.01, 0.01]


def test_rounding_asymmetry_of_a_covariance_is_averaged():
    rounded = COVARIANCE.copy()
    rounded[0, 1] *= 1 + 1e-8
    matrix = gamma_theta(covariance=rounded).covariance
    assert np.array_equal(matrix, matrix.T)


def test_short_repr():
    assert repr(gamma_theta(id="A")) == "<GammaTheta 'A': 4 points, 0.3 to 2 Mpc, z = 0.3>"
    assert repr(delta_sigma().select(0.9, 1.0)) == "<DeltaSigma: 1 point, 1 to 1 Mpc, z = 0.3>"
    angles = gamma_theta(radius=None, theta=[1.0, 2.0, 4.0, 8.0] * u.arcmin)
    assert repr(angles) == "<GammaTheta: 4 points, 1 to 8 arcmin, z = 0.3>"


def broken(base, i, value):
    array = np.array(base, dtype=float)
    array[i] = value
    return array


ASYMMETRIC = broken(COVARIANCE, (0, 1), 9e-5)
NOT_POSITIVE = np.array([[1.0, 2, 0, 0], [2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("make", [gamma_theta, delta_sigma])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": broken(np.ones(4), 2, np.nan)}, r"values\[2\] = nan .* finite"),
        ({"values": broken(np.ones(4), 2, 1e200)}, r"values\[2\] = 1e\+200"),
        ({"values": np.ones((2, 2))}, r"values .* one-dimensional"),
        ({"values": []}, r"values .* not empty"),
        ({"values": None}, r"values = None .* given"),
        ({"values": ["a", "b", "c", "d"]}, "values .* real numbers"),
        ({"values": np.ones(4) * 1j}, "values .* real numbers"),
        ({"values": np.ones(4, bool)}, "values .* real numbers"),
        ({"values": np.ma.masked_equal([1.0, 2, 3, 4], 3)}, r"values\[2\] = 'masked'"),
        ({"values": np.ones(4) * u.s}, "values = 'unit s'"),
        ({"radius": broken(RADIUS, 1, 0.3)}, r"radius\[1\] = 0.3 .* increasing"),
        ({"radius": RADIUS[::-1]}, r"radius\[1\] = 1.0 .* increasing"),
        ({"radius": broken(RADIUS, 0, 0.0)}, r"radius\[0\] = 0.0 .* > 0"),
        ({"radius": broken(RADIUS, 3, 1e6)}, r"radius\[3\] = 1000000.0 .* <= 100000"),
        ({"radius": broken(RADIUS, 3, np.inf)}, r"radius\[3\] = inf"),
        ({"radius": RADIUS[:3]}, "radius = 'array of 3' .* of 4 numbers"),
        ({"radius": RADIUS * u.deg}, "radius = 'unit deg' .* Mpc"),
        ({"radius": None}, "radius = None"),
        ({"errors": broken(np.ones(4), 1, -0.1)}, r"errors\[1\] = -0.1 .* > 0"),
        ({"errors": broken(np.ones(4), 1, 0.0)}, r"errors\[1\] = 0.0 .* > 0"),
        ({"errors": broken(np.ones(4), 1, 1e-200)}, r"errors\[1\] = 1e-200"),
        ({"errors": None}, "errors = None .* covariance"),
        ({"covariance": COVARIANCE[:3, :3]}, r"covariance .* of shape \(4, 4\)"),
        ({"covariance": ASYMMETRIC}, r"covariance\[0, 1\] = 9e-05 .* symmetric"),
        ({"covariance": NOT_POSITIVE}, "covariance .* eigenvalue -1.* positive definite"),
        ({"covariance": broken(COVARIANCE, (2, 2), -1)}, r"covariance\[2, 2\] = -1.0 .* > 0"),
        ({"covariance": broken(COVARIANCE, (2, 1), np.nan)}, r"covariance\[2, 1\] = nan"),
        ({"cross": [1.0, np.inf, 1, 1]}, r"cross\[1\] = inf"),
        ({"cross_errors": [1.0, 0.0, 1, 1]}, r"cross_errors\[1\] = 0.0"),
        ({"n_galaxies": [1, 1, -1, 1]}, r"n_galaxies\[2\] = -1.0"),
        ({"redshift": None}, "redshift = None"),
        ({"redshift": 0.0}, "redshift = 0.0 .* > 0"),
        ({"redshift": -0.1}, "redshift = -0.1"),
        ({"redshift": np.nan}, "redshift = nan"),
        ({"redshift": "far"}, "redshift = 'far'"),
        ({"redshift": [0.1, 0.2]}, "redshift"),
        ({"id": "a\nb"}, "id = .* printable"),
        ({"metadata": {"x": object()}}, "metadata .* JSON"),
    ],
)
def test_wrong_content_is_named(make, changes, message):
    with pytest.raises(ParameterError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gamma_theta(kind="sheer"), r"kind = 'sheer' .* Did you mean 'shear'\?"),
        (lambda: gamma_theta(sources=-1.0), "sources = -1.0"),
        (lambda: gamma_theta(theta=RADIUS * 10), r"theta\[1\] = 6.0 .* <= 3.14159"),
        (lambda: delta_sigma(boost=[1, 1, 0, 1]), r"boost\[2\] = 0.0"),
        (
            lambda: delta_sigma(inverse_critical_surface_density=-1.0),
            "inverse_critical_surface_density = -1.0",
        ),
        (lambda: delta_sigma().select(r_min=np.nan), "r_min = nan"),
    ],
)
def test_wrong_content_of_one_kind_is_named(call, message):
    with pytest.raises(ParameterError, match=message):
        call()


def test_failed_write_leaves_the_last_good_file(tmp_path, monkeypatch):
    path = tmp_path / "profile.ecsv"
    FULL_GAMMA.write(path)

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        gamma_theta().write(path)
    assert load_gamma_theta(path) == FULL_GAMMA
    assert os.listdir(tmp_path) == ["profile.ecsv"]


def test_written_files_have_the_usual_permissions(tmp_path):
    path, other = tmp_path / "a.ecsv", tmp_path / "b"
    GammaTheta([0.5], [0.1], [0.01], redshift=0.3).write(path)
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode
