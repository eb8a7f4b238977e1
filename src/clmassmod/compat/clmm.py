"""The functional theory interface of CLMM 1.16, over the profiles of this package.

Names, arguments, their order and their defaults are CLMM's; neither CLMM nor CCL is needed.
Physical Mpc and Msun, no h. `cosmo` is an astropy cosmology, or None for the default of this
package. What differs from CLMM with its CCL backend:

- ``massdef="virial"`` is Bryan & Norman (1998) everywhere and `delta_mdef` is then not used.
  CLMM agrees in densities and lensing; its `compute_rdelta`, `compute_profile_mass_in_radius`
  and `convert_profile_mass_concentration` take `delta_mdef` times the critical density.
- Matter is ``Om0`` of the cosmology: a CLMM cosmology of default neutrinos counts their mass in,
  ``cosmo["Omega_m0"]``, which makes its mean density 0.44 % larger at Omega_m = 0.3, h = 0.7.
- Where CLMM computes Einasto projections by a fast Hankel transform of the radii given, a value
  here does not depend on the other radii.
- Sources at ``z_src <= z_cluster`` give shear 0 and magnification 1 without a warning.
- Masses, concentrations and redshifts may be arrays (n,); the result is then (n, m).
- Arguments without a meaning here (`verbose`, `validate_input`, `mis_from_backend`,
  `use_projected_quad`) are accepted and change nothing; input is always checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ParameterError
from ..profiles.base import parameter
from ..sources import SourceDistribution
from ..units import as_float_array
from ._clmm_arguments import (
    Z_INF,
    astropy_cosmology,
    beta_moments,
    check_approximation,
    concentration_where_zero,
    expanded_magnification_bias,
    first_axis,
    halo_of,
    lensed_sources,
    mass_definition,
    mean_inverse,
    model_named,
    need_slope,
    profile_of,
    seen_from,
)

if TYPE_CHECKING:
    from astropy.cosmology import FLRW


# -- densities ---------------------------------------------------------------------------------


def compute_3d_density(
    r3d: Any,
    mdelta: Any,
    cdelta: Any,
    z_cl: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Density at `r3d` [Msun / Mpc^3].

    Parameters
    ----------
    r3d : float or array, physical Mpc, > 0
    mdelta : float or (n,), Msun, > 0
        Mass inside the radius of the mass definition.
    cdelta : float or (n,), > 0
        ``R_Delta / r_s``; r_s is r_-2 for Einasto.
    z_cl : float or (n,), >= 0
    cosmo : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``, not the default cosmology of CLMM.
    delta_mdef : float, > 0
        Overdensity; not used with ``massdef="virial"``.
    halo_profile_model : {"nfw", "einasto", "hernquist"}
        Upper and lower case are the same.
    massdef : {"mean", "critical", "virial"}
        Virial is that of Bryan & Norman (1998).
    alpha_ein : float or (n,), optional
        Slope of the Einasto profile, not to be given for another one. None is
        ``0.155 + 0.0095 nu(M_vir)^2`` (Gao et al. 2008) with sigma8 = 0.8 and n_s = 0.96, as in
        CLMM with CCL; it needs a cosmology with ``Ob0`` and ``Tcmb0``. (CLMM with NumCosmo
        takes 0.25.)
    verbose, validate_input
        Without effect.

    Raises
    ------
    ParameterError
        An argument is out of range, or `cosmo` is not an astropy cosmology.

    Examples
    --------
    >>> from clmassmod.compat.clmm import compute_excess_surface_density
    >>> print(f"{compute_excess_surface_density(1.0, 1e15, 4.0, 0.3, None):.4e}")
    1.0988e+14
    """
    halo = halo_of(mdelta, cdelta, z_cl, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein)
    return halo.density(r3d)


def compute_surface_density(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cl: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    r_mis: float | None = None,
    mis_from_backend: bool = False,
    verbose: bool = False,
    use_projected_quad: bool = False,
    validate_input: bool = True,
) -> Any:
    """Surface density at `r_proj` [Msun / Mpc^2].

    Parameters
    ----------
    r_proj : float or array, physical Mpc, > 0
    mdelta, cdelta, z_cl, cosmo, delta_mdef, halo_profile_model, massdef, alpha_ein
        As for `compute_3d_density`.
    r_mis : float, physical Mpc, optional
        Distance of the centre used from that of the mass: averages over circles around it.
    mis_from_backend, verbose, use_projected_quad, validate_input
        Without effect.

    Raises
    ------
    ParameterError
        As for `compute_3d_density`, or `r_mis` is negative.
    """
    halo = halo_of(mdelta, cdelta, z_cl, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein)
    return seen_from(r_mis, halo).surface_density(r_proj)


def compute_mean_surface_density(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cl: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    r_mis: float | None = None,
    mis_from_backend: bool = False,
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Mean surface density inside `r_proj` [Msun / Mpc^2].

    Parameters and errors are those of `compute_surface_density`.
    """
    halo = halo_of(mdelta, cdelta, z_cl, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein)
    return seen_from(r_mis, halo).mean_surface_density(r_proj)


def compute_excess_surface_density(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cl: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    r_mis: float | None = None,
    mis_from_backend: bool = False,
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Excess surface density at `r_proj`, mean minus local [Msun / Mpc^2].

    Parameters and errors are those of `compute_surface_density`. It is computed as such, not
    as a difference, so that small radii lose no digits.
    """
    halo = halo_of(mdelta, cdelta, z_cl, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein)
    return seen_from(r_mis, halo).excess_surface_density(r_proj)


# -- lensing -----------------------------------------------------------------------------------


def compute_tangential_shear(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cluster: Any,
    z_src: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    z_src_info: str = "discrete",
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Tangential shear at `r_proj`.

    Parameters
    ----------
    r_proj : float or array, physical Mpc, > 0
    mdelta, cdelta, cosmo, delta_mdef, halo_profile_model, massdef, alpha_ein
        As for `compute_3d_density`.
    z_cluster : float or (n,), > 0
    z_src : float, array, callable or pair of float
        By `z_src_info`.
    z_src_info : {"discrete", "distribution", "beta"}
        ``"discrete"``: `z_src` is the redshift of all sources, or one for each radius.
        ``"distribution"``: `z_src` is a function n(z), not necessarily normalised, taken
        between ``z_cluster + 0.1`` and 10; CLMM documents this and raises KeyError.
        ``"beta"``: `z_src` is ``(<beta_s>, <beta_s^2>)``, ``beta_s = beta(z) / beta(1000)``.
    verbose, validate_input
        Without effect.

    Raises
    ------
    ParameterError
        As for `compute_3d_density`, or the sources are not what `z_src_info` says.
    """
    halo = halo_of(
        mdelta, cdelta, z_cluster, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein
    )
    if z_src_info == "beta":
        return beta_moments(z_src)[0] * halo.tangential_shear(r_proj, Z_INF)
    return halo.tangential_shear(r_proj, lensed_sources(z_src, z_src_info, z_cluster))


def compute_convergence(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cluster: Any,
    z_src: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    z_src_info: str = "discrete",
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Convergence at `r_proj`.

    Parameters and errors are those of `compute_tangential_shear`.
    """
    halo = halo_of(
        mdelta, cdelta, z_cluster, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein
    )
    if z_src_info == "beta":
        return beta_moments(z_src)[0] * halo.convergence(r_proj, Z_INF)
    return halo.convergence(r_proj, lensed_sources(z_src, z_src_info, z_cluster))


def compute_reduced_tangential_shear(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cluster: Any,
    z_src: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    z_src_info: str = "discrete",
    approx: str | None = None,
    integ_kwargs: Mapping[str, Any] | None = None,
    alpha_ein: Any = None,
    validate_input: bool = True,
    verbose: bool = False,
) -> Any:
    """Reduced tangential shear at `r_proj`.

    Parameters
    ----------
    r_proj, mdelta, cdelta, z_cluster, z_src, cosmo, delta_mdef, halo_profile_model, massdef
        As for `compute_tangential_shear`.
    z_src_info : {"discrete", "distribution", "beta"}
        As for `compute_tangential_shear`; ``"beta"`` needs `approx`, the others exclude it.
    approx : {None, "order1", "order2"}
        None: exact for one redshift; over n(z), the mean of gamma_t / (1 - kappa).
        ``"order1"``: ``g1 = <b> gamma / (1 - <b> kappa)`` with gamma, kappa at z = 1000.
        ``"order2"``: ``g1 (1 + (<b^2> / <b>^2 - 1) <b> kappa)`` (Seitz & Schneider 1997).
    integ_kwargs : mapping, optional
        Limits of n(z): ``zmin``, ``zmax`` (10), ``delta_z_cut`` (0.1, `zmin` less `z_cluster`
        where that is not given). With ``zmin < z_cluster`` the sources in front dilute (CLMM:
        NaN).
    alpha_ein
        As for `compute_3d_density`.
    validate_input, verbose
        Without effect.

    Raises
    ------
    ParameterError
        As for `compute_tangential_shear`, or `approx` does not go with `z_src_info`.
    """
    check_approximation(approx, z_src_info)
    halo = halo_of(
        mdelta, cdelta, z_cluster, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein
    )
    if approx is None:
        sources = lensed_sources(z_src, z_src_info, z_cluster, integ_kwargs)
        return halo.reduced_tangential_shear(r_proj, sources)
    mean, square = beta_moments(z_src)
    shear, kappa = halo.tangential_shear(r_proj, Z_INF), halo.convergence(r_proj, Z_INF)
    first_order = mean * shear / (1.0 - mean * kappa)
    if approx == "order1":
        return first_order
    return first_order + (square - mean**2) * kappa * shear / (1.0 - mean * kappa)


def compute_magnification(
    r_proj: Any,
    mdelta: Any,
    cdelta: Any,
    z_cluster: Any,
    z_src: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    z_src_info: str = "discrete",
    approx: str | None = None,
    integ_kwargs: Mapping[str, Any] | None = None,
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Magnification at `r_proj`, signed.

    Parameters and errors are those of `compute_reduced_tangential_shear`, but for `approx`:
    ``"order1"`` is ``1 + 2 <b> kappa``, ``"order2"`` adds ``<b^2> (3 kappa^2 + gamma^2)``, with
    gamma and kappa at z = 1000.
    """
    check_approximation(approx, z_src_info)
    halo = halo_of(
        mdelta, cdelta, z_cluster, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein
    )
    if approx is None:
        return halo.magnification(
            r_proj, lensed_sources(z_src, z_src_info, z_cluster, integ_kwargs)
        )
    return expanded_magnification_bias(halo, r_proj, 2.0, beta_moments(z_src), approx)


def compute_magnification_bias(
    r_proj: Any,
    alpha: Any,
    mdelta: Any,
    cdelta: Any,
    z_cluster: Any,
    z_src: Any,
    cosmo: FLRW | None,
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    massdef: str = "mean",
    alpha_ein: Any = None,
    z_src_info: str = "discrete",
    approx: str | None = None,
    integ_kwargs: Mapping[str, Any] | None = None,
    verbose: bool = False,
    validate_input: bool = True,
) -> Any:
    """Magnification bias ``mu^(alpha - 1)`` at `r_proj`.

    Parameters
    ----------
    r_proj, mdelta, cdelta, z_cluster, z_src, cosmo
        As for `compute_reduced_tangential_shear`, and all arguments from `delta_mdef` on.
    alpha : float or (k,)
        Slope of the cumulative counts; an array is the first axis of the result (k, ...).
    approx : {None, "order1", "order2"}
        None: over n(z), the mean of ``mu^(alpha - 1)``. Otherwise its expansion to first or
        second order in gamma and kappa at z = 1000.

    Returns
    -------
    float or array
        NaN where a negative magnification has no such power.

    Raises
    ------
    ParameterError
        As for `compute_reduced_tangential_shear`.
    """
    check_approximation(approx, z_src_info)
    halo = halo_of(
        mdelta, cdelta, z_cluster, cosmo, massdef, delta_mdef, halo_profile_model, alpha_ein
    )
    if approx is not None:
        return expanded_magnification_bias(halo, r_proj, alpha, beta_moments(z_src), approx)
    sources = lensed_sources(z_src, z_src_info, z_cluster, integ_kwargs)
    if not isinstance(sources, SourceDistribution):
        magnification = halo.magnification(r_proj, sources)
        return compute_magnification_bias_from_magnification(magnification, alpha)
    planes = [np.asarray(halo.magnification(r_proj, z)) for z in sources.redshift]
    bias = compute_magnification_bias_from_magnification(np.stack(planes, axis=-1), alpha)
    return (bias @ sources.weight)[()]


def compute_magnification_bias_from_magnification(magnification: Any, alpha: Any) -> Any:
    """Return ``magnification^(alpha - 1)``.

    Parameters
    ----------
    magnification : float or array
    alpha : float or (k,)
        An array is the first axis of the result (k, ...).

    Returns
    -------
    float or array
        NaN where a negative magnification has no such power.
    """
    mu = as_float_array(magnification, "", "magnification")
    with np.errstate(invalid="ignore"):
        return (mu ** (first_axis(alpha, mu.ndim) - 1.0))[()]


def compute_reduced_shear_from_convergence(shear: Any, convergence: Any) -> Any:
    """Return ``shear / (1 - convergence)``, elementwise."""
    kappa = as_float_array(convergence, "", "convergence")
    return (as_float_array(shear, "", "shear") / (1.0 - kappa))[()]


def compute_critical_surface_density_eff(
    cosmo: FLRW | None, z_cluster: float, pzbins: Any, pzpdf: Any, validate_input: bool = True
) -> Any:
    """Effective critical surface density ``1 / <Sigma_crit^-1>`` over p(z) [Msun / Mpc^2].

    Parameters
    ----------
    cosmo : astropy cosmology or None
    z_cluster : float, > 0
    pzbins : (k,) or (n, k) array_like, strictly increasing
        Redshifts at which p(z) is given, those of all sources or of each.
    pzpdf : (k,) or (n, k) array_like, >= 0
        p(z), linear in between and 0 outside; it need not be normalised.
    validate_input
        Without effect.

    Returns
    -------
    float or (n,)
        inf where all of p(z) lies in front of the lens.

    Raises
    ------
    ParameterError
        The redshifts do not increase, the shapes do not agree, or a p(z) is zero throughout.

    Notes
    -----
    Every linear piece of p(z) is integrated, to about 1e-10. CLMM sums a grid of step 0.005
    up to z = 5: a p(z) narrower than this is lost there, and what lies beyond 5 is cut.
    """
    cosmology = astropy_cosmology(cosmo)
    z, density = as_float_array(pzbins, "", "pzbins"), as_float_array(pzpdf, "", "pzpdf")
    if z.ndim not in (1, density.ndim) or density.ndim > 2 or z.shape[-1:] != density.shape[-1:]:
        raise ParameterError("pzpdf.shape", density.shape, f"that of pzbins {z.shape}, or (n, k)")
    if z.ndim == 1:
        mean = mean_inverse(z_cluster, z, np.atleast_2d(density), cosmology)
    else:
        rows = zip(z, density[:, None, :], strict=True)
        mean = np.concatenate([mean_inverse(z_cluster, *row, cosmology) for row in rows])
    with np.errstate(divide="ignore"):
        return 1.0 / mean if density.ndim == 2 else (1.0 / mean)[0]


# -- masses ------------------------------------------------------------------------------------


def compute_rdelta(
    mdelta: Any,
    redshift: Any,
    cosmo: FLRW | None,
    massdef: str = "mean",
    delta_mdef: float = 200,
) -> Any:
    """Radius that holds `mdelta` in the mass definition [physical Mpc].

    Parameters are those of `compute_3d_density`. With ``massdef="virial"`` CLMM takes
    `delta_mdef` times the critical density, so that its result is that of ``"critical"``.
    """
    mass = parameter(mdelta, "Msun", "mdelta", 0.0)
    definition = mass_definition(massdef, delta_mdef)
    return definition.radius(mass, redshift, astropy_cosmology(cosmo))[()]


def compute_profile_mass_in_radius(
    r3d: Any,
    redshift: Any,
    cosmo: FLRW | None,
    mdelta: Any,
    cdelta: Any,
    massdef: str = "mean",
    delta_mdef: float = 200,
    halo_profile_model: str = "nfw",
    alpha: Any = None,
) -> Any:
    """Mass inside the sphere of radius `r3d` [Msun].

    Parameters are those of `compute_3d_density`; `alpha`, the Einasto slope, has no default.
    With ``massdef="virial"`` CLMM takes `delta_mdef` times the critical density.

    Raises
    ------
    ParameterError
        As for `compute_3d_density`, or `alpha` is missing for an Einasto profile.
    """
    need_slope("alpha", alpha, halo_profile_model)
    cosmology, definition = astropy_cosmology(cosmo), mass_definition(massdef, delta_mdef)
    halo = profile_of(halo_profile_model, mdelta, cdelta, redshift, definition, cosmology, alpha)
    return halo.enclosed_mass(r3d)


def convert_profile_mass_concentration(
    mdelta: Any,
    cdelta: Any,
    redshift: Any,
    cosmo: FLRW | None,
    massdef: str,
    delta_mdef: float,
    halo_profile_model: str,
    massdef2: str | None = None,
    delta_mdef2: float | None = None,
    halo_profile_model2: str | None = None,
    alpha: Any = None,
    alpha2: Any = None,
) -> tuple[Any, Any]:
    """Return mass and concentration in another mass definition, or of another profile.

    Parameters
    ----------
    mdelta : float, Msun, > 0
        Arrays (n,) are accepted where the profile stays the same.
    cdelta : float, > 0
    redshift : float, >= 0
    cosmo : astropy cosmology or None
    massdef, delta_mdef, halo_profile_model, alpha
        Definition and profile of `mdelta` and `cdelta`; `alpha`, the Einasto slope, has no
        default.
    massdef2, delta_mdef2, halo_profile_model2, alpha2
        Those wanted; None means the same.

    Returns
    -------
    mass, concentration : float or (n,)

    Raises
    ------
    ParameterError
        An argument is out of range, or only the profile changes: see Notes.
    NumericalError
        No concentration of the other profile gives the two masses.

    Notes
    -----
    The two profiles hold the same mass inside both overdensity radii. Where both definitions
    are the same that is one condition, and the concentration of another profile is not
    determined: an error here; CLMM returns the concentration it was given. With ``"virial"``
    CLMM takes `delta_mdef` times the critical density.

    Examples
    --------
    >>> from clmassmod.compat.clmm import convert_profile_mass_concentration
    >>> m500, c500 = convert_profile_mass_concentration(
    ...     1e15, 4.0, 0.3, None, "critical", 200, "nfw", massdef2="critical", delta_mdef2=500
    ... )
    >>> print(f"{m500:.4e} {c500:.4f}")
    6.9192e+14 2.6067
    """
    cosmology = astropy_cosmology(cosmo)
    model2 = halo_profile_model if halo_profile_model2 is None else halo_profile_model2
    slope2 = alpha if alpha2 is None else alpha2
    need_slope("alpha", alpha, halo_profile_model)
    need_slope("alpha2", slope2, model2)
    first = mass_definition(massdef, delta_mdef)
    second = mass_definition(
        massdef if massdef2 is None else massdef2,
        delta_mdef if delta_mdef2 is None else delta_mdef2,
    )
    halo = profile_of(halo_profile_model, mdelta, cdelta, redshift, first, cosmology, alpha)
    radius = halo.spherical_overdensity_radius(second)
    mass = second.mass(radius, redshift, cosmology)[()]
    same_slope = model_named(model2) != "einasto" or np.all(slope2 == alpha)
    if model_named(model2) == halo.kind and same_slope:
        return mass, radius / halo.scale_radius
    if second == first:
        raise ParameterError(
            "(massdef2, delta_mdef2)",
            (massdef2, delta_mdef2),
            "another mass definition where the profile changes",
            "One common radius does not determine the concentration of the other profile.",
        )
    if halo.shape:
        raise ParameterError("mdelta.shape", halo.shape, "() where the profile changes")
    given = float(halo.mass)
    edge = float(first.radius(given, redshift, cosmology))

    def excess(ln_c: float) -> float:
        other = profile_of(model2, mass, math.exp(ln_c), redshift, second, cosmology, slope2)
        return float(other.enclosed_mass(edge)) / given - 1.0

    return mass, concentration_where_zero(excess)
