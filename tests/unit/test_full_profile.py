"""The full model of a likelihood against the same put together from profiles by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy import integrate

import clmassmod as clm
from clmassmod.cluster.bin_matrix import BinMatrix
from clmassmod.errors import ConfigError, ParameterError
from clmassmod.profiles.boost import boost_factor

COSMOLOGY = {"H0": 70.0, "Om0": 0.3, "Ob0": 0.045, "sigma8": 0.8, "n_s": 0.96}
FLAT = FlatLambdaCDM(H0=70.0, Om0=0.3, Tcmb0=0.0, Ob0=0.045)
POWER = clm.LinearPower(FLAT, sigma8=0.8, n_s=0.96, cmb_temperature=2.7255)
Z, C = 0.25, 5.0
EDGES = np.geomspace(0.05, 20.0, 11)
LOW, HIGH = EDGES[:-1], EDGES[1:]
R = 2.0 / 3.0 * (HIGH**3 - LOW**3) / (HIGH**2 - LOW**2)
INVERSE = 2.5e-16
FREE = ["mass", "miscentring_fraction", "miscentring_scale", "boost_b0", "boost_rs"]
PRIORS = {
    "miscentring_fraction": {"distribution": "uniform", "low": 0.0, "high": 1.0},
    "miscentring_scale": {"distribution": "uniform", "low": 0.01, "high": 1.0},
    "boost_b0": {"distribution": "uniform", "low": 0.0, "high": 1.0},
    "boost_rs": {"distribution": "uniform", "low": 0.1, "high": 2.0},
}
VALUES = np.array([[2e14, 0.25, 0.12, 0.3, 0.6], [7e14, 0.6, 0.5, 0.1, 1.0]])


def model(**changes):
    return {
        "concentration": C,
        "mass_def": "200m",
        "cosmology": COSMOLOGY,
        "parameters": FREE,
        "priors": PRIORS,
        "miscentring": {"distribution": "gamma"},
        "two_halo": {"combine": "sum"},
        "fit": {"bin_average": True},
        **changes,
    }


def delta_sigma(**changes):
    data = {
        "radius": R,
        "values": np.full(R.size, 1e13),
        "errors": np.full(R.size, 1e12),
        "redshift": Z,
        "radius_min": LOW,
        "radius_max": HIGH,
        "inverse_critical_surface_density": INVERSE,
    }
    return clm.DeltaSigma(**{**data, **changes})


def likelihood(info, data):
    massmod = clm.CLMassMod(info)
    if isinstance(data, clm.DeltaSigma):
        massmod.obs_delta_sigma = data
    else:
        massmod.obs_gamma_theta = data
    return massmod.likelihood()


def total(mass):
    halo = clm.NFW(mass, C, Z, mass_def="200m", cosmology=FLAT)
    return clm.Composite([halo, clm.TwoHalo(mass, Z, POWER, "200m")])


def averaged(function):
    """Mean over the area of each bin, by adaptive quadrature in ln R."""
    result = []
    for low, high in zip(LOW, HIGH, strict=True):
        found = integrate.fixed_quad(
            lambda u: function(np.exp(u)) * np.exp(2 * u), np.log(low), np.log(high), n=12
        )[0]
        result.append(2.0 * found / (high**2 - low**2))
    return np.array(result)


@pytest.mark.parametrize("row", [0, 1])
def test_full_model_of_a_stack(row):
    """Within 3e-6 of `Miscentred` of the sum of profiles, averaged over bins, over the boost.

    The critical surface density is that of a source redshift, here in place of it.
    """
    mass, f, scale, b0, rs = VALUES[row]
    seen = clm.Miscentred(total(mass), clm.GammaOffset(scale), f)
    z_s = 0.8
    inverse = 1.0 / float(clm.critical_surface_density(Z, z_s, FLAT))
    expected = averaged(lambda r: seen.reduced_tangential_shear(r, z_s) / inverse)
    expected /= boost_factor(R, b0, rs)
    one = likelihood(model(), delta_sigma(inverse_critical_surface_density=inverse))
    (found,) = one.predict(VALUES)
    np.testing.assert_allclose(found[row], expected, rtol=3e-6)


def test_shear_of_a_source_distribution_and_rayleigh_offsets():
    """Exact average over n(z) of the reduced shear, at single radii."""
    sources = clm.SourceDistribution.chang2013()
    radius = np.geomspace(0.1, 5.0, 6)
    data = clm.GammaTheta(radius, np.full(6, 0.1), np.full(6, 0.01), redshift=Z, sources=sources)
    info = model(
        miscentring={"distribution": "rayleigh", "fraction": 0.4, "scale": 0.2},
        parameters=["mass"],
        priors={},
        fit={"bin_average": False},
    )
    seen = clm.Miscentred(total(3e14), clm.RayleighOffset(0.2), 0.4)
    (found,) = likelihood(info, data).predict([[3e14]])
    expected = seen.reduced_tangential_shear(radius, sources)
    np.testing.assert_allclose(found[0], expected, rtol=3e-6)


@pytest.mark.parametrize("scale", [0.02, 0.11, 0.9])
def test_bin_matrix_alone(scale):
    """Delta Sigma of profiles of many shapes, within 1e-6 of quadrature: NFW, cored, a galaxy."""
    matrix = BinMatrix(R, None, "gamma")
    profiles = (
        clm.NFW(1e14, 8.0, Z),
        clm.BMO(1e15, 3.0, Z, truncation=3.0),
        clm.Hernquist(1e14, 4.0, Z),
    )
    for profile in profiles:
        values = profile.excess_surface_density(matrix.nodes[0])[None, :]
        found = matrix.seen(values, np.array([0.7]), np.array([scale]), 1)[0]
        expected = clm.Miscentred(profile, clm.GammaOffset(scale), 0.7).excess_surface_density(R)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_effects_off_are_the_plain_model():
    """No offset, no members, no bias: the plain likelihood, to the accuracy of the grid."""
    plain = likelihood({"concentration": C}, delta_sigma())
    values = [[4e14]]
    info = {
        "concentration": C,
        "miscentring": {"distribution": "gamma", "fraction": 0.0, "scale": 0.1},
        "boost": {"b0": 0.0, "r_s": 1.0},
        "two_halo": {"combine": "sum", "bias": 0.0},
        "cosmology": COSMOLOGY,
    }
    found = likelihood(info, delta_sigma()).predict(values)[0]
    np.testing.assert_allclose(found, plain.predict(values)[0], rtol=1e-7)


def test_negative_mass_is_the_opposite_surface_density():
    one = likelihood(model(), delta_sigma(inverse_critical_surface_density=None))
    values = np.repeat(VALUES[:1], 3, axis=0)
    values[1, 0], values[2, 0] = -values[0, 0], 0.0
    (found,) = one.predict(values)
    np.testing.assert_allclose(found[1], -found[0], rtol=1e-14)
    np.testing.assert_array_equal(found[2], 0.0)


def test_same_bits_for_any_batch_and_threads():
    one = likelihood(model(), delta_sigma())
    values = np.repeat(VALUES, 40, axis=0)
    together = one.log_likelihood(values)
    for n_threads in (2, 3, 7):
        np.testing.assert_array_equal(one.log_likelihood(values, n_threads=n_threads), together)
    np.testing.assert_array_equal(one.log_likelihood(VALUES[1:]), together[-1:])
    again = likelihood(model(), delta_sigma())
    np.testing.assert_array_equal(again.log_likelihood(VALUES[::-1]), together[[-1, 0]])


def test_parameters_out_of_range_have_no_likelihood():
    one = likelihood(model(), delta_sigma())
    values = np.repeat(VALUES[:1], 4, axis=0)
    values[1, 1], values[2, 2], values[3, 4] = 1.1, 1e-4, 0.0
    found = one.log_likelihood(values)
    assert np.isfinite(found[0])
    assert np.all(np.isneginf(found[1:]))


def test_sample_likelihood_is_that_of_each():
    massmod = clm.CLMassMod(model())
    massmod.obs_delta_sigma = [delta_sigma(id="a"), delta_sigma(id="b", redshift=0.4)]
    found = massmod.sample_likelihood().log_likelihood(VALUES)
    for i, name in enumerate("ab"):
        np.testing.assert_array_equal(found[i], massmod.likelihood(name).log_likelihood(VALUES))


def test_fit_recovers_its_own_model():
    """Noise-free data of the model: the best fit is the truth; free parameters go by name."""
    parameters = ["mass", "miscentring_fraction", "two_halo_bias"]
    priors = {
        "miscentring_fraction": {"distribution": "uniform", "low": 0.0, "high": 1.0},
        "two_halo_bias": {"distribution": "uniform", "low": 0.0, "high": 20.0},
    }
    info = model(
        parameters=parameters,
        priors=priors,
        miscentring={"distribution": "gamma", "scale": 0.3},
        boost={"b0": 0.3, "r_s": 0.7},
    )
    truth = [[3e14, 0.3, 3.0]]
    values = likelihood(info, delta_sigma()).predict(truth)[0][0]
    massmod = clm.CLMassMod(info)
    massmod.obs_delta_sigma = delta_sigma(values=values, errors=0.05 * values)
    (profile,), _ = massmod.fit_mass_profiles("curvefit")
    assert profile.mass == pytest.approx(3e14, rel=1e-3)
    assert profile.mle["miscentring_fraction"] == pytest.approx(0.3, abs=1e-3)
    assert profile.mle["two_halo_bias"] == pytest.approx(3.0, rel=1e-3)


def test_boost_factor_against_its_formula():
    x = np.array([1e-3, 0.3, 0.999, 1.0, 1.001, 4.0, 300.0])
    with np.errstate(invalid="ignore"):
        below = np.arctanh(np.sqrt(np.abs(1 - x**2))) / np.sqrt(np.abs(1 - x**2))
        above = np.arctan(np.sqrt(np.abs(x**2 - 1))) / np.sqrt(np.abs(x**2 - 1))
        expected = 1.0 + 0.4 * (1.0 - np.where(x < 1, below, above)) / (x**2 - 1.0)
    expected[3] = 1.0 + 0.4 / 3.0
    # the formula itself loses digits near 1, and near 0 in artanh
    np.testing.assert_allclose(boost_factor(0.7 * x, 0.4, 0.7), expected, rtol=1e-11)
    assert boost_factor(x, [0.1, 0.2], [1.0, 2.0]).shape == (2, 7)
    for bad in ((0.0, 0.1, 1.0), (1.0, np.nan, 1.0), (1.0, 0.1, 0.0)):
        with pytest.raises(ParameterError):
            boost_factor(*bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"miscentring": {}}, "miscentring_fraction"),
        ({"miscentring": {"distribution": "gamma", "fraction": 0.2}}, "miscentring_fraction"),
        ({"two_halo": {"bias": 2.0}}, r"combine is missing: bias is given"),
        (
            {
                "parameters": ["mass"],
                "priors": {},
                "miscentring": {"distribution": "gamma", "scale": 0.1},
            },
            "miscentring_fraction",
        ),
        (
            {
                "priors": {
                    **PRIORS,
                    "miscentring_scale": {"distribution": "normal", "mean": 0.2, "sd": 0.1},
                }
            },
            "truncated-normal",
        ),
    ],
)
def test_wrong_models(changes, message):
    with pytest.raises((ParameterError, ConfigError), match=message):
        likelihood(model(**changes), delta_sigma())


def test_model_at_other_radii_is_that_of_single_radii():
    one = likelihood(model(), delta_sigma())
    radius = np.array([0.1, 0.3, 4.0])
    plain = likelihood(model(fit={"bin_average": False}), delta_sigma())
    expected = likelihood(
        model(fit={"bin_average": False}),
        clm.DeltaSigma(
            radius,
            np.ones(3),
            np.ones(3),
            redshift=Z,
            inverse_critical_surface_density=INVERSE,
        ),
    ).predict(VALUES)[0]
    np.testing.assert_allclose(one.predict_at(VALUES, radius), expected, rtol=1e-7)
    np.testing.assert_allclose(plain.predict_at(VALUES, radius), expected, rtol=1e-7)


def test_denser_of_halo_and_two_halo_term():
    """`HaloMatter` in a fit: without offsets, at single radii, the profile itself."""
    info = model(
        parameters=["mass"],
        priors={},
        miscentring={},
        two_halo={"combine": "max"},
        fit={"bin_average": False},
    )
    z_s = 0.8
    inverse = 1.0 / float(clm.critical_surface_density(Z, z_s, FLAT))
    data = delta_sigma(inverse_critical_surface_density=inverse)
    (found,) = likelihood(info, data).predict([[3e14], [8e14]])
    for mass, row in zip((3e14, 8e14), found, strict=True):
        halo = clm.NFW(mass, C, Z, mass_def="200m", cosmology=FLAT)
        both = clm.HaloMatter(halo, clm.TwoHalo(mass, Z, POWER, "200m"))
        expected = both.reduced_tangential_shear(R, z_s) / inverse
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_edges_survive_a_file(tmp_path):
    """Written and read bit for bit, cut with the points, in comoving units as the radius."""
    data = delta_sigma()
    data.write(tmp_path / "stack.ecsv")
    assert clm.utils.load_delta_sigma(tmp_path / "stack.ecsv") == data.replace(id="")
    cut = data.select(r_min=1.0)
    np.testing.assert_array_equal(cut.radius_min, LOW[R >= 1.0])
    table = data.to_table()
    del table.meta["clmassmod"]
    table.write(tmp_path / "plain.csv", format="ascii.csv")
    plain = clm.utils.load_delta_sigma(
        tmp_path / "plain.csv",
        redshift=Z,
        units={"radius": "Mpc", "values": "Msun / Mpc2"},
        comoving=True,
    )
    np.testing.assert_allclose(plain.radius_max, HIGH / (1 + Z), rtol=1e-14)


def test_wrong_data():
    with pytest.raises(ParameterError, match="radius_min"):
        likelihood(model(), delta_sigma(radius_min=None, radius_max=None))
    with pytest.raises(ParameterError, match="boost"):
        likelihood(model(), delta_sigma(boost=np.ones(R.size)))
    with pytest.raises(ParameterError, match="between radius_min"):
        delta_sigma(radius=R * 1.5)
    with pytest.raises(ParameterError, match="both"):
        delta_sigma(radius_max=None)


def test_bias_of_the_mass_on_its_spline():
    """Within 1e-6 of Tinker et al. (2010) itself."""
    from clmassmod.cluster.effects import _bias_of_mass

    mass = np.geomspace(1e10, 9e15, 57)
    found = _bias_of_mass(Z, POWER, "200m")(mass)
    np.testing.assert_allclose(found, POWER.halo_bias(mass, Z, "200m"), rtol=1e-6)
