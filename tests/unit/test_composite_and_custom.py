"""Sums of profiles, and profiles from a user's function or table."""

from itertools import pairwise

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

import clmassmod as clm
from clmassmod.errors import NumericalError, ParameterError

from contract import LENSING_QUANTITIES, MASS_QUANTITIES

RADII = np.geomspace(1e-3, 10.0, 31)


class TestComposite:
    halo = clm.NFW(5e14, 4.0, redshift=0.3)
    stars = clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)
    both = clm.Composite([halo, stars])

    @pytest.mark.parametrize("name", MASS_QUANTITIES)
    def test_sums(self, name):
        expected = getattr(self.halo, name)(RADII) + getattr(self.stars, name)(RADII)
        np.testing.assert_array_equal(getattr(self.both, name)(RADII), expected)

    def test_lensing_is_that_of_the_sum(self):
        inverse = 1.0 / clm.critical_surface_density(0.3, 1.0)
        kappa = self.both.surface_density(RADII) * inverse
        gamma = self.both.excess_surface_density(RADII) * inverse
        shear = self.both.reduced_tangential_shear(RADII, 1.0)
        np.testing.assert_allclose(shear, gamma / (1.0 - kappa), rtol=1e-12)
        parts = [p.reduced_tangential_shear(RADII, 1.0) for p in (self.halo, self.stars)]
        assert np.any(np.abs(shear - sum(parts)) > 1e-3 * np.abs(shear))

    def test_exact_average_over_sources(self):
        sources = clm.SourceDistribution([0.2, 0.5, 0.9, 1.5], [1.0, 2.0, 3.0, 1.0])
        for name in LENSING_QUANTITIES:
            planes = [getattr(self.both, name)(RADII, z) for z in sources.redshift]
            expected = np.average(planes, axis=0, weights=sources.weight)
            found = getattr(self.both, name)(RADII, sources)
            # within the critical curve of part of the sources there is no mean of these two
            nonlinear = name in ("reduced_tangential_shear", "magnification")
            assert np.isfinite(found[RADII > 0.5]).all()
            good = np.isfinite(found)
            assert nonlinear or good.all()
            np.testing.assert_allclose(found[good], expected[good], rtol=1e-12)

    def test_broadcasts(self):
        mass = np.array([1e14, 5e14, 1e15])
        halos = clm.NFW(mass, 4.0, redshift=0.3)
        both = clm.Composite([halos, self.stars])
        assert both.shape == (3,)
        paired = RADII[:30].reshape(3, 10)
        for radii in (RADII, paired):
            values = both.excess_surface_density(radii)
            for row in range(3):
                one = clm.Composite([clm.NFW(mass[row], 4.0, 0.3), self.stars])
                at = radii if radii.ndim == 1 else radii[row]
                np.testing.assert_array_equal(values[row], one.excess_surface_density(at))

    def test_nested(self):
        nested = clm.Composite([self.both, clm.PointMass(1e11, redshift=0.3)])
        np.testing.assert_array_equal(
            nested.enclosed_mass(RADII), self.both.enclosed_mass(RADII) + 1e11
        )

    def test_what_does_not_fit(self):
        with pytest.raises(ParameterError, match="at least one"):
            clm.Composite([])
        with pytest.raises(ParameterError, match="profiles"):
            clm.Composite([self.halo, 3.0])
        with pytest.raises(ParameterError, match="redshift"):
            clm.Composite([self.halo, clm.NFW(1e14, 4.0, redshift=0.31)])
        other = clm.NFW(1e14, 4.0, redshift=0.3, cosmology=FlatLambdaCDM(H0=67, Om0=0.31))
        with pytest.raises(ParameterError, match="cosmology"):
            clm.Composite([self.halo, other])
        with pytest.raises(ParameterError, match="argument"):
            self.both.replace(mass=3e14)


class TestUserFunctions:
    nfw = clm.NFW(5e14, 4.0, redshift=0.3)

    @pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
    @pytest.mark.parametrize("given", ["rho", "sigma"])
    def test_nfw_in_nfw_out(self, given, rtol):
        function = {"rho": self.nfw.density, "sigma": self.nfw.surface_density}[given]
        profile = clm.UserProfile(0.3, **{given: function}, rtol=rtol)
        radii = np.geomspace(1e-4, 1e2, 400)
        for name in MASS_QUANTITIES:
            expected = getattr(self.nfw, name)(radii)
            np.testing.assert_allclose(getattr(profile, name)(radii), expected, rtol=rtol)

    def test_same_bits_alone_and_together(self):
        profile = clm.UserProfile(0.3, rho=self.nfw.density)
        radii = np.array([1e-10, 1e-3, 1.0, 1e5])  # in the table and outside
        together = profile.excess_surface_density(radii)
        assert [profile.excess_surface_density(R) for R in radii] == together.tolist()

    def test_ball_of_constant_density(self):
        profile = clm.UserProfile(
            0.3,
            rho=lambda r: np.full(r.shape, 1e14),
            radius_range=(1e-3, 2.0),
            inner="constant",
            outer="zero",
        )
        R = np.array([1e-5, 1e-3, 0.01, 0.5, 1.5, 1.999])
        s = np.sqrt((1.0 - R / 2.0) * (1.0 + R / 2.0))
        sigma = 4e14 * s
        mean = 4.0 / 3.0 * 1e14 * 8.0 / R**2 * -np.expm1(1.5 * np.log1p(-((R / 2.0) ** 2)))
        np.testing.assert_allclose(profile.surface_density(R), sigma, rtol=1e-6)
        np.testing.assert_allclose(profile.mean_surface_density(R), mean, rtol=1e-6)
        # of a ball: (2/3) X^2 (2 + s) / (r (1 + s)^2)
        excess = 1e14 * R**2 / 3.0 * (2.0 + s) / (1.0 + s) ** 2
        np.testing.assert_allclose(profile.excess_surface_density(R), excess, rtol=1e-6)
        slope = -(R**2) / s * 1e14
        np.testing.assert_allclose(profile.surface_density_slope(R), slope, rtol=1e-6)
        outside = np.array([2.5, 100.0])
        mass = 4.0 * np.pi / 3.0 * 1e14 * 8.0
        assert np.all(profile.density(outside) == 0.0)
        assert np.all(profile.surface_density(outside) == 0.0)
        np.testing.assert_allclose(profile.enclosed_mass(outside), mass, rtol=1e-12)
        np.testing.assert_allclose(profile.enclosed_mass_2d(outside), mass, rtol=1e-12)
        excess = mass / (np.pi * outside**2)
        np.testing.assert_allclose(profile.excess_surface_density(outside), excess, rtol=1e-12)

    def test_ends_are_continued_as_asked(self):
        options = {"rho": self.nfw.density, "radius_range": (0.01, 1.0)}
        power = clm.UserProfile(0.3, **options)
        first = 2.0**-6  # the first whole octave below 1 Mpc that is inside the range
        ratio = power.density(np.array([1e-4, 1e-5])) / power.density(first)
        slope = self.nfw.density_slope(first) / self.nfw.density(first)
        np.testing.assert_allclose(ratio, (np.array([1e-4, 1e-5]) / first) ** slope, rtol=1e-6)
        flat = clm.UserProfile(0.3, inner="constant", **options)
        np.testing.assert_allclose(flat.density(1e-4), self.nfw.density(first), rtol=1e-8)
        with pytest.raises(ParameterError, match="outer"):
            clm.UserProfile(0.3, sigma=self.nfw.surface_density, outer="zero")

    def test_wrong_functions(self):
        with pytest.raises(ParameterError, match="exactly one"):
            clm.UserProfile(0.3)
        with pytest.raises(ParameterError, match="exactly one"):
            clm.UserProfile(0.3, rho=self.nfw.density, sigma=self.nfw.surface_density)
        with pytest.raises(ParameterError, match="shape"):
            clm.UserProfile(0.3, rho=lambda r: 1e14)
        for bad in (np.nan, -1.0, 0.0, np.inf):
            with pytest.raises(ParameterError, match="finite and > 0"):
                clm.UserProfile(0.3, rho=lambda r, bad=bad: np.where(r > 10.0, bad, r**-3.0))
        with pytest.raises(ParameterError, match="diverges"):
            clm.UserProfile(0.3, rho=lambda r: 1e14 / r)
        with pytest.raises(ParameterError, match="diverges"):
            clm.UserProfile(0.3, rho=lambda r: 1e14 / r**3.1)
        with pytest.raises(ParameterError, match="diverges"):
            clm.UserProfile(0.3, sigma=lambda r: 1e14 + 0.0 * r)
        with pytest.raises(NumericalError, match="smooth"):
            clm.UserProfile(0.3, rho=lambda r: np.where(r < 1.0, 2e14, 1e14) / r**2)
        for limits in ((0.0, 1.0), (1.0, 2.0), (1.0, np.inf), "wide", (1.0,)):
            with pytest.raises(ParameterError, match="radius_range"):
                clm.UserProfile(0.3, rho=self.nfw.density, radius_range=limits)


class TestUserTable:
    nfw = clm.NFW(5e14, 4.0, redshift=0.3)
    r = np.geomspace(1e-3, 30.0, 60)
    ends = {"inner": "power", "outer": "power"}

    def test_interpolates_between_the_radii(self):
        profile = clm.UserProfile(0.3, table=(self.r, self.nfw.density(self.r)), **self.ends)
        np.testing.assert_allclose(profile.density(self.r), self.nfw.density(self.r), rtol=1e-6)
        radii = np.geomspace(0.01, 3.0, 200)
        # cubic splines of 60 points, and a power law beyond 30 Mpc
        for name in ("surface_density", "excess_surface_density", "enclosed_mass"):
            expected = getattr(self.nfw, name)(radii)
            np.testing.assert_allclose(getattr(profile, name)(radii), expected, rtol=2e-4)

    def test_projection_of_the_interpolant(self):
        """The promise is about the spline itself: the same spline projected with scipy."""
        from scipy.integrate import quad
        from scipy.interpolate import CubicSpline

        r = np.array([0.01, 0.05, 0.2, 0.5, 1.0, 3.0, 10.0])
        rho = self.nfw.density(r) * np.array([1.0, 1.1, 0.9, 1.0, 1.2, 1.0, 0.8])
        profile = clm.UserProfile(0.3, table=(r, rho), inner="constant", outer="zero")
        spline = CubicSpline(np.log(r), np.log(rho))
        for R in (0.02, 0.3, 2.0):

            def along_the_line(u, R=R):
                x = R * np.cosh(u)
                return 2.0 * x * np.exp(spline(np.log(x)))

            edges = np.arccosh(np.concatenate([[R], r[r > R]]) / R)
            pieces = [
                quad(along_the_line, low, high, epsabs=0.0, epsrel=1e-11)[0]
                for low, high in pairwise(edges)
            ]
            assert abs(profile.surface_density(R) / sum(pieces) - 1.0) < 1e-6

    def test_array_is_kept(self):
        table = np.array([self.r, self.nfw.density(self.r)])
        profile = clm.UserProfile(0.3, table=table, **self.ends)
        before = profile.density(1.0)
        table *= 2.0
        assert profile.replace(rtol=1e-5).density(1.0) == pytest.approx(before, rel=1e-6)

    def test_wrong_tables(self):
        rho = self.nfw.density(self.r)
        with pytest.raises(ParameterError, match="inner"):
            clm.UserProfile(0.3, table=(self.r, rho), outer="power")
        with pytest.raises(ParameterError, match="outer"):
            clm.UserProfile(0.3, table=(self.r, rho), inner="power", outer="powr")
        with pytest.raises(ParameterError, match="radius_range"):
            clm.UserProfile(0.3, table=(self.r, rho), radius_range=(1.0, 9.0), **self.ends)
        bad = {
            "shape": (self.r, rho, rho),
            "increasing": (self.r[::-1], rho),
            "index 3": (self.r, np.where(np.arange(60) == 3, -1.0, rho)),
            "two rows": (self.r, rho[:-1]),
            "factor 4": (np.linspace(1.0, 2.0, 60), rho),
        }
        for message, table in bad.items():
            with pytest.raises(ParameterError, match=message):
                clm.UserProfile(0.3, table=table, **self.ends)
