"""Observed profiles of one object: tangential shear, or excess surface density.

`GammaTheta` and `DeltaSigma` are immutable: their arrays are read-only copies in fixed
units (physical Mpc, radians, Msun / Mpc^2), checked when the object is made. astropy
Quantities are accepted for every argument with a unit and converted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ._checks import (
    MAX_RADIUS,
    bounded,
    checked_covariance,
    frozen,
    increasing,
    lens_redshift,
    metadata_text,
    not_negative,
    positive,
    printable,
    require,
    scalar,
    vector,
)
from ._immutable import ImmutableObservable
from .cosmology import Array, angular_diameter_distance
from .errors import ParameterError, nearest
from .provenance import atomic_path
from .sources import BetaMoments, SourceDistribution, Sources, checked_sources

if TYPE_CHECKING:
    from astropy.cosmology import FLRW
    from astropy.table import Table

KINDS = ("reduced_shear", "shear")
"""What the values of a `GammaTheta` can be."""


class RadialObservable(ImmutableObservable):
    """What `GammaTheta` and `DeltaSigma` share; not made by itself."""

    _columns: ClassVar[dict[str, str]]
    _units: ClassVar[dict[str, str]]
    _kind: ClassVar[str]

    radius: Array | None
    radius_min: Array | None
    radius_max: Array | None
    values: Array
    errors: Array
    covariance: Array | None
    cross: Array | None
    cross_errors: Array | None
    redshift: float
    id: str
    file: str | None

    def _set_common(
        self,
        values: Any,
        errors: Any,
        covariance: Any,
        cross: Any,
        cross_errors: Any,
        redshift: Any,
        id: str,
        file: str | os.PathLike[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        unit = self._units["values"]
        data = vector("values", values, unit)
        shape = data.shape
        matrix = None
        if covariance is not None:
            matrix = checked_covariance(covariance, data.size, self._units["covariance"])
        if errors is None and matrix is None:
            raise ParameterError("errors", None, "given, or the covariance in its place")
        self._set(
            values=bounded("values", data),
            errors=(
                positive("errors", vector("errors", errors, unit, shape))
                if errors is not None
                else frozen(np.sqrt(np.diag(matrix)))  # type: ignore[arg-type]
            ),
            covariance=matrix,
            cross=None if cross is None else bounded("cross", vector("cross", cross, unit, shape)),
            cross_errors=(
                None
                if cross_errors is None
                else positive("cross_errors", vector("cross_errors", cross_errors, unit, shape))
            ),
            redshift=lens_redshift(redshift),
            id=printable("id", id),
            file=None if file is None else os.fspath(file),
            _metadata=metadata_text(metadata),
        )

    def _set_edges(self, radius_min: Any, radius_max: Any) -> None:
        if (radius_min is None) != (radius_max is None):
            raise ParameterError("radius_min, radius_max", "one of them", "both, or neither")
        if radius_min is None:
            self._set(radius_min=None, radius_max=None)
            return
        shape = self.values.shape
        low = not_negative("radius_min", vector("radius_min", radius_min, "Mpc", shape))
        high = vector("radius_max", radius_max, "Mpc", shape)
        require("radius_max", high, (high > low) & (high <= MAX_RADIUS), "> radius_min")
        if self.radius is not None:
            inside = (self.radius >= low * (1 - 1e-9)) & (self.radius <= high * (1 + 1e-9))
            require("radius", self.radius, inside, "between radius_min and radius_max of its bin")
        self._set(radius_min=low, radius_max=high)

    def __len__(self) -> int:
        return int(self.values.size)

    def covariance_matrix(self) -> Array:
        """Return the covariance, (n, n): the one given, else diag(errors^2).

        Where a covariance was given, it is what a likelihood uses; `errors` may then
        differ from its diagonal, as in the file.
        """
        if self.covariance is not None:
            return self.covariance
        return np.diag(self.errors**2)

    def projected_radius(self, cosmology: FLRW | None = None) -> Array:
        """Return the projected radius [physical Mpc], (n,)."""
        raise NotImplementedError

    def select(
        self,
        r_min: float | None = None,
        r_max: float | None = None,
        cosmology: FLRW | None = None,
    ) -> Self:
        """Return a new object with the points at ``r_min <= R <= r_max``.

        Parameters
        ----------
        r_min, r_max : float or Quantity, optional
            Limits [physical Mpc], inclusive; None is no limit.
        cosmology : astropy.cosmology.FLRW, optional
            Turns angles into radii where the object has no radii of its own.

        Returns
        -------
        GammaTheta or DeltaSigma
            The covariance is cut to the rows and columns of the points kept, that is,
            the other points are marginalised over.

        Raises
        ------
        ParameterError
            If no point is left.
        """
        low = 0.0 if r_min is None else scalar("r_min", r_min, "Mpc")
        high = math.inf if r_max is None else scalar("r_max", r_max, "Mpc")
        radius = self.projected_radius(cosmology)
        keep = (radius >= low) & (radius <= high)
        if not keep.any():
            span = f"limits that overlap the data, {radius[0]:.4g} to {radius[-1]:.4g} Mpc"
            raise ParameterError("(r_min, r_max)", (r_min, r_max), span)
        content = self._content()
        for name in self._columns:
            if content[name] is not None:
                content[name] = content[name][keep]
        if self.covariance is not None:
            content["covariance"] = self.covariance[np.ix_(keep, keep)]
        return type(self)(**content)

    def to_table(self) -> Table:
        """Return an `astropy.table.Table` with units, and all else in its metadata.

        `load_gamma_theta` or `load_delta_sigma` makes the same object of it again,
        bit for bit, once written as ECSV.
        """
        from astropy.table import Table

        table = Table()
        for name, column in self._columns.items():
            data = getattr(self, name)
            if data is not None:
                table[column] = np.array(data)
                if self._units.get(name):
                    table[column].unit = self._units[name]
        if self.covariance is not None:
            table["covariance"] = np.array(self.covariance)
            if self._units["covariance"]:
                table["covariance"].unit = self._units["covariance"]
        table.meta["clmassmod"] = {
            "observable": self._kind,
            "n_points": len(self),
            "redshift": self.redshift,
            "id": self.id,
            "metadata": self._metadata,
            **self._header(),
        }
        return table

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the object to `path` as ECSV, atomically; see `to_table`.

        The text goes to a temporary file of the same folder, is flushed to disk and
        renamed, so that `path` never holds half a file.
        """
        import io

        text = io.StringIO()
        self.to_table().write(text, format="ascii.ecsv")
        with atomic_path(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")

    def _header(self) -> dict[str, Any]:
        raise NotImplementedError

    def _summary(self, axis: Array, unit: str) -> str:
        name = f" {self.id!r}" if self.id else ""
        points = "1 point" if len(self) == 1 else f"{len(self)} points"
        span = f"{axis[0]:.3g} to {axis[-1]:.3g} {unit}"
        return f"<{type(self).__name__}{name}: {points}, {span}, z = {self.redshift:.4g}>"


class GammaTheta(RadialObservable):
    """Tangential shear profile of one object.

    Parameters
    ----------
    radius : (n,) array_like or Quantity, optional
        Projected radius [physical Mpc], > 0, strictly increasing.
    values : (n,) array_like
        Tangential shear, finite; positive is a signal of positive mass.
    errors : (n,) array_like, optional
        Standard deviation of `values`, > 0. Needed unless `covariance` is given, of
        which it is then the root of the diagonal.
    covariance : (n, n) array_like, optional
        Covariance of `values`, symmetric and positive definite.
    theta : (n,) array_like or Quantity, optional
        Angular radius [rad], > 0, strictly increasing. At least one of `radius` and
        `theta` is needed.
    redshift : float
        Redshift of the object, > 0.
    cross : (n,) array_like, optional
        Cross shear, whose expectation is zero.
    cross_errors : (n,) array_like, optional
        Standard deviation of `cross`, > 0.
    n_galaxies : (n,) array_like, optional
        Number of source galaxies per bin, >= 0.
    sources : float, SourceDistribution or BetaMoments, optional
        Source redshift or distribution.
    radius_min, radius_max : (n,) array_like or Quantity, optional
        Edges of the bins [physical Mpc], for a model averaged over them.
    kind : {"reduced_shear", "shear"}
        Whether `values` is g_t = gamma_t / (1 - kappa), the default, or gamma_t.
    id : str, optional
        Name of the object, of printable characters: it also names result files.
    file : path, optional
        Where it was read from; not part of ``==``.
    metadata : mapping, optional
        Anything JSON can hold.

    Raises
    ------
    ParameterError
        Naming field, index and value of what is wrong.

    Examples
    --------
    >>> profile = GammaTheta([0.5, 1.0], [0.06, 0.03], [0.01, 0.01], redshift=0.3, sources=1.0)
    >>> profile.select(r_min=0.8).values
    array([0.03])
    """

    _kind = "gamma_theta"
    _fields = (
        "radius",
        "values",
        "errors",
        "covariance",
        "theta",
        "redshift",
        "cross",
        "cross_errors",
        "n_galaxies",
        "sources",
        "radius_min",
        "radius_max",
        "kind",
        "id",
        "file",
        "metadata",
    )
    _columns: ClassVar[dict[str, str]] = {
        "radius": "radius",
        "radius_min": "radius_min",
        "radius_max": "radius_max",
        "theta": "theta",
        "values": "gt",
        "errors": "gt_err",
        "cross": "gx",
        "cross_errors": "gx_err",
        "n_galaxies": "n_src",
    }
    _units: ClassVar[dict[str, str]] = {
        "radius": "Mpc",
        "radius_min": "Mpc",
        "radius_max": "Mpc",
        "theta": "rad",
        "values": "",
        "covariance": "",
    }

    theta: Array | None
    n_galaxies: Array | None
    sources: Sources | None
    kind: str

    def __init__(
        self,
        radius: Any = None,
        values: Any = None,
        errors: Any = None,
        covariance: Any = None,
        *,
        theta: Any = None,
        redshift: Any = None,
        cross: Any = None,
        cross_errors: Any = None,
        n_galaxies: Any = None,
        sources: float | SourceDistribution | BetaMoments | None = None,
        radius_min: Any = None,
        radius_max: Any = None,
        kind: str = "reduced_shear",
        id: str = "",
        file: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._set_common(
            values, errors, covariance, cross, cross_errors, redshift, id, file, metadata
        )
        shape = self.values.shape
        if radius is None and theta is None:
            raise ParameterError("radius", None, "given [physical Mpc], or theta [rad] instead")
        if kind not in KINDS:
            allowed = f"one of {', '.join(KINDS)}"
            raise ParameterError("kind", kind, allowed, nearest(str(kind), KINDS))
        self._set(
            radius=(
                None
                if radius is None
                else increasing("radius", vector("radius", radius, "Mpc", shape), MAX_RADIUS)
            ),
            theta=(
                None
                if theta is None
                else increasing("theta", vector("theta", theta, "rad", shape), math.pi)
            ),
            n_galaxies=(
                None
                if n_galaxies is None
                else not_negative("n_galaxies", vector("n_galaxies", n_galaxies, "", shape))
            ),
            sources=None if sources is None else checked_sources(sources),
            kind=kind,
        )
        self._set_edges(radius_min, radius_max)

    def projected_radius(self, cosmology: FLRW | None = None) -> Array:
        """Return the projected radius [physical Mpc], (n,).

        The `radius` of the object where it has one, else ``theta D_A(z)`` in
        `cosmology` (None: FlatLambdaCDM(70, 0.3, Tcmb0=0)).
        """
        if self.radius is not None:
            return self.radius
        assert self.theta is not None
        return self.theta * float(angular_diameter_distance(self.redshift, cosmology))

    def with_radius(self, cosmology: FLRW | None = None) -> GammaTheta:
        """Return a new object with its angles as radii in `cosmology` as well."""
        return self.replace(radius=self.projected_radius(cosmology))

    def _header(self) -> dict[str, Any]:
        described = self.sources
        if isinstance(described, SourceDistribution | BetaMoments):
            return {"kind": self.kind, "sources": described.to_dict()}
        return {"kind": self.kind, "sources": described}

    def __repr__(self) -> str:
        if self.radius is not None:
            return self._summary(self.radius, "Mpc")
        assert self.theta is not None
        return self._summary(np.rad2deg(self.theta) * 60.0, "arcmin")


class DeltaSigma(RadialObservable):
    """Excess surface density profile of one object, or of a stack.

    Parameters
    ----------
    radius : (n,) array_like or Quantity
        Projected radius [physical Mpc], > 0, strictly increasing.
    values : (n,) array_like or Quantity
        Excess surface density [Msun / Mpc^2], physical, finite.
    errors : (n,) array_like or Quantity, optional
        Standard deviation of `values`, > 0. Needed unless `covariance` is given, of
        which it is then the root of the diagonal.
    covariance : (n, n) array_like or Quantity, optional
        Covariance of `values` [Msun^2 / Mpc^4], symmetric and positive definite.
    redshift : float
        Redshift of the object, > 0.
    cross, cross_errors : (n,) array_like or Quantity, optional
        The cross component [Msun / Mpc^2] and its standard deviation, > 0.
    n_galaxies : (n,) array_like, optional
        Number of source galaxies (or pairs) per bin, >= 0.
    inverse_critical_surface_density : float or Quantity, optional
        <Sigma_crit^-1> of the sources [Mpc^2 / Msun], >= 0: what turns the surface
        density into the convergence of the reduced-shear correction.
    radius_min, radius_max : (n,) array_like or Quantity, optional
        Edges of the bins [physical Mpc], for a model averaged over them.
    boost : (n,) array_like, optional
        Boost factor 1 + B(R), > 0, by which the model is to be divided where the data
        are still diluted by cluster members.
    id : str, optional
        Name of the object, of printable characters: it also names result files.
    file : path, optional
        Where it was read from; not part of ``==``.
    metadata : mapping, optional
        Anything JSON can hold.

    Raises
    ------
    ParameterError
        Naming field, index and value of what is wrong.
    """

    _kind = "delta_sigma"
    _fields = (
        "radius",
        "values",
        "errors",
        "covariance",
        "redshift",
        "cross",
        "cross_errors",
        "n_galaxies",
        "inverse_critical_surface_density",
        "radius_min",
        "radius_max",
        "boost",
        "id",
        "file",
        "metadata",
    )
    _columns: ClassVar[dict[str, str]] = {
        "radius": "radius",
        "radius_min": "radius_min",
        "radius_max": "radius_max",
        "values": "delta_sigma",
        "errors": "delta_sigma_err",
        "cross": "delta_sigma_x",
        "cross_errors": "delta_sigma_x_err",
        "n_galaxies": "n_src",
        "boost": "boost",
    }
    _units: ClassVar[dict[str, str]] = {
        "radius": "Mpc",
        "radius_min": "Mpc",
        "radius_max": "Mpc",
        "values": "Msun / Mpc2",
        "errors": "Msun / Mpc2",
        "covariance": "Msun2 / Mpc4",
        "cross": "Msun / Mpc2",
        "cross_errors": "Msun / Mpc2",
    }

    radius: Array
    n_galaxies: Array | None
    inverse_critical_surface_density: float | None
    boost: Array | None

    def __init__(
        self,
        radius: Any = None,
        values: Any = None,
        errors: Any = None,
        covariance: Any = None,
        *,
        redshift: Any = None,
        cross: Any = None,
        cross_errors: Any = None,
        n_galaxies: Any = None,
        inverse_critical_surface_density: Any = None,
        radius_min: Any = None,
        radius_max: Any = None,
        boost: Any = None,
        id: str = "",
        file: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._set_common(
            values, errors, covariance, cross, cross_errors, redshift, id, file, metadata
        )
        shape = self.values.shape
        inverse = inverse_critical_surface_density
        if inverse is not None:
            inverse = scalar("inverse_critical_surface_density", inverse, "Mpc2 / Msun")
        self._set(
            radius=increasing("radius", vector("radius", radius, "Mpc", shape), MAX_RADIUS),
            n_galaxies=(
                None
                if n_galaxies is None
                else not_negative("n_galaxies", vector("n_galaxies", n_galaxies, "", shape))
            ),
            inverse_critical_surface_density=inverse,
            boost=None if boost is None else positive("boost", vector("boost", boost, "", shape)),
        )
        self._set_edges(radius_min, radius_max)

    def projected_radius(self, cosmology: FLRW | None = None) -> Array:
        """Return `radius` [physical Mpc]; `cosmology` is not needed."""
        return self.radius

    def _header(self) -> dict[str, Any]:
        return {"inverse_critical_surface_density": self.inverse_critical_surface_density}

    def __repr__(self) -> str:
        return self._summary(self.radius, "Mpc")
