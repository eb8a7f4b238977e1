"""Profiles known by quadrature against other quadratures, straight from their density."""

import numpy as np
import pytest
from mpmath import mp, mpf
from mpmath import quad as mp_quad
from scipy import special

import clmassmod as clm
from clmassmod.errors import NumericalError, ParameterError
from clmassmod.profiles.numeric import NumericProfile

from contract import LENSING_QUANTITIES, MASS_QUANTITIES, evaluate

RADII = np.geomspace(1e-4, 1e2, 25)
QUADRATURE_ERROR = 1e-11
"""Of the profiles with tabulate=False, and of `Reference`; each was measured below 1e-12."""


class Reference:
    """Every quantity from ``rho`` by Gauss-Legendre of order 40 on many narrow panels.

    Independent of the package in formula as well as in code: the line-of-sight integral in
    l = R sinh u, the cylinder as sphere plus caps, the excess as mean minus local.
    """

    def __init__(self, rho, r_min=1e-16, reach=60.0, panel=0.5):
        self.rho = rho
        self.r_min, self.reach, self.panel = r_min, reach, panel
        self.node, self.weight = np.polynomial.legendre.leggauss(40)

    def integrate(self, function, low, high):
        edges = np.linspace(low, high, max(2, int((high - low) / self.panel) + 2))
        half = 0.5 * np.diff(edges)[:, None]
        return np.sum(half * self.weight * function(edges[:-1, None] + half * (self.node + 1.0)))

    def enclosed_mass(self, r):
        return (
            4.0
            * np.pi
            * self.integrate(
                lambda t: np.exp(3.0 * t) * self.rho(np.exp(t)), np.log(self.r_min), np.log(r)
            )
        )

    def surface_density(self, R):
        return 2.0 * self.integrate(
            lambda u: R * np.cosh(u) * self.rho(R * np.cosh(u)), 0.0, self.reach
        )

    def enclosed_mass_2d(self, R):
        # outside the sphere, a shell of radius r has 1 - s of its area in the cylinder
        def caps(u):
            r, s = R * np.cosh(u), np.tanh(u)
            return 4.0 * np.pi * r**3 * self.rho(r) * s * 2.0 / (np.exp(2.0 * u) + 1.0)

        return self.enclosed_mass(R) + self.integrate(caps, 0.0, self.reach)

    def mean_surface_density(self, R):
        return self.enclosed_mass_2d(R) / (np.pi * R**2)

    def surface_density_slope(self, R):
        h = 1e-3
        at = [self.surface_density(R * np.exp(k * h)) for k in (-2, -1, 1, 2)]
        return (8.0 * (at[2] - at[1]) - (at[3] - at[0])) / (12.0 * h)


def gnfw(profile):
    def rho(r):
        x = r / profile.scale_radius
        g = profile.inner_slope
        return profile.scale_density / (x**g * (1.0 + x) ** (3.0 - g))

    return rho


def einasto(profile):
    def rho(r):
        a = profile.alpha
        return profile.scale_density * np.exp(-2.0 / a * ((r / profile.scale_radius) ** a - 1.0))

    return rho


def burkert(profile):
    def rho(r):
        x = r / profile.scale_radius
        return profile.scale_density / ((1.0 + x) * (1.0 + x * x))

    return rho


def halos(**options):
    """Return (id, profile, its density as written here)."""
    cases = []
    for slope in (0.0, 0.5, 1.0, 1.7, 2.5):
        profile = clm.gNFW(5e14, 4.0, 0.3, slope, **options)
        cases.append((f"gNFW {slope}", profile, gnfw(profile)))
    for alpha in (0.05, 0.18, 0.6, 2.0):
        profile = clm.Einasto(5e14, 4.0, 0.3, alpha, **options)
        cases.append((f"Einasto {alpha}", profile, einasto(profile)))
    profile = clm.Burkert(5e14, 8.0, 0.3, **options)
    return [*cases, ("Burkert", profile, burkert(profile))]


def relative(actual, expected):
    return np.max(np.abs(np.asarray(actual) / np.asarray(expected) - 1.0))


def significant(values):
    """Where a quantity is not below 1e-200 of its largest: there it may be flushed to 0."""
    return values > 1e-200 * np.max(values)


@pytest.mark.parametrize("case", halos(tabulate=False), ids=lambda case: case[0])
class TestQuadrature:
    """Without tables."""

    def test_density(self, case):
        _, profile, rho = case
        expected = rho(RADII)
        keep = significant(expected)
        # the exponent of an Einasto profile, up to 460, magnifies rounding
        assert relative(profile.density(RADII)[keep], expected[keep]) < 2e-13

    @pytest.mark.parametrize(
        "name", ["enclosed_mass", "surface_density", "mean_surface_density", "enclosed_mass_2d"]
    )
    def test_integrals(self, case, name):
        _, profile, rho = case
        reference = Reference(rho, r_min=1e-60 if "2.5" in case[0] else 1e-16)
        expected = np.array([getattr(reference, name)(R) for R in RADII])
        keep = significant(expected)
        actual = getattr(profile, name)(RADII)
        assert relative(actual[keep], expected[keep]) < QUADRATURE_ERROR

    def test_excess(self, case):
        # mean - local loses what the two share; the excess itself is checked with mpmath below
        _, profile, rho = case
        reference = Reference(rho, r_min=1e-60 if "2.5" in case[0] else 1e-16)
        mean = np.array([reference.mean_surface_density(R) for R in RADII])
        local = np.array([reference.surface_density(R) for R in RADII])
        difference = np.abs(profile.excess_surface_density(RADII) - (mean - local))
        assert np.all(difference <= QUADRATURE_ERROR * mean)

    def test_slope(self, case):
        _, profile, rho = case
        reference = Reference(rho)
        radii = RADII[6:16]
        expected = np.array([reference.surface_density_slope(R) for R in radii])
        keep = significant(-expected)
        # differences of fourth order over h = 1e-3; 4e-8 where Sigma falls as e^(-400)
        actual = profile.surface_density_slope(radii)
        assert relative(actual[keep], expected[keep]) < 1e-7

    def test_mass_inside_the_radius_of_its_definition(self, case):
        profile = case[1]
        radius = profile.mass_def.radius(5e14, 0.3, profile.cosmology)
        assert abs(profile.enclosed_mass(radius) / 5e14 - 1.0) < 1e-13


MPMATH_CASES = {
    "gNFW 0": (lambda x: (1 + x) ** -3, clm.gNFW, {"inner_slope": 0.0}),
    "gNFW 1.5": (
        lambda x: x ** mpf(-1.5) * (1 + x) ** mpf(-1.5),
        clm.gNFW,
        {"inner_slope": 1.5},
    ),
    "Einasto 0.18": (
        lambda x: mp.exp(-2 / mpf(0.18) * (x ** mpf(0.18) - 1)),
        clm.Einasto,
        {"alpha": 0.18},
    ),
    "Burkert": (lambda x: 1 / ((1 + x) * (1 + x * x)), clm.Burkert, {}),
}


@pytest.mark.parametrize("name", MPMATH_CASES)
@pytest.mark.parametrize("x", [1e-3, 0.7, 30.0])
def test_excess_against_mpmath(name, x):
    """Mean minus local in 30 digits, where losing ten of them does not matter."""
    rho, kind, options = MPMATH_CASES[name]
    profile = kind(5e14, 4.0, 0.3, tabulate=False, **options)
    with mp.workdps(30):
        X = mpf(x)

        def panels(function, low, high):
            n = int(mp.ceil((high - low) / 2))
            return mp_quad(function, mp.linspace(low, high, n + 1))

        mass = panels(lambda t: mp.e ** (3 * t) * rho(mp.e**t), mp.log(X) - 50, mp.log(X))
        sigma = 2 * panels(lambda u: X * mp.cosh(u) * rho(X * mp.cosh(u)), mpf(0), mpf(40))
        caps = panels(
            lambda u: (
                X
                * mp.sinh(u)
                * (X * mp.cosh(u)) ** 2
                * rho(X * mp.cosh(u))
                * 2
                / (mp.e ** (2 * u) + 1)
            ),
            mpf(0),
            mpf(40),
        )
        expected = float(4 * (mass + caps) / X**2 - sigma)
    scale = profile.scale_density * profile.scale_radius
    actual = profile.excess_surface_density(x * profile.scale_radius) / scale
    assert abs(actual / expected - 1.0) < 1e-12


class TestPromise:
    """rtol is what is reached, at radii and at shapes that no table was made for."""

    @pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
    @pytest.mark.parametrize("case", range(10), ids=[case[0] for case in halos(tabulate=False)])
    def test_rtol(self, case, rtol):
        exact = halos(tabulate=False)[case][1]
        table = halos(rtol=rtol)[case][1]
        radii = np.geomspace(1e-4, 1e2, 1237)
        for name in MASS_QUANTITIES:
            expected = getattr(exact, name)(radii)
            keep = significant(np.abs(expected))
            assert relative(getattr(table, name)(radii)[keep], expected[keep]) < rtol, name

    @pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
    def test_rtol_of_sersic_and_splashback(self, rtol):
        radii = np.geomspace(1e-4, 1e2, 1237)
        cases = [
            *((clm.Sersic, (1e12, 0.02, n, 0.3), {}) for n in (0.5, 1.0, 4.0, 10.0)),
            (clm.DK14, (5e14, 4.0, 0.3), {"peak_height": 2.9}),
            (clm.Diemer23, (5e14, 4.0, 0.3), {"accretion_rate": 2.0}),
            (clm.Diemer23, (5e14, 4.0, 0.3), {"accretion_rate": 2.0, "infall_norm": 0.0}),
        ]
        for kind, arguments, options in cases:
            exact = kind(*arguments, **options, tabulate=False)
            table = kind(*arguments, **options, rtol=rtol)
            for name in MASS_QUANTITIES:
                expected = getattr(exact, name)(radii)
                keep = significant(np.abs(expected))
                actual = getattr(table, name)(radii)[keep]
                assert relative(actual, expected[keep]) < rtol, (table, name)

    @pytest.mark.parametrize("rtol", [0.0, -1e-6, 1e-12, 0.5, np.nan, "fine"])
    def test_bad_rtol(self, rtol):
        with pytest.raises(ParameterError, match="rtol"):
            clm.Einasto(5e14, 4.0, 0.3, rtol=rtol)


class TestIndependenceOfRadii:
    """The trap: elsewhere Einasto's Delta Sigma depends on the array of radii passed."""

    @pytest.mark.parametrize("tabulate", [True, False])
    def test_same_bits_alone_and_together(self, tabulate):
        profiles = [case[1] for case in halos(tabulate=tabulate)]
        profiles.append(clm.Sersic(1e12, 0.02, 4.0, 0.3, tabulate=tabulate))
        for profile in profiles:
            for name in (*MASS_QUANTITIES, *LENSING_QUANTITIES):
                together = evaluate(profile, name, RADII)
                assert [evaluate(profile, name, R) for R in RADII] == together.tolist()
                backwards = evaluate(profile, name, RADII[::-1])
                np.testing.assert_array_equal(backwards[::-1], together)

    def test_outside_the_table_is_integrated(self):
        halo = clm.Einasto(5e14, 4.0, 0.3, 0.18)
        exact = halo.replace(tabulate=False)
        far = np.array([1e-9, 1e-8, 1e5, 1e6])
        np.testing.assert_array_equal(
            halo.excess_surface_density(far), exact.excess_surface_density(far)
        )

    @pytest.mark.parametrize("n_threads", [2, 3, 7, 0])
    def test_threads_by_quadrature(self, n_threads):
        halo = clm.Einasto(5e14, 4.0, 0.3, alpha=np.linspace(0.1, 0.4, 40))
        one = halo.excess_surface_density(RADII)
        np.testing.assert_array_equal(halo.excess_surface_density(RADII, n_threads=n_threads), one)


class TestManyShapes:
    def test_more_than_eight_shapes_are_integrated(self):
        alpha = np.linspace(0.1, 0.4, 9)
        many = clm.Einasto(5e14, 4.0, 0.3, alpha=alpha)
        for row, value in enumerate(alpha):
            exact = clm.Einasto(5e14, 4.0, 0.3, alpha=value, tabulate=False)
            np.testing.assert_array_equal(
                many.excess_surface_density(RADII)[row], exact.excess_surface_density(RADII)
            )

    def test_few_shapes_among_many_halos(self):
        alpha = np.tile([0.15, 0.18, 0.25], 30)
        mass = np.geomspace(1e14, 1e15, 90)
        many = clm.Einasto(mass, 4.0, 0.3, alpha=alpha).excess_surface_density(RADII)
        for row in (0, 44, 89):
            one = clm.Einasto(mass[row], 4.0, 0.3, alpha=alpha[row])
            np.testing.assert_array_equal(many[row], one.excess_surface_density(RADII))

    def test_tables_are_made_once(self):
        first = clm.gNFW(5e14, 4.0, 0.3, 1.234)
        second = clm.gNFW(1e15, 6.0, 0.5, 1.234)
        assert first._tables.tables[0] is second._tables.tables[0]


class TestLimits:
    def test_gnfw_of_slope_one_is_nfw(self):
        nfw = clm.NFW(5e14, 4.0, 0.3)
        for name in (*MASS_QUANTITIES, *LENSING_QUANTITIES):
            expected = evaluate(nfw, name, RADII)
            direct = evaluate(clm.gNFW(5e14, 4.0, 0.3, 1.0, tabulate=False), name, RADII)
            np.testing.assert_allclose(direct, expected, rtol=1e-12)
            for rtol in (1e-4, 1e-6, 1e-8):
                table = evaluate(clm.gNFW(5e14, 4.0, 0.3, 1.0, rtol=rtol), name, RADII)
                # magnification and reduced shear near 1 - kappa = 0 magnify it
                np.testing.assert_allclose(table, expected, rtol=5 * rtol)

    def test_einasto_of_alpha_two_is_a_gaussian(self):
        halo = clm.Einasto(5e14, 4.0, 0.3, alpha=2.0, tabulate=False)
        x = RADII[:14] / halo.scale_radius
        sigma = halo.scale_density * halo.scale_radius * np.sqrt(np.pi) * np.exp(1.0 - x**2)
        mean = halo.scale_density * halo.scale_radius * np.sqrt(np.pi) * np.e
        mean = mean * -np.expm1(-(x**2)) / x**2
        np.testing.assert_allclose(halo.surface_density(RADII[:14]), sigma, rtol=1e-12)
        np.testing.assert_allclose(halo.mean_surface_density(RADII[:14]), mean, rtol=1e-12)

    def test_far_outside_all_mass_is_inside(self):
        halo = clm.Einasto(5e14, 4.0, 0.3, alpha=1.0)
        # int x^2 exp(-2 (x - 1)) dx = e^2 / 4
        total = np.pi * halo.scale_density * halo.scale_radius**3 * np.exp(2.0)
        assert abs(halo.enclosed_mass(1e4) / total - 1.0) < 1e-12
        assert abs(halo.enclosed_mass_2d(1e4) / total - 1.0) < 1e-12
        assert halo.surface_density(1e4) == 0.0


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5, 4.0, 10.0])
class TestSersic:
    """Projections are incomplete gamma functions (Graham & Driver 2005)."""

    mass, radius = 1e12, 0.02

    def profile(self, n):
        return clm.Sersic(self.mass, self.radius, n, 0.3, tabulate=False)

    def test_projection(self, n):
        b = special.gammaincinv(2.0 * n, 0.5)
        t = b * (RADII / self.radius) ** (1.0 / n)
        inside = self.mass * special.gammainc(2.0 * n, t)
        np.testing.assert_allclose(self.profile(n).enclosed_mass_2d(RADII), inside, rtol=1e-12)
        central = self.mass * b ** (2.0 * n) / (2.0 * np.pi * n * self.radius**2)
        sigma = central / special.gamma(2.0 * n) * np.exp(-t)
        keep = significant(sigma)
        actual = self.profile(n).surface_density(RADII)
        # rounding of the exponent, up to 460
        np.testing.assert_allclose(actual[keep], sigma[keep], rtol=1e-12)
        # Delta Sigma = M gamma(2n + 1, t) / (Gamma(2n + 1) ...): -int Sigma' R^2 dR / R^2
        excess = 2.0 * n * self.mass * special.gammainc(2.0 * n + 1.0, t)
        excess = excess / (2.0 * np.pi * n * RADII**2)
        np.testing.assert_allclose(
            self.profile(n).excess_surface_density(RADII), excess, rtol=1e-12
        )

    def test_half_of_the_mass(self, n):
        inside = self.profile(n).enclosed_mass_2d(self.radius)
        assert abs(inside / (0.5 * self.mass) - 1.0) < 1e-13

    def test_density_projects_back(self, n):
        profile = self.profile(n)
        reference = Reference(profile.density, r_min=1e-13, reach=14.0)
        radii = self.radius * np.array([0.01, 0.3, 1.0, 4.0])
        for name in ("surface_density", "enclosed_mass", "mean_surface_density"):
            expected = [getattr(reference, name)(R) for R in radii]
            np.testing.assert_allclose(
                getattr(profile, name)(radii), expected, rtol=QUADRATURE_ERROR
            )

    def test_density_slope(self, n):
        h = 1e-3
        profile = self.profile(n)
        radii = self.radius * np.array([0.01, 0.3, 1.0, 4.0])
        at = [profile.density(radii * np.exp(k * h)) for k in (-2, -1, 1, 2)]
        expected = (8.0 * (at[2] - at[1]) - (at[3] - at[0])) / (12.0 * h)
        # differences of fourth order of a function with slopes up to 30
        np.testing.assert_allclose(profile.density_slope(radii), expected, rtol=1e-6)


class TestBadInput:
    @pytest.mark.parametrize("alpha", [0.0, -0.2, 0.01, 50.0, np.nan, np.inf])
    def test_alpha(self, alpha):
        with pytest.raises(ParameterError, match="alpha"):
            clm.Einasto(5e14, 4.0, 0.3, alpha=alpha)

    @pytest.mark.parametrize("slope", [-0.1, 3.0, 5.0, np.nan])
    def test_inner_slope(self, slope):
        with pytest.raises(ParameterError, match="inner_slope"):
            clm.gNFW(5e14, 4.0, 0.3, inner_slope=slope)
        with pytest.raises(ParameterError, match="index 1"):
            clm.gNFW(5e14, 4.0, 0.3, inner_slope=[1.0, slope])

    def test_inner_slope_near_three_and_zero(self):
        for slope in (0.0, 2.9, 2.99):
            halo = clm.gNFW(5e14, 4.0, 0.3, inner_slope=slope, tabulate=False)
            radius = halo.mass_def.radius(5e14, 0.3, halo.cosmology)
            # M = 4 pi rho_s r_s^3 x^(3-g)/(3-g) 2F1(3-g, 3-g; 4-g; -x)
            w = 3.0 - slope
            x = 0.25
            expected = x**w / w * special.hyp2f1(w, w, w + 1.0, -x)
            unit = 4.0 * np.pi * halo.scale_density * halo.scale_radius**3
            assert abs(halo.enclosed_mass(x * halo.scale_radius) / unit / expected - 1.0) < 1e-12
            assert abs(halo.enclosed_mass(radius) / 5e14 - 1.0) < 1e-12

    @pytest.mark.parametrize("index", [0.0, 0.49, -4.0, 21.0, np.nan])
    def test_sersic_index(self, index):
        with pytest.raises(ParameterError, match="sersic_index"):
            clm.Sersic(1e12, 0.02, index, 0.3)

    def test_wrong_shapes(self):
        with pytest.raises(ParameterError, match="alpha"):
            clm.Einasto(np.ones(3) * 1e14, 4.0, 0.3, alpha=[0.1, 0.2])

    def test_too_exact_for_a_table(self, monkeypatch):
        # a sharp truncation in the coarsest tables only
        monkeypatch.setattr("clmassmod.profiles.numeric._LEVELS", ((1, 8), (1, 8), (1, 8)))
        with pytest.raises(NumericalError, match="tabulate=False"):
            clm.Diemer23(5e14, 4.0, 0.3, accretion_rate=2.0, beta=15.0, rtol=1e-9)


class TestAbstract:
    def test_every_numeric_profile_takes_rtol(self):
        halo = clm.Einasto(5e14, 4.0, 0.3)
        assert isinstance(halo, NumericProfile)
        assert halo.rtol == 1e-6
        assert halo.replace(rtol=1e-4).rtol == 1e-4
