"""What every profile must satisfy: state one canonical instance, inherit the tests.

A profile's test class derives from `ProfileContract`, sets `profile` and `several`, and where it
must, a looser tolerance with the reason beside it. `require_all_registered` makes an import fail
when a registered profile has no such class.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError
from clmassmod.profiles import registry
from clmassmod.profiles.base import RadialMass
from clmassmod.profiles.gradients import HaloGradients

MASS_QUANTITIES = (
    "density",
    "enclosed_mass",
    "surface_density",
    "mean_surface_density",
    "excess_surface_density",
    "enclosed_mass_2d",
    "surface_density_slope",
    "density_slope",
)
LENSING_QUANTITIES = (
    "convergence",
    "tangential_shear",
    "reduced_tangential_shear",
    "magnification",
)
UNITS = {
    "density": "Msun / Mpc3",
    "enclosed_mass": "Msun",
    "surface_density": "Msun / Mpc2",
    "mean_surface_density": "Msun / Mpc2",
    "excess_surface_density": "Msun / Mpc2",
    "enclosed_mass_2d": "Msun",
    "surface_density_slope": "Msun / Mpc2",
    "density_slope": "Msun / Mpc3",
}
BEHIND = 1.2
"""A source redshift behind every canonical lens."""


def evaluate(profile: RadialMass, name: str, radius: Any, **options: Any) -> Any:
    """Return any quantity of the contract, lensing ones for a source at `BEHIND`."""
    arguments = (BEHIND,) if name in LENSING_QUANTITIES else ()
    return getattr(profile, name)(radius, *arguments, **options)


def integrate(function: Callable[[Any], Any], low: float, high: float, panel: float = 0.5) -> float:
    """Integrate a smooth `function` by Gauss-Legendre of order 20 on panels of width `panel`."""
    panels = max(1, int(np.ceil((high - low) / panel)))
    node, weight = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(low, high, panels + 1)
    half = 0.5 * np.diff(edges)[:, None]
    points = edges[:-1, None] + half * (node + 1.0)
    return float(np.sum(half * weight * function(points)))


class ProfileContract:
    """The tests; a subclass states what they run on."""

    profile: ClassVar[RadialMass]
    """The canonical instance: one profile."""
    several: ClassVar[dict[str, Any]]
    """Arguments changed to make three profiles; at least one is an array (3,)."""
    bad_parameters: ClassVar[dict[str, tuple[float, ...]]] = {}
    """Values out of range by argument; NaN and inf are tried for each of them as well."""
    radii: ClassVar[Any] = np.geomspace(0.011, 4.7, 9)
    """Radii [Mpc] the identities are tested at."""
    identity: ClassVar[float] = 1e-13
    """Relative tolerance between answers that follow from one another by one operation."""
    quadrature: ClassVar[float] = 1e-11
    """Relative tolerance against quadrature here, itself good to about 1e-13."""
    gradient: ClassVar[float] = 1e-9
    """Relative tolerance of gradients against extrapolated differences, good to about 1e-11."""
    central_mass: ClassVar[float] = 0.0
    """Mass at r = 0 exactly [Msun]."""
    line_of_sight: ClassVar[float] = np.inf
    """Half-length of the projection [Mpc], for profiles projected over a finite depth."""
    together: ClassVar[float] = 0.0
    """Relative change allowed when other radii are asked for in the same call; 0: same bits."""
    has_density: ClassVar[bool] = True
    """False for profiles defined by their surface density alone."""

    @property
    def quantities(self) -> tuple[str, ...]:
        three_dimensional = ("density", "enclosed_mass", "density_slope")
        names = MASS_QUANTITIES + LENSING_QUANTITIES
        return tuple(n for n in names if self.has_density or n not in three_dimensional)

    @property
    def batch(self) -> RadialMass:
        return self.profile.replace(**self.several)

    def single(self, row: int) -> RadialMass:
        """Return profile `row` of the batch, built from scalars."""
        return self.profile.replace(
            **{
                name: value[row] if isinstance(value, np.ndarray) and value.ndim else value
                for name, value in self.several.items()
            }
        )

    def same(self, actual: Any, expected: Any) -> None:
        if self.together == 0.0:
            np.testing.assert_array_equal(actual, expected)
        else:
            np.testing.assert_allclose(actual, expected, rtol=self.together)

    # -- shapes ---------------------------------------------------------------------------------

    def test_shape(self):
        assert self.profile.shape == ()
        assert self.batch.shape == (3,)

    def test_scalar_is_array_is_grid(self):
        for name in self.quantities:
            array = evaluate(self.profile, name, self.radii)
            scalars = [evaluate(self.profile, name, R) for R in self.radii]
            grid = evaluate(self.profile, name, self.radii.reshape(3, 3))
            assert array.shape == self.radii.shape
            assert np.ndim(scalars[0]) == 0
            self.same(scalars, array)
            self.same(grid, array.reshape(3, 3))

    def test_independent_of_radii_asked_together(self):
        wide = np.concatenate([np.geomspace(1e-4, 1e2, 1000), self.radii, [1e-6, 3.0]])
        for name in self.quantities:
            alone = evaluate(self.profile, name, self.radii)
            self.same(evaluate(self.profile, name, wide)[1000:-2], alone)
            self.same(evaluate(self.profile, name, self.radii[::-1])[::-1], alone)

    def test_batch_times_radii(self):
        for name in self.quantities:
            values = evaluate(self.batch, name, self.radii)
            assert values.shape == (3, self.radii.size)
            for row in range(3):
                self.same(values[row], evaluate(self.single(row), name, self.radii))

    def test_paired_radii(self):
        radii = np.array([self.radii, 1.3 * self.radii, 0.4 * self.radii])
        for name in self.quantities:
            values = evaluate(self.batch, name, radii)
            assert values.shape == radii.shape
            for row in range(3):
                self.same(values[row], evaluate(self.single(row), name, radii[row]))

    def test_batch_at_one_radius(self):
        for name in self.quantities:
            values = evaluate(self.batch, name, 0.7)
            assert values.shape == (3,)
            self.same(values, [evaluate(self.single(row), name, 0.7) for row in range(3)])

    def test_no_radii(self):
        assert self.profile.surface_density(np.empty(0)).shape == (0,)
        assert self.batch.surface_density(np.empty(0)).shape == (3, 0)

    def test_wrong_shapes_are_refused(self):
        for radii in (np.ones((2, 5)), np.ones((3, 2, 2))):
            with pytest.raises(ParameterError, match="radius"):
                self.batch.surface_density(radii)
        name = next(n for n, value in self.several.items() if np.ndim(value) == 1)
        value = np.asarray(self.several[name])
        with pytest.raises(ParameterError):
            self.profile.replace(**{name: value.reshape(1, 3)})
        with pytest.raises(ParameterError):
            self.profile.replace(**{name: value, "redshift": np.array([0.2, 0.3])})

    def test_threads_give_the_same_bits(self):
        # above the size where the loop becomes parallel
        radii = np.geomspace(1e-3, 30.0, 3001)
        for name in self.quantities:
            one = evaluate(self.batch, name, radii, n_threads=1)
            for n_threads in (2, 3, 7, 0):
                other = evaluate(self.batch, name, radii, n_threads=n_threads)
                np.testing.assert_array_equal(other, one)

    # -- units and bad input --------------------------------------------------------------------

    def test_quantity_in_quantity_out(self):
        from astropy import units as u

        for name in self.quantities:
            values = evaluate(self.profile, name, self.radii * 1e3 * u.kpc)
            unit = UNITS.get(name, "")
            expected = evaluate(self.profile, name, (self.radii * 1e3 * u.kpc).to_value("Mpc"))
            assert values.unit == u.Unit(unit)
            np.testing.assert_array_equal(values.value, expected)
            one = evaluate(self.profile, name, 800.0 * u.kpc)
            assert one.unit == u.Unit(unit)
            assert one.shape == ()
        with pytest.raises(ParameterError, match="radius"):
            self.profile.surface_density(1.0 * u.arcsec)

    @pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
    def test_bad_radius_is_named(self, value):
        for name in self.quantities:
            with pytest.raises(ParameterError, match="index 2") as caught:
                evaluate(self.profile, name, np.array([0.1, 0.2, value, 0.3]))
            assert caught.value.name == "radius"
            np.testing.assert_equal(float(caught.value.value), value)

    def test_bad_parameters_are_named(self):
        cases = {"redshift": (-0.1,), **self.bad_parameters}
        for name, values in cases.items():
            for value in (*values, np.nan, np.inf):
                with pytest.raises(ParameterError, match=name) as caught:
                    self.profile.replace(**{name: value})
                assert caught.value.name == name

    def test_arguments_are_not_aliased(self):
        name = next(n for n, value in self.several.items() if np.ndim(value) == 1)
        value = np.array(self.several[name], dtype=float)
        batch = self.profile.replace(**{**self.several, name: value})
        before = batch.surface_density(self.radii)
        value *= 2.0
        np.testing.assert_array_equal(batch.surface_density(self.radii), before)
        assert batch == self.batch

    # -- identities -----------------------------------------------------------------------------

    def test_excess_is_mean_minus_local(self):
        mean = self.profile.mean_surface_density(self.radii)
        local = self.profile.surface_density(self.radii)
        excess = self.profile.excess_surface_density(self.radii)
        # near the centre of a core the difference itself cancels, so mean sets the scale
        assert np.all(np.abs(excess - (mean - local)) <= self.identity * np.maximum(mean, excess))

    def test_cylinder_mass_is_mean_times_area(self):
        np.testing.assert_allclose(
            self.profile.enclosed_mass_2d(self.radii),
            np.pi * self.radii**2 * self.profile.mean_surface_density(self.radii),
            rtol=self.identity,
        )

    def test_surface_density_is_projected_density(self):
        if not self.has_density:
            return
        expected = [self._projected(R) for R in self.radii]
        np.testing.assert_allclose(
            self.profile.surface_density(self.radii), expected, rtol=self.quadrature
        )

    def _projected(self, R: float) -> float:
        # l = R sinh u, r = R cosh u
        high = min(60.0, float(np.arcsinh(self.line_of_sight / R)))
        return integrate(
            lambda u: 2.0 * R * np.cosh(u) * self.profile.density(R * np.cosh(u)), 0.0, high
        )

    def test_sphere_mass_is_integrated_density(self):
        if not self.has_density:
            return
        self._check_mass(
            self.profile.enclosed_mass, lambda r: 4.0 * np.pi * r**3 * self.profile.density(r)
        )

    def test_cylinder_mass_is_integrated_surface_density(self):
        self._check_mass(
            self.profile.enclosed_mass_2d,
            lambda R: 2.0 * np.pi * R**2 * self.profile.surface_density(R),
        )

    def _check_mass(self, mass: Callable[[Any], Any], per_log_radius: Callable[[Any], Any]) -> None:
        at_radii = mass(self.radii)
        shells = [
            integrate(lambda s: per_log_radius(np.exp(s)), np.log(low), np.log(high))
            for low, high in zip(self.radii[:-1], self.radii[1:], strict=True)
        ]
        np.testing.assert_allclose(
            at_radii[1:], at_radii[0] + np.cumsum(shells), rtol=self.quadrature
        )
        # what the shells cannot see: no mass but the stated one sits at the centre
        first = integrate(
            lambda s: per_log_radius(np.exp(s)),
            np.log(1e-9 * self.radii[0]),
            np.log(self.radii[0]),
        )
        inside = mass(1e-9 * self.radii[0])
        np.testing.assert_allclose(inside + first, at_radii[0], rtol=self.quadrature)
        assert abs(inside - self.central_mass) <= 1e-3 * at_radii[0]

    def test_slope_is_derivative(self):
        self._check_slope("surface_density")
        if self.has_density:
            self._check_slope("density")

    def _check_slope(self, name: str) -> None:
        h = 1e-3
        sigma = getattr(self.profile, name)
        steps = [
            (sigma(self.radii * np.exp(k * h)) - sigma(self.radii * np.exp(-k * h))) / (2 * k * h)
            for k in (1, 2, 3)
        ]
        # Richardson to order h^6; the differences themselves carry rounding of 1e-16 / h
        expected = 1.5 * steps[0] - 0.6 * steps[1] + 0.1 * steps[2]
        scale = np.abs(expected) + np.abs(sigma(self.radii))
        actual = getattr(self.profile, f"{name}_slope")(self.radii)
        assert np.all(np.abs(actual - expected) <= self.slope_tolerance * scale)

    @property
    def slope_tolerance(self) -> float:
        """Differences over h = 1e-3 magnify the profile's own relative error a thousandfold."""
        return max(1e-11, 1e3 * self.together, 1e2 * self.identity)

    # -- lensing --------------------------------------------------------------------------------

    def test_lensing_follows_from_mass(self):
        inverse = 1.0 / clm.critical_surface_density(
            self.profile.redshift, BEHIND, self.profile.cosmology
        )
        kappa = self.profile.surface_density(self.radii) * inverse
        gamma = self.profile.excess_surface_density(self.radii) * inverse
        expected = {
            "convergence": kappa,
            "tangential_shear": gamma,
            "reduced_tangential_shear": gamma / (1.0 - kappa),
            "magnification": 1.0 / ((1.0 - kappa) ** 2 - gamma**2),
        }
        # 1 - kappa and the determinant cancel near critical curves: loosen by what they lose
        gain = np.maximum(1.0, np.abs(expected["magnification"])) * (1.0 + kappa + gamma) ** 2
        for name, values in expected.items():
            actual = evaluate(self.profile, name, self.radii)
            assert np.all(np.abs(actual - values) <= self.identity * gain * np.abs(values))

    def test_sources_in_front_are_not_lensed(self):
        for z_s in (0.0, float(self.profile.redshift)):
            for name in LENSING_QUANTITIES:
                values = getattr(self.profile, name)(self.radii, z_s)
                expected = 1.0 if name == "magnification" else 0.0
                np.testing.assert_array_equal(values, np.full(self.radii.shape, expected))

    def test_one_source_redshift_a_point(self):
        z_s = np.linspace(0.1, 2.0, self.radii.size)
        for name in LENSING_QUANTITIES:
            values = getattr(self.profile, name)(self.radii, z_s)
            single = [
                getattr(self.profile, name)(R, z) for R, z in zip(self.radii, z_s, strict=True)
            ]
            # astropy's distance to an array of redshifts differs from the scalar one by rounding
            np.testing.assert_allclose(values, single, rtol=1e-10)

    # -- identity of the object -----------------------------------------------------------------

    def test_pickle_round_trip(self):
        for profile in (self.profile, self.batch):
            other = pickle.loads(pickle.dumps(profile))
            assert other == profile
            for name in self.quantities:
                np.testing.assert_array_equal(
                    evaluate(other, name, self.radii), evaluate(profile, name, self.radii)
                )

    def test_equality(self):
        assert self.profile == self.profile.replace()
        assert self.batch == self.batch
        assert self.profile != self.batch
        assert self.profile != self.profile.replace(redshift=0.123)
        assert self.profile != "a profile"

    def test_replace(self):
        changed = self.profile.replace(redshift=0.123)
        assert type(changed) is type(self.profile)
        assert changed.redshift == 0.123
        with pytest.raises(ParameterError, match="no_such_argument"):
            self.profile.replace(no_such_argument=1.0)

    def test_repr(self):
        text = repr(self.profile)
        assert text.startswith(f"{type(self.profile).__name__}(")
        assert text.endswith(")")
        assert "redshift=" in text
        assert len(text) < 300
        assert len(repr(self.batch)) < 300

    # -- gradients ------------------------------------------------------------------------------

    def test_gradient_is_derivative(self):
        if not isinstance(self.profile, HaloGradients):
            return
        # beside a critical curve the magnification has a pole that differences cannot resolve
        usable = np.abs(self.profile.magnification(self.radii, BEHIND)) < 5.0
        assert usable.sum() > 3
        for name in self.quantities:
            if name.endswith("_slope"):
                continue  # would need second derivatives
            z_s = BEHIND if name in LENSING_QUANTITIES else None
            for parameter, actual in self.profile.gradient(name, self.radii, z_s).items():
                expected, scale = self._difference(name, parameter)
                assert actual.shape == self.radii.shape
                error = np.abs(actual - expected)
                assert np.all((error <= self.gradient * scale)[usable]), (name, parameter)

    def _difference(self, name: str, parameter: str) -> tuple[Any, Any]:
        value = float(getattr(self.profile, parameter))

        def at(step: float) -> Any:
            changed = self.profile.replace(**{parameter: value * np.exp(step)})
            return evaluate(changed, name, self.radii)

        steps = [(at(k * 1e-3) - at(-k * 1e-3)) / (2e-3 * k) for k in (1, 2, 3)]
        expected = (1.5 * steps[0] - 0.6 * steps[1] + 0.1 * steps[2]) / value
        return expected, np.abs(expected) + np.abs(at(0.0)) / value

    def test_gradient_of_batch(self):
        if not isinstance(self.profile, HaloGradients):
            return
        batch = self.batch.gradient("reduced_tangential_shear", self.radii, BEHIND)
        for row in range(3):
            single = self.single(row).gradient("reduced_tangential_shear", self.radii, BEHIND)
            assert single.keys() == batch.keys()
            for parameter, values in single.items():
                assert batch[parameter].shape == (3, self.radii.size)
                # the factors outside the core are formed by numpy for a row or a scalar
                np.testing.assert_allclose(batch[parameter][row], values, rtol=1e-12)


def _all_subclasses(cls: type) -> Iterable[type]:
    for child in cls.__subclasses__():
        yield child
        yield from _all_subclasses(child)


def require_all_registered() -> None:
    """Raise when a registered profile has no contract class with a canonical instance."""
    stated = {
        type(c.profile).__name__
        for c in _all_subclasses(ProfileContract)
        if getattr(c, "profile", None) is not None
    }
    missing = sorted(set(registry.profile_names()) - stated)
    if missing:
        raise AssertionError(f"no canonical instance in test_profile_contract.py: {missing}")
