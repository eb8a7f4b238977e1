"""Haloes with baryons against the equations of the papers, integrated and solved one by one."""

import math
from itertools import pairwise

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy import integrate, optimize, special

import clmassmod as clm
from clmassmod.cluster.halo_model import HaloModel
from clmassmod.cluster.likelihood import ClusterLikelihood
from clmassmod.cluster.parameters import ParameterSet
from clmassmod.errors import ParameterError
from clmassmod.profiles.baryonified import BaryonifiedHalo, BaryonifiedKind

COSMOLOGY = FlatLambdaCDM(70.0, 0.3, Ob0=0.048, Tcmb0=0.0)
HALO = clm.NFW(3e14, 4.5, 0.3, cosmology=COSMOLOGY)
CROMER = clm.BaryonModel(clm.CromerGas(), stellar_fraction=0.0, relaxation=0.0)
RADII = np.array([0.003, 0.02, 0.1, 0.4, 1.0, 3.0, 12.0])


@pytest.fixture(scope="module")
def full():
    return clm.Baryonified(HALO)


class Twin:
    """Masses of Schneider et al. (2019) for an NFW halo, by scipy at one radius after another."""

    def __init__(self):
        self.r200 = float(HALO.spherical_overdensity_radius("200c"))
        self.f_b = 0.048 / 0.3
        m_star = 2.5e11 / 0.7
        self.f_star = 0.09 * (m_star / 3e14) ** 0.32
        self.f_cga = 0.09 * (m_star / 3e14) ** 0.6
        self.f_gas = self.f_b - self.f_star
        self.f_clm = 1.0 - self.f_b + self.f_star - self.f_cga
        self.beta = 3.0 - (6.6e13 / 0.7 / 3e14) ** 0.21
        self.total = self.initial(1e5)
        self.gas_total = self.shells(self.gas_shape, 1e5)

    def shells(self, density, radius):
        def integrand(t):
            r = math.exp(t)
            return 4.0 * math.pi * r**3 * density(r)

        knots = np.linspace(math.log(1e-9), math.log(radius), 40)
        pairs = pairwise(knots)
        return math.fsum(integrate.quad(integrand, a, b, epsrel=1e-12)[0] for a, b in pairs)

    def initial(self, r):
        edge = 4.0 * self.r200
        return self.shells(lambda x: HALO.density(x) / (1.0 + (x / edge) ** 2) ** 2, r)

    def gas_shape(self, r):
        u, v = r / (0.1 * self.r200), r / (4.0 * self.r200)
        return (1.0 + u) ** -self.beta * (1.0 + v * v) ** (-0.5 * (7.0 - self.beta))

    def baryons(self, r):
        gas = self.f_gas * self.total * self.shells(self.gas_shape, r) / self.gas_total
        size = 0.015 * self.r200
        return gas + self.f_cga * self.total * math.erf(r / (2.0 * size))

    def collisionless(self, r):
        inside = self.baryons(r)

        def residual(zeta):
            m_i = self.initial(r / zeta)
            m_f = self.f_clm * m_i + inside
            return zeta - 1.0 - 0.3 * ((m_i / m_f) ** 2 - 1.0)

        zeta = optimize.brentq(residual, 0.6, 1.3, xtol=1e-13)
        return self.f_clm * self.initial(r / zeta)

    def everything(self, r):
        outside = HALO.enclosed_mass(r) - self.initial(r)
        return self.baryons(r) + self.collisionless(r) + outside


def test_masses_against_the_equations(full):
    twin = Twin()
    expected = [twin.everything(r) for r in RADII]
    np.testing.assert_allclose(full.enclosed_mass(RADII), expected, rtol=full.rtol)
    parts = full.rows[0]
    expected = [twin.collisionless(r) for r in RADII]
    np.testing.assert_allclose(parts.collisionless.enclosed_mass(RADII), expected, rtol=full.rtol)
    assert parts.mass == pytest.approx(twin.total, rel=1e-8)


def test_density_is_the_derivative_of_the_mass(full):
    # through M(r) of the contract as well; here across the galaxy and the core of the gas
    h = 1e-3
    mass = full.rows[0].total.enclosed_mass
    steps = [
        (mass(RADII * np.exp(k * h)) - mass(RADII * np.exp(-k * h))) / (2 * k * h) for k in (1, 2)
    ]
    slope = (4.0 * steps[0] - steps[1]) / 3.0
    # an error of 1e-6 in the mass, over h
    np.testing.assert_allclose(slope, 4.0 * np.pi * RADII**3 * full.density(RADII), rtol=1e-3)


@pytest.mark.parametrize("model", [clm.BaryonModel(), CROMER])
@pytest.mark.parametrize(
    "halo",
    [
        HALO,
        clm.BMO(8e14, 4.0, 0.5, truncation=12.0, cosmology=COSMOLOGY),
        clm.Einasto(2e14, 5.0, 0.2, cosmology=COSMOLOGY),
        clm.Einasto(2e14, 5.0, 0.2, alpha=0.7, cosmology=COSMOLOGY),  # gone before 1e4 R_200c
        clm.DK14(1e15, 4.0, 0.3, peak_height=3.4, cosmology=COSMOLOGY),
    ],
)
def test_mass_is_conserved(halo, model):
    full = clm.Baryonified(halo, model)
    far = 1e3 * full.rows[0].radius_200c
    # each is good to its rtol of 1e-6
    assert full.enclosed_mass(far) == pytest.approx(halo.enclosed_mass(far), rel=2e-6)
    assert full.enclosed_mass_2d(far) == pytest.approx(halo.enclosed_mass_2d(far), rel=2e-6)
    shares = full.rows[0].fractions
    assert math.fsum(shares) == pytest.approx(1.0, abs=1e-15)


def test_baryon_fraction_approaches_the_cosmic_mean(full):
    parts = full.rows[0]
    r = parts.radius_200c * np.array([0.5, 1.0, 3.0, 30.0, 1e3])
    fraction = parts.baryon_fraction(r)
    assert np.all(np.diff(fraction) > 0.0)
    assert fraction[1] < 0.14
    # at 30 R_200c the gas outside is (4/30)^4 of the ejected; the rest of the mass dilutes it
    assert fraction[3] == pytest.approx(0.16, abs=2e-4)
    assert fraction[4] == pytest.approx(0.16, abs=1e-6)


def test_without_stars_and_relaxation_the_dark_matter_stays():
    parts = BaryonifiedHalo(HALO, CROMER, 1e-6)
    edge = 4.0 * parts.radius_200c
    expected = 0.84 * HALO.density(RADII) / (1.0 + (RADII / edge) ** 2) ** 2
    np.testing.assert_allclose(parts.collisionless.density(RADII), expected, rtol=1e-8)
    with pytest.raises(ParameterError, match="central galaxy"):
        _ = parts.central


def test_gas_of_cromer_as_in_the_paper():
    # there: all baryons of the universe within 3.3 Mpc, and a generalised NFW profile that goes on
    parts = BaryonifiedHalo(HALO, CROMER, 1e-6)
    node, weight = np.polynomial.legendre.leggauss(400)
    r = np.exp(np.log(3.3e-4) + 0.5 * np.log(1e4) * (node + 1.0))
    y = r / (0.5 * parts.radius_200c)
    shape = y**-0.2 * (1.0 + y**0.88) ** (-3.63 / 0.88)
    inside = np.sum(weight * r**3 * shape) * 0.5 * np.log(1e4) * 4.0 * np.pi
    R = np.array([0.2, 0.5, 1.0])
    y = R / (0.5 * parts.radius_200c)
    expected = 0.16 * HALO.enclosed_mass(3.3) / inside * y**-0.2 * (1.0 + y**0.88) ** (-3.63 / 0.88)
    # the end of the halo and of its gas is smooth here, and sharp and for the gas alone there
    np.testing.assert_allclose(parts.gas.density(R), expected, rtol=0.06)


def test_central_galaxy_in_closed_form(full):
    parts = full.rows[0]
    size = 0.015 * parts.radius_200c
    mass = parts.fractions.central * parts.mass
    R = np.array([0.002, 0.02, 0.08])
    expected = mass / (4.0 * np.sqrt(np.pi) * size) * special.erfc(R / (2.0 * size)) / R
    np.testing.assert_allclose(parts.central.surface_density(R), expected, rtol=1e-6)
    np.testing.assert_allclose(
        parts.central.enclosed_mass(R), mass * special.erf(R / (2.0 * size)), rtol=1e-6
    )


@pytest.mark.parametrize("gas", [clm.SchneiderGas(), clm.SchneiderGas(0.3, 0.5), clm.CromerGas()])
def test_total_of_the_gas(gas):
    def integrand(t):
        return 4.0 * np.pi * np.exp(3.0 * t) * gas.density_shape(np.exp(t), 2e14)

    knots = np.linspace(-25.0, 45.0, 71)
    pairs = pairwise(knots)
    total = math.fsum(integrate.quad(integrand, a, b, epsrel=1e-12)[0] for a, b in pairs)
    assert gas.total_shape(2e14) == pytest.approx(total, rel=1e-10)


def test_gas_slopes():
    # between core and ejection radius minus beta; far out -7 and -outer
    gas = clm.SchneiderGas(core=1e-4, ejection=1e4, mass_scale=1e14, mass_slope=0.5)
    assert gas.slope(1e14) == 2.0
    assert gas.slope(4e14) == 2.5
    for model, x, slope in (
        (gas, 1.0, -2.5),
        (gas, 1e9, -7.0),
        (clm.CromerGas(truncation=1e12), 1e9, -3.83),
        (clm.CromerGas(), 1e9, -7.83),
        (clm.CromerGas(), 1e-9, -0.2),
    ):
        d = np.log(model.density_shape(np.array([x, 1.01 * x]), 4e14))
        assert (d[1] - d[0]) / np.log(1.01) == pytest.approx(slope, abs=2e-3)


def test_batches_are_their_single_profiles(full):
    batch = full.replace(mass=np.array([3e14, 8e14]))
    np.testing.assert_array_equal(
        batch.reduced_tangential_shear(RADII, 1.0)[0], full.reduced_tangential_shear(RADII, 1.0)
    )
    assert full.replace(mass=8e14) == clm.Baryonified(HALO.replace(mass=8e14))


def test_a_composite_halo_is_baryonified_as_one():
    halo = clm.Composite([HALO])
    np.testing.assert_allclose(
        clm.Baryonified(halo).surface_density(RADII),
        clm.Baryonified(HALO).surface_density(RADII),
        rtol=1e-9,
    )
    pair = clm.Composite([clm.NFW(np.array([3e14, 4e14]), 4.5, 0.3, cosmology=COSMOLOGY)])
    with pytest.raises(ParameterError, match="halo"):
        clm.Baryonified(pair)


def test_a_fit_with_baryons_recovers_the_mass(full):
    R = np.geomspace(0.2, 2.0, 6)
    shear = full.reduced_tangential_shear(R, 1.0)
    data = clm.GammaTheta(R, shear, np.full(6, 0.003), redshift=0.3, sources=1.0)
    kind = BaryonifiedKind(clm.NFW)
    parameters = ParameterSet.from_priors(
        {"mass": {"distribution": "uniform", "low": 1e13, "high": 1e16}}
    )

    def best(profile):
        model = HaloModel(profile, concentration=4.5, cosmology=COSMOLOGY)
        likelihood = ClusterLikelihood(model, parameters, data)
        fit = optimize.minimize_scalar(
            lambda m: float(likelihood.chi2([[m * 1e14]])[0]), bracket=(2.8, 3.3), tol=1e-5
        )
        return fit.x

    # the model is good to 1e-4; one of dark matter alone is off by what baryons do
    assert best(kind) == pytest.approx(3.0, rel=1e-3)
    assert best(clm.NFW) < 2.9


def test_wrong_arguments():
    with pytest.raises(ParameterError, match="baryon_fraction"):
        clm.Baryonified(clm.NFW(3e14, 4.0, 0.3))
    with pytest.raises(ParameterError, match="fewer stars"):
        clm.Baryonified(clm.NFW(1e10, 4.0, 0.3, cosmology=COSMOLOGY))
    with pytest.raises(ParameterError, match="halo"):
        clm.Baryonified(5e14)
    with pytest.raises(ParameterError, match="baryons"):
        clm.Baryonified(HALO, clm.CromerGas())
    for name, value in {
        "baryon_fraction": 1.0,
        "stellar_fraction": -0.1,
        "stellar_slope": math.nan,
        "galaxy_size": 0.0,
        "relaxation": 1.0,
        "relaxation_power": 0.0,
        "truncation": math.inf,
    }.items():
        with pytest.raises(ParameterError, match=name):
            clm.BaryonModel(**{name: value})
    for kind, name, value in (
        (clm.SchneiderGas, "core", 0.0),
        (clm.SchneiderGas, "ejection", -1.0),
        (clm.SchneiderGas, "mass_slope", -0.2),
        (clm.CromerGas, "outer", -0.1),
        (clm.CromerGas, "truncation", 0.0),
        (clm.CromerGas, "inner", 3.0),
        (clm.CromerGas, "sharpness", 0.0),
    ):
        with pytest.raises(ParameterError, match=name):
            kind(**{name: value})
