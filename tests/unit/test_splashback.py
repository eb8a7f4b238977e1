"""DK14 and Diemer23: their published form, their normalisation, and another code's numbers."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

import clmassmod as clm
from clmassmod.cosmology import mean_matter_density
from clmassmod.errors import ParameterError
from clmassmod.power import LinearPower

RADII = np.array([0.1, 0.5, 1.0, 2.0, 5.0])
PEAK_HEIGHT = 2.8848003609680344

# colossus 1.4.0, flat, H0 = 70, Om0 = 0.3, Ob0 = 0.045, sigma8 = 0.8, ns = 0.96, no neutrinos or
# photons; compositeProfile(name, outer_names=..., M=5e14 * 0.7, c=4, z=0.3, mdef="200m", ...) with
# "pl" (norm=1, slope=1.5, max_rho=1000) or "infalling" (pl_delta_1=10, pl_s=1.5), and
# selected_by="Gamma", Gamma=2 for the second of each: density and deltaSigma without h at RADII.
COLOSSUS = {
    ("DK14", None): (
        [1591222054e6, 108412217700000.0, 23714104280000.0, 2917667735000.0, 231658781900.0],
        [211793800000000.0, 124154200000000.0, 75238250000000.0, 36990720000000.0, 8552805000000.0],
    ),
    ("DK14", 2.0): (
        [1524850919e6, 104308998000000.0, 23526157060000.0, 3260396745000.0, 236490523700.0],
        [202827200000000.0, 118888200000000.0, 72024050000000.0, 36651730000000.0, 8838288000000.0],
    ),
    ("Diemer23", None): (
        [1775581318e6, 108720639700000.0, 23538932660000.0, 2764535463000.0, 206819498300.0],
        [273966800000000.0, 130650300000000.0, 77057310000000.0, 37203350000000.0, 8306856000000.0],
    ),
    ("Diemer23", 2.0): (
        [1636524705e6, 101315471200000.0, 23117883350000.0, 3766386533000.0, 209470622500.0],
        [252373800000000.0, 120306100000000.0, 71088250000000.0, 35944330000000.0, 9425726000000.0],
    ),
}


def make(name, **options):
    return getattr(clm, name)(5e14, 4.0, 0.3, mass_def="200m", **options)


@pytest.mark.parametrize(("name", "rate"), COLOSSUS)
def test_colossus(name, rate):
    halo = make(name, peak_height=PEAK_HEIGHT, accretion_rate=rate, rtol=1e-8)
    density, excess = COLOSSUS[name, rate]
    # the densities are given to 10 digits
    np.testing.assert_allclose(halo.density(RADII), density, rtol=1e-9)
    # its integral along the line of sight is finite, and good to some 1e-5
    np.testing.assert_allclose(halo.excess_surface_density(RADII), excess, rtol=2e-5)


def dk14_density(halo, r, nu, rate):
    """Eq. 4 of Diemer & Kravtsov (2014) without the mean density, and its relations."""
    alpha = 0.155 + 0.0095 * nu**2
    if rate is None:
        beta, gamma, r_t = 4.0, 8.0, 1.9 - 0.18 * nu
    else:
        beta, gamma = 6.0, 4.0
        r_t = 0.43 * (1 + 0.92 * halo.cosmology.Om(0.3)) * (1 + 2.18 * np.exp(-rate / 1.91))
    r_t = r_t * halo.radius_200m
    einasto = np.exp(-2.0 / alpha * ((r / halo.scale_radius) ** alpha - 1.0))
    steep = (1.0 + (r / r_t) ** beta) ** (-gamma / beta)
    outer = mean_matter_density(0.3) * (r / (5.0 * halo.radius_200m)) ** -1.5
    return halo.scale_density * einasto * steep + outer


@pytest.mark.parametrize("rate", [None, 2.0])
@pytest.mark.parametrize("mass_def", ["200m", "200c", "500c", "vir"])
def test_published_form(mass_def, rate):
    halo = clm.DK14(
        5e14,
        4.0,
        0.3,
        None,
        mass_def,
        peak_height=2.5,
        accretion_rate=rate,
        infall_maximum=np.inf,
    )
    expected = dk14_density(halo, RADII, 2.5, rate)
    np.testing.assert_allclose(halo.density(RADII), expected, rtol=1e-13)


@pytest.mark.parametrize("mean_density", [False, True])
@pytest.mark.parametrize("mass_def", ["200m", "200c", "500c", "2500c", "vir"])
@pytest.mark.parametrize("name", ["DK14", "Diemer23"])
def test_masses_of_both_definitions(name, mass_def, mean_density):
    halo = getattr(clm, name)(
        np.array([1e13, 5e14, 3e15]),
        4.0,
        0.3,
        None,
        mass_def,
        peak_height=np.array([1.2, 2.9, 5.0]),
        mean_density=mean_density,
        tabulate=False,
    )
    background = mean_matter_density(0.3) * 4.0 * np.pi / 3.0 * mean_density
    radius = halo.mass_def.radius(halo.mass, 0.3, halo.cosmology)
    inside = np.diag(halo.enclosed_mass(radius)) + background * radius**3
    np.testing.assert_allclose(inside, halo.mass, rtol=1e-12)
    radius = halo.radius_200m
    inside = np.diag(halo.enclosed_mass(radius)) + background * radius**3
    expected = 200.0 * mean_matter_density(0.3) * 4.0 * np.pi / 3.0 * radius**3
    np.testing.assert_allclose(inside, expected, rtol=1e-12)


def test_peak_height_from_power():
    cosmology = FlatLambdaCDM(H0=70.0, Om0=0.3, Ob0=0.045, Tcmb0=0.0)
    power = LinearPower(cosmology, sigma8=0.8, n_s=0.96, cmb_temperature=2.7255)
    for name in ("DK14", "Diemer23"):
        kind = getattr(clm, name)
        halo = kind(5e14, 4.0, 0.3, power, "200c", cosmology)
        mass = 800.0 * np.pi / 3.0 * mean_matter_density(0.3, cosmology) * halo.radius_200m**3
        nu = float(power.peak_height(mass, 0.3))
        same = kind(5e14, 4.0, 0.3, None, "200c", cosmology, peak_height=nu)
        # R_200m is solved for to 1e-13, and nu is a spline of it
        np.testing.assert_allclose(
            halo.excess_surface_density(RADII), same.excess_surface_density(RADII), rtol=1e-10
        )
        with pytest.raises(ParameterError, match=r"power\.cosmology"):
            kind(5e14, 4.0, 0.3, power)
        with pytest.raises(ParameterError, match="peak_height"):
            kind(5e14, 4.0, 0.3, power, cosmology=cosmology, peak_height=2.0)


def test_shape_must_be_known():
    for name in ("DK14", "Diemer23"):
        with pytest.raises(ParameterError, match="power"):
            getattr(clm, name)(5e14, 4.0, 0.3)
        with pytest.raises(ParameterError, match="truncation"):
            getattr(clm, name)(5e14, 4.0, 0.3, peak_height=12.0)
    with pytest.raises(ParameterError, match="power"):
        clm.DK14(5e14, 4.0, 0.3, accretion_rate=2.0)


@pytest.mark.parametrize("name", ["DK14", "Diemer23"])
def test_infalling_matter_is_extra(name):
    with_it = make(name, peak_height=2.0)
    without = make(name, peak_height=2.0, infall_norm=0.0)
    assert without.density(10.0) < 1e-3 * with_it.density(10.0)
    assert abs(without.enclosed_mass(without.radius_200m) / 5e14 - 1.0) < 1e-6
    with pytest.raises(ParameterError, match="infalling"):
        make(name, peak_height=2.0, infall_norm=1e4, infall_maximum=1e5)


def test_many_shapes_agree_with_each_alone():
    nu = np.linspace(1.0, 4.0, 12)
    many = make("DK14", peak_height=nu)
    values = many.excess_surface_density(RADII)
    for row, height in enumerate(nu):
        alone = make("DK14", peak_height=height, tabulate=False)
        np.testing.assert_array_equal(values[row], alone.excess_surface_density(RADII))


@pytest.mark.parametrize("beta", [1.0, 3.0, 8.0, 15.0])
def test_sharp_truncations(beta):
    """Projection of the package's density by a quadrature of its own, 40 points per 0.05."""
    halo = make("Diemer23", accretion_rate=2.0, beta=beta, tabulate=False)
    node, weight = np.polynomial.legendre.leggauss(40)
    edges = np.concatenate([np.linspace(0.0, 8.0, 161), np.linspace(8.0, 70.0, 125)[1:]])
    half = 0.5 * np.diff(edges)[:, None]
    u = edges[:-1, None] + half * (node + 1.0)
    for R in RADII:
        r = R * np.cosh(u)
        expected = np.sum(half * weight * 2.0 * r * halo.density(r.ravel()).reshape(r.shape))
        assert abs(halo.surface_density(R) / expected - 1.0) < 1e-11


@pytest.mark.peers
@pytest.mark.parametrize(("name", "rate"), COLOSSUS)
def test_live_colossus(name, rate):
    pytest.importorskip("colossus")
    from colossus.cosmology import cosmology
    from colossus.halo import profile_composite

    names = {"DK14": ("dk14", "pl"), "Diemer23": ("diemer23", "infalling")}
    outer = {
        "DK14": {"norm": 1.0, "slope": 1.5, "max_rho": 1000.0},
        "Diemer23": {"pl_delta_1": 10.0, "pl_s": 1.5},
    }
    parameters = {"flat": True, "H0": 70.0, "Om0": 0.3, "Ob0": 0.045, "sigma8": 0.8, "ns": 0.96}
    cosmology.setCosmology("test", params={**parameters, "relspecies": False, "Tcmb0": 2.7255})
    selection = {} if rate is None else {"selected_by": "Gamma", "Gamma": rate}
    peer = profile_composite.compositeProfile(
        names[name][0],
        outer_names=[names[name][1]],
        M=5e14 * 0.7,
        c=4.0,
        z=0.3,
        mdef="200m",
        **outer[name],
        **selection,
    )
    halo = make(name, peak_height=PEAK_HEIGHT, accretion_rate=rate, rtol=1e-8)
    density = peer.density(RADII * 700.0) * 1e9 * 0.49
    np.testing.assert_allclose(halo.density(RADII), density, rtol=1e-9)
