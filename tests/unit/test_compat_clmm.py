"""The CLMM-shaped door against numbers of CLMM, which is not needed to run these tests.

All numbers: CLMM 1.16.10 with pyccl 3.3.6, by the call of the same name and arguments with

    clmm.Cosmology(be_cosmo=pyccl.Cosmology(
        Omega_c=0.25, Omega_b=0.05, h=0.7, sigma8=0.8, n_s=0.96, T_CMB=2.7255, Neff=3.046,
        m_nu=0.0, transfer_function="eisenstein_hu", matter_power_spectrum="linear"))

and 12 digits printed. CCL's distances agree with ours to 4e-9 at z = 1.5, 2e-8 at z = 1000.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from clmassmod.compat import clmm
from clmassmod.cosmology import inverse_critical_surface_density
from clmassmod.errors import NumericalError, ParameterError

COSMO = FlatLambdaCDM(H0=70.0, Om0=0.3, Ob0=0.05, Tcmb0=2.7255, Neff=3.046)
R = np.array([0.1, 0.7, 3.0])
HALO = (6e14, 4.5, 0.4)
# the digits printed; the closed forms agree to 1e-12, Hernquist beyond r_s to 1e-11
CLOSED = 2e-11
# distances, their error enhanced in 1 / (1 - kappa) and in mu
LENSING = 1e-7


def n_of_z(z):
    return z**2 * np.exp(-((z / 0.5) ** 1.5))


DENSITIES = {
    ("compute_3d_density", "nfw", "mean", 200): (
        2.05016104956e15,
        6.21594282238e13,
        1.54154222707e12,
    ),
    ("compute_surface_density", "nfw", "mean", 200): (
        7.7979786641e14,
        1.05713767831e14,
        9.77199909009e12,
    ),
    ("compute_mean_surface_density", "nfw", "mean", 200): (
        1.06391590841e15,
        2.29372662938e14,
        3.56602015965e13,
    ),
    ("compute_excess_surface_density", "nfw", "mean", 200): (
        2.84118042001e14,
        1.23658895107e14,
        2.58882025064e13,
    ),
    ("compute_excess_surface_density", "nfw", "critical", 500): (
        7.12263512254e14,
        2.16876009417e14,
        3.55052414219e13,
    ),
    ("compute_excess_surface_density", "nfw", "virial", 200): (
        3.20928049682e14,
        1.33774993468e14,
        2.70654617455e13,
    ),
    ("compute_3d_density", "hernquist", "mean", 200): (
        4.37085315479e15,
        6.10511410081e13,
        493603254642.0,
    ),
    ("compute_surface_density", "hernquist", "critical", 500): (
        2.25890390068e15,
        7.46886740189e13,
        1.67878149615e12,
    ),
    ("compute_mean_surface_density", "hernquist", "virial", 200): (
        2.25271219139e15,
        2.90876088975e14,
        2.62015237269e13,
    ),
    ("compute_excess_surface_density", "hernquist", "virial", 200): (
        7.82331279536e14,
        2.08723428459e14,
        2.38474858844e13,
    ),
}


@pytest.mark.parametrize("call", DENSITIES, ids=lambda call: "-".join(map(str, call)))
def test_densities(call):
    name, profile, massdef, delta = call
    values = getattr(clmm, name)(R, *HALO, COSMO, delta, profile, massdef)
    np.testing.assert_allclose(values, DENSITIES[call], rtol=CLOSED)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        # one source is in front
        ("tangential_shear", {}, (0.0, 0.0365406107956, 0.0111178888143)),
        ("convergence", {}, (0.0, 0.0312379116981, 0.00419666059667)),
        ("reduced_tangential_shear", {}, (0.0, 0.0377188695107, 0.0111647434532)),
        ("magnification", {}, (1.0, 1.0670482232, 1.00857217431)),
    ],
)
def test_lensing_of_source_redshifts(name, arguments, expected):
    function = getattr(clmm, f"compute_{name}")
    values = function(R, *HALO, np.array([0.3, 0.8, 1.5]), COSMO, **arguments)
    np.testing.assert_allclose(values, expected, rtol=LENSING)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("tangential_shear", {}, (0.100643324789, 0.0438037734447, 0.0091703953565)),
        ("convergence", {}, (0.276228321814, 0.0374470589605, 0.0034615417991)),
        (
            "reduced_tangential_shear",
            {"approx": "order1"},
            (0.139053969398, 0.0455079108661, 0.00920224932719),
        ),
        (
            "reduced_tangential_shear",
            {"approx": "order2"},
            (0.143321818799, 0.0456972594685, 0.00920578865727),
        ),
        ("magnification", {"approx": "order1"}, (1.55245664363, 1.07489411792, 1.0069230836)),
        ("magnification", {"approx": "order2"}, (1.81805146156, 1.0817003593, 1.00705646467)),
    ],
)
def test_lensing_of_beta(name, arguments, expected):
    function = getattr(clmm, f"compute_{name}")
    values = function(R, *HALO, (0.6, 0.4), COSMO, z_src_info="beta", **arguments)
    np.testing.assert_allclose(values, expected, rtol=LENSING)


@pytest.mark.parametrize(
    ("name", "limits", "expected"),
    [
        ("reduced_tangential_shear", None, (0.114395698908, 0.038286460233, 0.00776505223359)),
        (
            "reduced_tangential_shear",
            {"zmin": 0.6, "zmax": 2.0},
            (0.125315358701, 0.0414923209417, 0.00840409248349),
        ),
        ("magnification", None, (1.76890773542, 1.06834584337, 1.00593718522)),
        (
            "magnification",
            {"zmin": 0.6, "zmax": 2.0},
            (1.84861435682, 1.07420196033, 1.00642920604),
        ),
    ],
)
def test_lensing_of_a_distribution(name, limits, expected):
    function = getattr(clmm, f"compute_{name}")
    values = function(R, *HALO, n_of_z, COSMO, z_src_info="distribution", integ_kwargs=limits)
    np.testing.assert_allclose(values, expected, rtol=LENSING)


def test_magnification_bias():
    bias = clmm.compute_magnification_bias(R, np.array([1.5, 0.4]), *HALO, 1.0, COSMO)
    expected = [
        (1.39393386052, 1.03988604439, 1.00350808592),
        (0.671288795809, 0.954150978813, 0.995806481135),
    ]
    np.testing.assert_allclose(bias, expected, rtol=LENSING)
    over_n_of_z = clmm.compute_magnification_bias(
        R, 2.5, *HALO, n_of_z, COSMO, z_src_info="distribution"
    )
    np.testing.assert_allclose(
        over_n_of_z, (2.3822068482, 1.10440932875, 1.00892009934), rtol=LENSING
    )


@pytest.mark.parametrize(
    ("approx", "expected"),
    [
        ("order1", (1.27622832181, 1.03744705896, 1.0034615418)),
        ("order2", (1.36663568313, 1.04007113397, 1.00352157552)),
    ],
)
def test_expanded_magnification_bias(approx, expected):
    arguments = {"z_src_info": "beta", "approx": approx}
    bias = clmm.compute_magnification_bias(R, 1.5, *HALO, (0.6, 0.4), COSMO, **arguments)
    np.testing.assert_allclose(bias, expected, rtol=LENSING)
    both = clmm.compute_magnification_bias(R, [1.5, 2.0], *HALO, (0.6, 0.4), COSMO, **arguments)
    np.testing.assert_allclose(both[0], bias, rtol=1e-14)
    magnification = clmm.compute_magnification(R, *HALO, (0.6, 0.4), COSMO, **arguments)
    np.testing.assert_allclose(both[1], magnification, rtol=1e-14)


EINASTO = {
    # CLMM projects Einasto by a Hankel transform, here with R within 400 radii from 0.05 to
    # 5 Mpc: good to 1e-5. Its default slope stands on an interpolated sigma(M) and
    # delta_c = 1.686: 6e-5 to 5e-4 in alpha, which is up to 1e-3 at 3 Mpc.
    ("compute_3d_density", 0.2): (2.21262497079e15, 6.14624748218e13, 1.43786384727e12),
    ("compute_mean_surface_density", 0.2): (1.13754972217e15, 2.27761167555e14, 3.40950248763e13),
    ("compute_excess_surface_density", 0.2): (
        3.36813766107e14,
        1.23824440985e14,
        2.59618009752e13,
    ),
    ("compute_3d_density", None): (2.14774307589e15, 6.35291021441e13, 1.17206234281e12),
    ("compute_surface_density", None): (8.03130760271e14, 1.02928987446e14, 6.09665788392e12),
    ("compute_excess_surface_density", None): (
        2.92477483672e14,
        1.27484584979e14,
        2.55795992768e13,
    ),
}


@pytest.mark.parametrize("call", EINASTO, ids=lambda call: "-".join(map(str, call)))
def test_einasto(call):
    name, slope = call
    values = getattr(clmm, name)(R, *HALO, COSMO, halo_profile_model="einasto", alpha_ein=slope)
    np.testing.assert_allclose(values, EINASTO[call], rtol=1e-3 if slope is None else 2e-5)


def test_slope_reaches_the_surface_density():
    # CLMM's compute_surface_density drops alpha_ein (it returns the numbers of the default
    # slope above); its compute_convergence does not. kappa of alpha = 0.2 at z_src = 1:
    arguments = {"halo_profile_model": "einasto", "alpha_ein": 0.2}
    kappa = clmm.compute_convergence(R, *HALO, 1.0, COSMO, **arguments)
    np.testing.assert_allclose(
        kappa, (0.283012146217, 0.0367354005206, 0.00287460695937), rtol=2e-5
    )
    sigma = clmm.compute_surface_density(R, *HALO, COSMO, **arguments)
    np.testing.assert_allclose(sigma / sigma[0], kappa / kappa[0], rtol=1e-13)


def test_masses_and_radii():
    # CLMM rounds its constants in rho_crit to 1.5e-10
    arguments = {"rtol": 1e-9}
    np.testing.assert_allclose(clmm.compute_rdelta(6e14, 0.4, COSMO), 1.85639461158, **arguments)
    np.testing.assert_allclose(
        clmm.compute_rdelta(6e14, 0.4, COSMO, "critical", 500), 1.11408086841, **arguments
    )
    for name, slope, tolerance, expected in (
        ("nfw", None, 1e-9, (1.48480190883e13, 2.45588735599e14, 8.34985393162e14)),
        ("hernquist", None, 1e-9, (3.41200296497e13, 3.54831814969e14, 6.92692701255e14)),
        # the rtol of our tables
        ("einasto", 0.2, 1e-6, (1.68797197156e13, 2.45390619352e14, 8.2764011236e14)),
    ):
        mass = clmm.compute_profile_mass_in_radius(
            R, 0.4, COSMO, 6e14, 4.5, "mean", 200, name, slope
        )
        np.testing.assert_allclose(mass, expected, rtol=tolerance)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("mean", 200, "nfw", "critical", 500, None, None, None),
            (3.20689731553e14, 2.19164494886),
        ),
        (
            ("mean", 200, "nfw", "critical", 200, "einasto", None, 0.2),
            (4.80064816526e14, 3.41547648717),
        ),
        (
            ("critical", 500, "hernquist", "mean", 200, "nfw", None, None),
            (7.06564080505e14, 102.649858136),
        ),
        (
            ("mean", 200, "einasto", "critical", 200, "einasto", 0.2, 0.3),
            (4.79825855432e14, 2.69284074205),
        ),
        (
            ("mean", 200, "einasto", "critical", 500, None, 0.2, None),
            (3.19661675119e14, 2.1893004744),
        ),
    ],
)
def test_conversion(arguments, expected):
    # the rtol of our tables, enhanced in the concentration
    result = clmm.convert_profile_mass_concentration(6e14, 4.5, 0.4, COSMO, *arguments)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_effective_critical_surface_density():
    z = np.linspace(0.0, 3.0, 301)
    pdf = np.exp(-0.5 * ((z - np.array([0.5, 1.0, 2.0])[:, None]) / 0.1) ** 2)
    values = clmm.compute_critical_surface_density_eff(COSMO, 0.4, z, pdf)
    # CLMM's sum over a grid of step 0.005, with the kink of beta at the lens
    expected = (8.81627089821e15, 2.8490545136e15, 2.14364624273e15)
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    fine = np.linspace(0.0, 3.0, 300_001)
    inverse = inverse_critical_surface_density(0.4, fine, COSMO)
    for row, value in zip(pdf, values, strict=True):
        weight = np.interp(fine, z, row)
        # a sum of step 1e-5, at the kink with an error of step^2 times about 10
        assert value == pytest.approx(weight.sum() / (weight @ inverse), rel=1e-8)
    each = clmm.compute_critical_surface_density_eff(COSMO, 0.4, np.tile(z, (3, 1)), pdf)
    np.testing.assert_allclose(each, values, rtol=1e-14)
    one = clmm.compute_critical_surface_density_eff(COSMO, 0.4, z, pdf[1])
    assert np.ndim(one) == 0
    assert one == pytest.approx(values[1], rel=1e-14)


def test_narrow_distribution_is_its_redshift():
    # by CLMM 28 % above for sigma_z = 0.002 at z = 1, narrower than the step of its grid
    z = np.linspace(0.0, 3.0, 6001)
    pdf = np.exp(-0.5 * ((z - 1.0) / 0.002) ** 2)
    mean = clmm.compute_critical_surface_density_eff(COSMO, 0.3, z, pdf)
    # CLMM's cosmology at z = 0.3, 1: eval_sigma_crit; sigma_z^2 d2/dz2 is 4e-6
    assert mean == pytest.approx(2834946519190424.0, rel=1e-5)


def test_sources_in_front_alone():
    z = np.linspace(0.0, 0.3, 31)
    assert clmm.compute_critical_surface_density_eff(COSMO, 0.4, z, np.ones(31)) == np.inf


def test_neutrinos_by_the_recipe_of_the_documentation():
    # clmm.Cosmology(H0=70.0, Omega_dm0=0.25, Omega_b0=0.05), with its Omega_m0 and 0.06 eV
    cosmo = FlatLambdaCDM(70.0, 0.30131469550759454, Ob0=0.05, Tcmb0=2.7255, Neff=2.0307)
    excess = clmm.compute_excess_surface_density(R, *HALO, cosmo)
    expected = (2.84886305285e14, 1.23876382558e14, 2.5913982716e13)
    # the pressure of neutrinos
    np.testing.assert_allclose(excess, expected, rtol=1e-6)
    shear = clmm.compute_tangential_shear(R, *HALO, 1.0, cosmo)
    np.testing.assert_allclose(
        shear, (0.100617638502, 0.0437513100768, 0.00915243624103), rtol=1e-6
    )


def test_virial_is_one_definition_everywhere():
    radius = clmm.compute_rdelta(6e14, 0.4, COSMO, "virial")
    inside = clmm.compute_profile_mass_in_radius(radius, 0.4, COSMO, 6e14, 4.5, "virial")
    assert inside == pytest.approx(6e14, rel=1e-12)
    mass, concentration = clmm.convert_profile_mass_concentration(
        6e14, 4.5, 0.4, COSMO, "virial", 200, "nfw", "mean", 200
    )
    shear = clmm.compute_excess_surface_density(R, mass, concentration, 0.4, COSMO)
    expected = DENSITIES["compute_excess_surface_density", "nfw", "virial", 200]
    np.testing.assert_allclose(shear, expected, rtol=CLOSED)


def test_foreground_dilutes():
    # a fifth of the sources in front: by CLMM NaN
    def uniform(z):
        return 1.0

    arguments = {"z_src_info": "distribution"}
    behind = clmm.compute_reduced_tangential_shear(
        R, *HALO, uniform, COSMO, integ_kwargs={"zmin": 0.4, "zmax": 1.2}, **arguments
    )
    with_front = clmm.compute_reduced_tangential_shear(
        R, *HALO, uniform, COSMO, integ_kwargs={"zmin": 0.2, "zmax": 1.2}, **arguments
    )
    np.testing.assert_allclose(with_front, 0.8 * behind, rtol=1e-7)


def test_shear_over_a_distribution():
    # not offered by CLMM, where it raises KeyError: the weak limit of the reduced shear
    arguments = {"z_src_info": "distribution"}
    light = 1e8, 4.5, 0.4
    shear = clmm.compute_tangential_shear(R, *light, n_of_z, COSMO, **arguments)
    reduced = clmm.compute_reduced_tangential_shear(R, *light, n_of_z, COSMO, **arguments)
    np.testing.assert_allclose(shear, reduced, rtol=1e-4)
    assert np.all(clmm.compute_convergence(R, *light, n_of_z, COSMO, **arguments) > 0.0)


def test_helpers_elementwise():
    assert clmm.compute_reduced_shear_from_convergence(0.2, 0.5) == pytest.approx(0.4)
    bias = clmm.compute_magnification_bias_from_magnification([1.1, -1.1], 2.5)
    assert bias[0] == pytest.approx(1.1**1.5)
    assert np.isnan(bias[1])


def test_default_cosmology_and_many_haloes():
    mass = np.array([2e14, 6e14])
    both = clmm.compute_reduced_tangential_shear(R, mass, 4.5, 0.4, 1.0, None)
    for row, m in zip(both, mass, strict=True):
        alone = clmm.compute_reduced_tangential_shear(R, m, 4.5, 0.4, 1.0, None)
        np.testing.assert_array_equal(row, alone)
    assert np.ndim(clmm.compute_3d_density(0.5, *HALO, None)) == 0


def test_names_are_not_case_sensitive():
    first = clmm.compute_3d_density(R, *HALO, COSMO, 200, "NFW", "Critical")
    second = clmm.compute_3d_density(R, *HALO, COSMO, 200, "nfw", "critical")
    np.testing.assert_array_equal(first, second)


class CosmologyOfAnotherPackage:
    """Stands for CLMM's, which is not a cosmology of astropy."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cosmo": CosmologyOfAnotherPackage()}, r"cosmo = .*astropy cosmology.*Omega_m0"),
        ({"massdef": "crit"}, "Did you mean 'critical'"),
        ({"halo_profile_model": "einsto"}, "Did you mean 'einasto'"),
        ({"delta_mdef": -200}, "delta = -200"),
        ({"alpha_ein": 0.2}, "alpha_ein = 0.2"),
        ({"halo_profile_model": "einasto", "cosmo": None}, "alpha_ein = None.*Ob0"),
        ({"mdelta": -1.0}, "mass = -1.0"),
        ({"r_proj": -1.0}, "radius = -1.0"),
        ({"z_src_info": "photoz"}, "z_src_info = 'photoz'"),
        ({"approx": "order3"}, "approx = 'order3'"),
        ({"approx": "order1"}, "z_src_info = 'discrete'"),
        ({"z_src_info": "beta"}, "z_src_info = 'beta'"),
        ({"approx": "order1", "z_src_info": "beta", "z_src": 0.5}, "z_src = 0.5.*beta_s"),
        ({"approx": "order1", "z_src_info": "beta", "z_src": (0.5, -1.0)}, r"z_src\[1\]"),
        ({"z_src_info": "distribution"}, "z_src = 1.0.*function"),
        (
            {"z_src_info": "distribution", "z_src": n_of_z, "integ_kwargs": {"z_max": 2.0}},
            "integ_kwargs = 'z_max'",
        ),
        (
            {"z_src_info": "distribution", "z_src": n_of_z, "z_cluster": [0.3, 0.4]},
            r"z_cluster\.shape",
        ),
    ],
)
def test_errors(change, words):
    arguments = {"r_proj": R, "mdelta": 6e14, "cdelta": 4.5, "z_cluster": 0.4, "z_src": 1.0}
    with pytest.raises(ParameterError, match=words):
        clmm.compute_reduced_tangential_shear(**{"cosmo": COSMO, **arguments, **change})


def test_sources_of_the_shear():
    with pytest.raises(ParameterError, match="z_src_info = 'photoz'"):
        clmm.compute_tangential_shear(R, *HALO, 1.0, COSMO, z_src_info="photoz")


MISCENTRED = {
    ("surface", "nfw"): (5.98158919e14, 1.07707296e14, 9.79100732e12),
    ("surface", "hernquist"): (9.86293197e14, 8.60401910e13, 2.47614727e12),
    ("mean_surface", "nfw"): (5.88047797e14, 2.25918679e14, 3.56380773e13),
    ("mean_surface", "hernquist"): (9.50264942e14, 2.76059510e14, 2.58753075e13),
    ("excess_surface", "nfw"): (-1.01111218e13, 1.18211383e14, 2.58470700e13),
    ("excess_surface", "hernquist"): (-3.60282553e13, 1.90019319e14, 2.33991602e13),
}


@pytest.mark.parametrize(("kind", "model"), MISCENTRED)
def test_miscentring(kind, model):
    """Nine digits printed, for an offset of 0.15 Mpc; none is the centred profile."""
    function = getattr(clmm, f"compute_{kind}_density")
    found = function(R, *HALO, COSMO, halo_profile_model=model, r_mis=0.15)
    np.testing.assert_allclose(found, MISCENTRED[kind, model], rtol=2e-8)
    centred = function(R, *HALO, COSMO, halo_profile_model=model)
    zero = function(R, *HALO, COSMO, halo_profile_model=model, r_mis=0.0)
    np.testing.assert_array_equal(zero, centred)


def test_errors_of_conversions():
    convert = clmm.convert_profile_mass_concentration
    with pytest.raises(ParameterError, match="another mass definition"):
        convert(6e14, 4.5, 0.4, COSMO, "mean", 200, "nfw", halo_profile_model2="hernquist")
    with pytest.raises(ParameterError, match="alpha = None"):
        convert(6e14, 4.5, 0.4, COSMO, "mean", 200, "einasto", "critical")
    with pytest.raises(ParameterError, match="alpha2 = None"):
        convert(6e14, 4.5, 0.4, COSMO, "mean", 200, "nfw", "critical", None, "einasto")
    with pytest.raises(ParameterError, match=r"mdelta\.shape"):
        convert([6e14, 1e15], 4.5, 0.4, COSMO, "mean", 200, "nfw", "critical", None, "hernquist")
    # an Einasto halo all of whose mass lies inside both radii; NFW grows without end
    with pytest.raises(NumericalError, match="no concentration"):
        convert(6e14, 50.0, 0.4, COSMO, "critical", 500, "einasto", "mean", 50, "nfw", 2.0)
    with pytest.raises(ParameterError, match="alpha = None"):
        clmm.compute_profile_mass_in_radius(R, 0.4, COSMO, 6e14, 4.5, halo_profile_model="einasto")


@pytest.mark.parametrize(
    ("bins", "pdf", "words"),
    [
        ([0.0, 2.0, 1.0], [1.0, 1.0, 1.0], "pzbins"),
        ([0.0, 1.0, 2.0], [1.0, 1.0], r"pzpdf\.shape"),
        ([0.0, 1.0, 2.0], [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], r"pzpdf.*row 1"),
    ],
)
def test_errors_of_photometric_redshifts(bins, pdf, words):
    with pytest.raises(ParameterError, match=words):
        clmm.compute_critical_surface_density_eff(COSMO, 0.4, bins, pdf)


def test_arguments_have_the_order_and_defaults_of_clmm():
    # of all functions: tests/validation/test_peers_clmm.py
    given = inspect.signature(clmm.compute_reduced_tangential_shear).parameters.values()
    assert {p.name: p.default for p in given if p.default is not p.empty} == {
        "delta_mdef": 200,
        "halo_profile_model": "nfw",
        "massdef": "mean",
        "z_src_info": "discrete",
        "approx": None,
        "integ_kwargs": None,
        "alpha_ein": None,
        "validate_input": True,
        "verbose": False,
    }
    names = "r_proj mdelta cdelta z_cluster z_src cosmo"
    assert [p.name for p in given if p.default is p.empty] == names.split()
