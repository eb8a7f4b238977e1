"""`GalaxyCatalogue`: positions, shapes and redshifts of galaxies, checked once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import MAX_RADIUS, frozen, metadata_text, not_negative, printable, vector
from ..errors import ParameterError, nearest

if TYPE_CHECKING:
    from astropy.table import Table

Array = npt.NDArray[np.float64]

COLUMNS = {
    "ra": "deg",
    "dec": "deg",
    "x": "Mpc",
    "y": "Mpc",
    "e1": "",
    "e2": "",
    "z": "",
    "weight": "",
    "e_err": "",
    "z_true": "",
    "kappa": "",
    "gamma1": "",
    "gamma2": "",
    "member": "",
}
"""Columns a catalogue may have, and their units."""
COORDINATE_SYSTEMS = ("euclidean", "celestial")
_NOT_NEGATIVE = ("z", "weight", "e_err", "z_true", "member")
_MAX_ELLIPTICITY = 1e6


class GalaxyCatalogue:
    """Galaxies with positions and shapes.

    Parameters
    ----------
    ra, dec : (n,) array_like or Quantity
        Right ascension, any finite value, and declination, within [-90, 90] [deg].
    x, y : (n,) array_like or Quantity
        In their place: offsets from the centre of the field [physical Mpc], in the plane of
        the one lens that the catalogue belongs to.
    e1, e2 : (n,) array_like
        Ellipticity, |e| = (a - b) / (a + b): its mean over galaxies is the reduced shear.
        Measured values may exceed 1.
    z : (n,) array_like, optional
        Redshift, >= 0, as an analysis knows it.
    weight : (n,) array_like, optional
        Weight of the shape, >= 0, multiplied by the inverse variance of the shape; 1 by
        default.
    e_err : (n,) array_like, optional
        Measurement error of each component of the ellipticity, >= 0; 0 by default.
    z_true, kappa, gamma1, gamma2, member : (n,) array_like, optional
        What is true of mock galaxies: the redshift; convergence and shear at it; 1 for a
        member of the cluster, else 0.
    coordinate_system : {"euclidean", "celestial"}
        The axes of e1, e2 on the sky: y points to the north, and x to the west ("euclidean",
        CLMM's default: as in an image with the east at its left) or to the east
        ("celestial"). Of no matter with x, y, which are axes by themselves.
    id : str
        Name of the object.
    metadata : mapping, optional
        Anything JSON can hold.

    Raises
    ------
    ParameterError
        Naming column, index and value of what is wrong.

    Notes
    -----
    Immutable; the columns are read-only copies. The names are those of CLMM's tables.

    Examples
    --------
    >>> catalogue = GalaxyCatalogue(x=[0.5, 1.0], y=[0, 0], e1=[-0.1, 0.2], e2=[0, 0], z=[1, 2])
    >>> len(catalogue), catalogue.names
    (2, ('x', 'y', 'e1', 'e2', 'z'))
    """

    def __init__(
        self,
        *,
        coordinate_system: str = "euclidean",
        id: str = "",
        metadata: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        given = {name: value for name, value in columns.items() if value is not None}
        for name in given:
            if name not in COLUMNS:
                raise ParameterError(
                    "column", name, f"one of {', '.join(COLUMNS)}", nearest(name, COLUMNS)
                )
        if coordinate_system not in COORDINATE_SYSTEMS:
            raise ParameterError(
                "coordinate_system",
                coordinate_system,
                f"one of {', '.join(COORDINATE_SYSTEMS)}",
                nearest(str(coordinate_system), COORDINATE_SYSTEMS),
            )
        _check_complete(given)
        first = given["ra" if "ra" in given else "x"]
        shape = np.shape(first)
        checked: dict[str, Array] = {}
        for name in COLUMNS:
            if name in given:
                checked[name] = _checked_column(name, given[name], shape)
        self.__dict__.update(
            _columns=checked,
            coordinate_system=coordinate_system,
            id=printable("id", id),
            _metadata=metadata_text(metadata),
        )

    coordinate_system: str
    id: str
    _columns: dict[str, Array]
    _metadata: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are there, in the order of `COLUMNS`."""
        return tuple(self._columns)

    @property
    def on_sky(self) -> bool:
        """Whether positions are right ascension and declination, not x and y."""
        return "ra" in self._columns

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of the metadata."""
        import json

        content: dict[str, Any] = json.loads(self._metadata)
        return content

    def __len__(self) -> int:
        return int(self._columns["e1"].size)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Array:
        """Return the column `name`, (n,), read-only; one that is not there is an error."""
        if name not in self._columns:
            raise ParameterError(
                "column", name, f"one of {', '.join(self.names)}", nearest(name, self.names)
            )
        return self._columns[name]

    def select(self, keep: npt.ArrayLike) -> GalaxyCatalogue:
        """Return the galaxies where `keep`, (n,) of bool or indices, says so."""
        index = np.asarray(keep)
        if index.ndim != 1 or (index.dtype == bool and index.size != len(self)):
            raise ParameterError(
                "keep", f"array of shape {index.shape}", f"of {len(self)} bool, or of indices"
            )
        if index.dtype.kind not in "biu" and index.size:
            raise ParameterError("keep", f"array of {index.dtype}", "made of bool or of indices")
        index = index if index.size else index.astype(np.int64)
        return self.replace(**{name: column[index] for name, column in self._columns.items()})

    def replace(self, **changes: Any) -> GalaxyCatalogue:
        """Return a new catalogue with some arguments changed (None: left out), checked again."""
        content = {
            **self._columns,
            "coordinate_system": self.coordinate_system,
            "id": self.id,
            "metadata": self.metadata,
        }
        return GalaxyCatalogue(**{**content, **changes})

    def to_table(self) -> Table:
        """Return an `astropy.table.Table` with units; `from_table` makes the same again."""
        from astropy.table import Table

        table = Table()
        for name, column in self._columns.items():
            table[name] = np.array(column)
            if COLUMNS[name]:
                table[name].unit = COLUMNS[name]
        table.meta["clmassmod"] = {
            "catalogue": "galaxies",
            "coordinate_system": self.coordinate_system,
            "id": self.id,
            "metadata": self._metadata,
        }
        return table

    @classmethod
    def from_table(cls, table: Any, **arguments: Any) -> GalaxyCatalogue:
        """Return the catalogue of an astropy table; other columns than `COLUMNS` are left out.

        See `clmassmod.galaxies.catalogue_files.catalogue_of_table` for the arguments.
        """
        from .catalogue_files import catalogue_of_table

        return catalogue_of_table(table, **arguments)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the catalogue, atomically, as FITS (``.fits``) or ECSV (``.ecsv``)."""
        from .catalogue_files import write_catalogue

        write_catalogue(self, path)

    @classmethod
    def read(cls, path: str | os.PathLike[str], **arguments: Any) -> GalaxyCatalogue:
        """Return the catalogue in a FITS or ECSV table.

        See `clmassmod.galaxies.catalogue_files.read_catalogue` for the arguments.
        """
        from .catalogue_files import read_catalogue

        return read_catalogue(path, **arguments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GalaxyCatalogue):
            return NotImplemented
        facts = ("names", "coordinate_system", "id", "_metadata")
        return all(getattr(self, fact) == getattr(other, fact) for fact in facts) and all(
            np.array_equal(self[name], other[name]) for name in self.names
        )

    __hash__ = None  # type: ignore[assignment]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"GalaxyCatalogue is immutable; use .replace({name}=...) to make a new one"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, ({**self._columns}, self.coordinate_system, self.id, self._metadata)

    def __repr__(self) -> str:
        name = f" {self.id!r}" if self.id else ""
        return f"<GalaxyCatalogue{name}: {len(self)} galaxies, {', '.join(self.names)}>"


def _check_complete(given: Mapping[str, Any]) -> None:
    sky, plane = ({"ra", "dec"} & set(given), {"x", "y"} & set(given))
    if bool(sky) == bool(plane):
        raise ParameterError("columns", sorted(given), "with either ra and dec, or x and y")
    for pair in (("ra", "dec"), ("x", "y"), ("e1", "e2"), ("gamma1", "gamma2")):
        there = [name for name in pair if name in given]
        if len(there) == 1 or (pair == ("e1", "e2") and not there):
            missing = next(name for name in pair if name not in given)
            raise ParameterError(missing, None, f"given{f' with {there[0]}' if there else ''}")


def _checked_column(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    if np.size(values) == 0 and np.shape(values) == shape and len(shape) == 1:
        return frozen(np.empty(0))
    if np.asarray(values).dtype == bool:
        values = np.asarray(values, dtype=np.int64)
    array = vector(name, values, COLUMNS[name])
    if array.shape != shape:
        raise ParameterError(name, f"array of {array.size}", f"of {shape[0]} numbers, as positions")
    if name in _NOT_NEGATIVE:
        not_negative(name, array)
    limits = {
        "dec": (90.0, "within [-90, 90] deg"),
        "ra": (1e6, "a right ascension [deg]"),
        "x": (MAX_RADIUS, f"within {MAX_RADIUS:g} Mpc"),
        "y": (MAX_RADIUS, f"within {MAX_RADIUS:g} Mpc"),
        "e1": (_MAX_ELLIPTICITY, "the ellipticity of a galaxy"),
        "e2": (_MAX_ELLIPTICITY, "the ellipticity of a galaxy"),
        "e_err": (_MAX_ELLIPTICITY, "the error of an ellipticity"),
        "weight": (1e100, "<= 1e100"),
    }
    if name in limits:
        limit, allowed = limits[name]
        bad = np.abs(array) > limit
        if bad.any():
            at = int(np.argmax(bad))
            raise ParameterError(f"{name}[{at}]", float(array[at]), allowed)
    return array


def _rebuild(
    columns: dict[str, Array], coordinate_system: str, id: str, metadata: str
) -> GalaxyCatalogue:
    import json

    return GalaxyCatalogue(
        coordinate_system=coordinate_system, id=id, metadata=json.loads(metadata), **columns
    )
