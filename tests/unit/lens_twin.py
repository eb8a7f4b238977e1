"""The slow, obvious twin of the lens engine: one Sersic + gNFW lens at a time.

Nothing here uses clmassmod. Two arithmetics share the lensing: `Twin` in doubles (Gauss rules on
panels, brentq; about 1e-13) and `LongTwin` in mpmath (30 digits). Lengths are physical kpc in the
lens plane, masses Msun. The cosmology is flat, H0 = 70, Omega_m = 0.3, no radiation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import mpmath
import numpy as np
from astropy import constants, units
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv, gammaln

H0, OMEGA_M = 70.0, 0.3
DIGITS = 30
INNERMOST, OUTERMOST = 1e-12, 1e7
"""Radii [kpc] within which critical radii are looked for."""

# the constants as exact decimals: GM_sun (IAU 2015) over G (CODATA 2018) is a solar mass
_GM_SUN = constants.GM_sun.to_value("m3 / s2")
_C = constants.c.to_value("m / s")
_KPC = units.kpc.to("m")
_MPC = units.Mpc.to("m")


class Images(NamedTuple):
    """Positions [kpc] with their sign, signed magnifications, and the delay of B [days]."""

    x_a: Any
    x_b: Any
    mu_a: Any
    mu_b: Any
    time_delay: Any


@dataclass(frozen=True)
class Twin:
    """One lens; arguments as `clmassmod.stronglens.LensModel` has them, scalars only."""

    log_mstar: float
    log_mhalo: float
    log_re: float
    z_l: float = 0.3
    z_s: float = 2.0
    gamma_in: float = 1.0
    c200: float = 5.0
    sersic_n: float = 4.0
    halo: str = "m200c"
    scale_radius: float | None = None

    # -- arithmetic ---------------------------------------------------------------------------

    def number(self, value: Any) -> Any:
        """Return `value` in this arithmetic."""
        return float(value)

    pi: Any = math.pi

    def integral(self, function: Any, low: Any, high: Any) -> Any:
        """Integrate a smooth function from low to high."""
        nodes, weights = _gauss(24)
        edges = np.geomspace(low, high, 9) if low > 0.0 else np.linspace(low, high, 9)
        half = 0.5 * np.diff(edges)[:, None]
        at = edges[:-1, None] + half * (1.0 + nodes)
        values = np.reshape([function(t) for t in at.ravel()], at.shape)
        return float(np.sum(half * weights * values))

    def root(self, function: Any, low: float, high: float) -> Any:
        """Return the root between low and high, whose signs differ."""
        return brentq(function, low, high, xtol=1e-300, rtol=9e-16, maxiter=500)

    def star_shape(self, x: Any) -> tuple[Any, Any]:
        """Return mass fraction inside x = R / R_e, and Sigma R_e^2 / M."""
        n = self.sersic_n
        b = gammaincinv(2.0 * n, 0.5)
        u = b * x ** (1.0 / n)
        lead = math.exp(2.0 * n * math.log(b) - gammaln(2.0 * n)) / (2.0 * math.pi * n)
        return float(gammainc(2.0 * n, u)), lead * math.exp(-u)

    def sphere_shape(self, x: Any) -> Any:
        """Return the gNFW mass inside a sphere over 4 pi rho_s r_s^3, x = r / r_s."""
        a = 3.0 - self.gamma_in
        u, w = _panels(0.0, 40.0 / a, 100)
        return float(np.sum(w * (x * np.exp(-u) / (1.0 + x * np.exp(-u))) ** a))

    def halo_shape(self, x: Any) -> tuple[Any, Any]:
        """Return gNFW mass in a cylinder and surface density, for rho_s = r_s = 1."""
        a = 3.0 - self.gamma_in
        # sin t + x varies over t ~ x: one panel inside, then panels that double
        split = min(x, 0.5)
        count = max(1, math.ceil(math.log2(0.5 * math.pi / split)))
        edges = np.concatenate(([0.0], np.geomspace(split, 0.5 * math.pi, count + 1)))
        nodes, weights = _gauss(24)
        half = 0.5 * np.diff(edges)[:, None]
        t, w = edges[:-1, None] + half * (1.0 + nodes), half * weights
        sin, cos = np.sin(t), np.cos(t)
        power = (sin + x) ** -a
        outside = float(np.sum(w * power * sin * cos / (1.0 + cos)))
        sigma = 2.0 * x ** (a - 2.0) * float(np.sum(w * power * sin))
        return 4.0 * math.pi * (self.sphere_shape(x) + x**a * outside), sigma

    # -- scales -------------------------------------------------------------------------------

    @cached_property
    def gravity(self) -> Any:
        """G [kpc^3 / Msun / s^2]."""
        return self.number(_GM_SUN) / self.number(_KPC) ** 3

    @cached_property
    def light(self) -> Any:
        """Speed of light [kpc / s]."""
        return self.number(_C) / self.number(_KPC)

    @cached_property
    def distances(self) -> tuple[Any, Any, Any]:
        """Angular-diameter distances D_d, D_s, D_ds [kpc]."""
        z_l, z_s = self.number(self.z_l), self.number(self.z_s)
        near = self.integral(self._inverse_hubble, self.number(0), z_l)
        far = self.integral(self._inverse_hubble, self.number(0), z_s)
        return near / (1 + z_l), far / (1 + z_s), (far - near) / (1 + z_s)

    @property
    def _hubble_constant(self) -> Any:
        return self.number(H0) * 1000 / self.number(_MPC)  # 1/s

    def _inverse_hubble(self, z: Any) -> Any:
        return self.light / (self._hubble_constant * self._expansion(z) ** self.number(0.5))

    def _expansion(self, z: Any) -> Any:
        matter = self.number(OMEGA_M)
        return matter * (1 + z) ** 3 + 1 - matter

    @cached_property
    def critical_surface_density(self) -> Any:
        """Sigma_cr [Msun / kpc^2]."""
        near, far, between = self.distances
        return self.light**2 * far / (4 * self.pi * self.gravity * near * between)

    @cached_property
    def critical_density(self) -> Any:
        """rho_c at the lens [Msun / kpc^3]."""
        rate = self._hubble_constant**2 * self._expansion(self.number(self.z_l))
        return 3 * rate / (8 * self.pi * self.gravity)

    @cached_property
    def halo_scales(self) -> tuple[Any, Any]:
        """Scale radius r_s [kpc] and rho_s r_s^3 [Msun]."""
        mass, third = self.number(10) ** self.number(self.log_mhalo), self.number(1) / 3
        if self.halo == "m5kpc":
            r_s = self.number(self.scale_radius)
            return r_s, mass / self.halo_shape(5 / r_s)[0]
        c = self.number(self.c200)
        volume = 4 * self.pi * 200 * self.critical_density / 3
        return (mass / volume) ** third / c, mass / (4 * self.pi * self.sphere_shape(c))

    @cached_property
    def star_scales(self) -> tuple[Any, Any]:
        """R_e [kpc] and M* [Msun]."""
        return (
            self.number(10) ** self.number(self.log_re),
            self.number(10) ** self.number(self.log_mstar),
        )

    # -- lensing ------------------------------------------------------------------------------

    def halo_mass_within(self, x: Any) -> Any:
        """Dark mass inside the cylinder of radius x [Msun]."""
        r_s, mass = self.halo_scales
        return mass * self.halo_shape(self.number(x) / r_s)[0]

    def parts(self, x: Any) -> tuple[Any, Any, Any, Any]:
        """Return deflection [kpc] and convergence of the stars, then of the halo."""
        x = self.number(x)
        (r_e, m_star), (r_s, m_halo) = self.star_scales, self.halo_scales
        inside, local = self.star_shape(x / r_e)
        mass, sigma = self.halo_shape(x / r_s)
        per_mass = 1 / (self.pi * x * self.critical_surface_density)
        return (
            m_star * inside * per_mass,
            m_star * local / r_e**2 / self.critical_surface_density,
            m_halo * mass * per_mass,
            m_halo * sigma / r_s**2 / self.critical_surface_density,
        )

    def deflection(self, x: Any) -> Any:
        """alpha = m / (pi x Sigma_cr) [kpc]."""
        stars, _, halo, _ = self.parts(x)
        return stars + halo

    def convergence(self, x: Any) -> Any:
        """kappa = Sigma / Sigma_cr."""
        _, stars, _, halo = self.parts(x)
        return stars + halo

    def eigenvalues(self, x: Any) -> tuple[Any, Any]:
        """Tangential T = 1 - kbar and radial R = 1 + kbar - 2 kappa."""
        kbar = self.deflection(x) / self.number(x)
        return 1 - kbar, 1 + kbar - 2 * self.convergence(x)

    def magnification(self, x: Any) -> Any:
        """mu = 1 / (T R)."""
        tangential, radial = self.eigenvalues(x)
        return 1 / (tangential * radial)

    @cached_property
    def einstein_radius(self) -> Any:
        """Where T = 0 [kpc]; nan if nowhere."""
        return self._found(self._ring_bracket, 0)

    @cached_property
    def radial_critical_radius(self) -> Any:
        """The outermost radius where R = 0 [kpc]; nan if nowhere."""
        return self._found(self._radial_bracket, 1)

    def _found(self, bracket: tuple[float, float] | None, which: int) -> Any:
        if bracket is None:
            return self.number("nan")
        return self.root(lambda x: self.eigenvalues(x)[which], *bracket)

    @cached_property
    def _ring_bracket(self) -> tuple[float, float] | None:
        radii = np.geomspace(OUTERMOST, INNERMOST, 400)
        return _sign_change(lambda x: self.eigenvalues(x)[0], radii)

    @cached_property
    def _radial_bracket(self) -> tuple[float, float] | None:
        ring = float(self.einstein_radius)
        if math.isnan(ring):
            return None
        # near the ring in small steps, where two roots may be close
        radii = np.concatenate((np.linspace(ring, 0.1 * ring, 200), np.geomspace(ring, 1e-12, 400)))
        radii = np.sort(radii)[::-1]
        return _sign_change(lambda x: self.eigenvalues(x)[1], radii)

    @cached_property
    def caustic_radius(self) -> Any:
        """y_c = alpha(x_rad) - x_rad [kpc]; nan without a radial critical curve."""
        radial = self.radial_critical_radius
        return radial if math.isnan(float(radial)) else self.deflection(radial) - radial

    def outer_image(self, beta: Any) -> Any:
        """x_A [kpc]."""
        ring, beta = self.einstein_radius, self.number(beta)
        if beta == 0:
            return ring
        far = 2 * ring + beta
        # a cored lens goes on deflecting more for a while
        while far - self.deflection(far) < beta:
            far *= 2
        return self.root(lambda x: x - self.deflection(x) - beta, ring, far)

    def inner_image(self, beta: Any) -> Any:
        """x_B [kpc, < 0]."""
        ring, beta = self.einstein_radius, self.number(beta)
        if beta == 0:
            return -ring
        inner = self.radial_critical_radius
        if math.isnan(float(inner)):
            inner = self.number(INNERMOST)
        return -self.root(lambda x: self.deflection(x) - x - beta, inner, ring)

    def central_image(self, beta: Any) -> Any:
        """x_C [kpc, < 0], between the centre and the radial critical curve."""
        inner, beta = self.radial_critical_radius, self.number(beta)
        return -self.root(lambda x: self.deflection(x) - x - beta, self.number(1e-14), inner)

    def images(self, beta: Any) -> Images:
        """Both images of a source at beta [kpc], 0 < beta < y_c."""
        x_a, x_b = self.outer_image(beta), self.inner_image(beta)
        mu_a, mu_b = self.magnification(x_a), self.magnification(-x_b)
        return Images(x_a, x_b, mu_a, mu_b, self.time_delay(beta, x_a, x_b))

    @cached_property
    def delay_unit(self) -> Any:
        """Days per kpc^2 of Fermat potential: (1 + z_l) / c D_s / (D_d D_ds)."""
        near, far, between = self.distances
        return (1 + self.number(self.z_l)) / self.light * far / (near * between) / 86400

    def time_delay(self, beta: Any, x_a: Any, x_b: Any) -> Any:
        """Arrival of B after A [days]."""
        beta, b = self.number(beta), -x_b
        path = ((b + beta) ** 2 - (x_a - beta) ** 2) / 2
        return self.delay_unit * (path + self.integral(self.deflection, b, x_a))


@dataclass(frozen=True)
class LongTwin(Twin):
    """The same in 30-digit arithmetic; brackets of the roots come from the doubles."""

    def number(self, value: Any) -> Any:
        return mpmath.mpf(value)

    def __post_init__(self) -> None:
        mpmath.mp.dps = max(mpmath.mp.dps, DIGITS)
        object.__setattr__(self, "pi", +mpmath.pi)

    @cached_property
    def _short(self) -> Twin:
        names = Twin.__dataclass_fields__.keys() - {"pi"}
        return Twin(**{name: getattr(self, name) for name in names})

    def integral(self, function: Any, low: Any, high: Any) -> Any:
        return mpmath.quad(function, [low, (low + high) / 2, high])

    def root(self, function: Any, low: Any, high: Any) -> Any:
        return mpmath.findroot(
            function, (self.number(low), self.number(high)), solver="anderson", tol=1e-50
        )

    def star_shape(self, x: Any) -> tuple[Any, Any]:
        n = self.number(self.sersic_n)
        b = _long_bn(self.sersic_n)
        u = b * x ** (1 / n)
        lead = b ** (2 * n) / (2 * self.pi * n * mpmath.gamma(2 * n))
        return mpmath.gammainc(2 * n, 0, u, regularized=True), lead * mpmath.exp(-u)

    def sphere_shape(self, x: Any) -> Any:
        a = 3 - self.number(self.gamma_in)
        return x**a / a * mpmath.hyp2f1(a, a, a + 1, -x)

    def halo_shape(self, x: Any) -> tuple[Any, Any]:
        a = 3 - self.number(self.gamma_in)
        edges = [0, *(p for p in (x, 10 * x, 100 * x, 1000 * x) if p < 1), self.pi / 2]

        def outside(t: Any) -> Any:
            sin, cos = mpmath.sin(t), mpmath.cos(t)
            return (sin + x) ** -a * sin * cos / (1 + cos)

        beyond = mpmath.quad(outside, edges)
        sigma = mpmath.quad(lambda t: (mpmath.sin(t) + x) ** -a * mpmath.sin(t), edges)
        mass = 4 * self.pi * (self.sphere_shape(x) + x**a * beyond)
        return mass, 2 * x ** (a - 2) * sigma

    @cached_property
    def _ring_bracket(self) -> tuple[float, float] | None:
        return _around(self._short.einstein_radius)

    @cached_property
    def _radial_bracket(self) -> tuple[float, float] | None:
        return _around(self._short.radial_critical_radius)


def _around(x: float) -> tuple[float, float] | None:
    return None if math.isnan(x) else (x * (1.0 - 1e-9), x * (1.0 + 1e-9))


def _sign_change(function: Any, radii: Any) -> tuple[float, float] | None:
    """Return the first two neighbours among falling `radii` where the sign turns negative."""
    outer = radii[0]
    for inner in radii[1:]:
        if function(inner) < 0.0:
            return float(inner), float(outer)
        outer = inner
    return None


@cache
def _gauss(count: int) -> tuple[Any, Any]:
    return np.polynomial.legendre.leggauss(count)


@cache
def _panels(low: float, high: float, count: int) -> tuple[Any, Any]:
    nodes, weights = _gauss(16)
    edges = np.linspace(low, high, count + 1)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1.0 + nodes)).ravel(), (half * weights).ravel()


@cache
def _long_bn(n: float) -> Any:
    """b_n: half of Gamma(2n) is within b."""
    return mpmath.findroot(
        lambda b: mpmath.gammainc(2 * mpmath.mpf(n), 0, b, regularized=True) - 0.5,
        float(gammaincinv(2.0 * n, 0.5)),
    )


REFERENCES = {
    # design document of the strong-lens part, section 5: log M*, log R_e, log M_h, gamma,
    # beta / y_c -> theta_E, x_rad, y_c, x_A, x_B [kpc], mu_A, mu_B, delay [days]; mpmath, 13 digits
    (11.5, 0.9, 13.0, 1.0, 0.5): (
        4.849775675379,
        0.760572935965,
        3.502521959499,
        6.620633941128,
        -3.07240697064,
        3.834573570823,
        -1.809900003379,
        37.20875,
    ),
    (11.5, 0.9, 13.0, 1.5, 0.5): (
        7.692066799613,
        1.149266126576,
        5.251403373379,
        10.3986365852,
        -4.898845703505,
        4.049731383055,
        -2.050962592025,
        88.33713,
    ),
}
GNFW_VALUES = {
    # gamma, x -> mass in the cylinder, surface density, for rho_s = r_s = 1 (the same section)
    (0.0, 0.01): (3.13960604105134e-4, 0.99881018485884),
    (0.5, 0.03): (6.57663053995015e-3, 2.23750552228884),
    (1.0, 0.05): (0.0501824561338767, 5.39924380368729),
    (1.4, 0.05): (0.141313105967294, 12.9098153962706),
    (2.0, 0.1): (1.75384420704023, 25.3993222361883),
}
