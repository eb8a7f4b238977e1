"""Catalogues of mock galaxies and the multiply imaged sources behind them, and their file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._formats import check_format, reading
from ..cosmology import angular_diameter_distance, cosmology_from_dict
from ..errors import FormatError, ParameterError, nearest
from ..provenance import atomic_path
from ..units import as_float_array
from .lens import ARCSEC, LensStatus

if TYPE_CHECKING:
    from astropy.cosmology import FLRW
    from astropy.table import Table

Columns = dict[str, npt.NDArray[Any]]

FORMAT = "clmassmod lens catalogue"
FORMAT_VERSION = 1
TABLES = ("galaxies", "sources")
# rows per block of the file: a number of its own, so that the chunk in memory does not matter
_BLOCK = 8192
# rows that totals are summed over at a time
_SUMMED = 1 << 20

UNITS = {
    "m_s": "mag",
    "m_a_obs": "mag",
    "m_b_obs": "mag",
    "einstein_radius": "kpc",
    "caustic_radius": "kpc",
    "radius": "kpc",
    "beta": "kpc",
    "x_a": "kpc",
    "x_b": "kpc",
    "time_delay": "day",
    "time_delay_obs": "day",
}
"""Units of the columns; logarithms are of Msun and kpc, the rest are pure numbers."""


@dataclass(frozen=True, eq=False)
class LensCatalogue:
    """Galaxies, lenses or not, and every multiply imaged source, detected or not.

    Attributes
    ----------
    galaxies : dict of (n,) arrays
        ``galaxy_id``, the properties of `GalaxySample`, ``log_msps_obs, log_re_obs``,
        ``einstein_radius, caustic_radius`` [kpc, for the source redshift
        ``metadata["reference_redshift"]``, the median],
        ``expected_sources`` (mean number of multiply imaged sources), ``n_sources,
        n_detected`` and ``status`` (`LensStatus` numbers; a lens that failed has NaN radii
        and no sources).
    sources : dict of (m,) arrays
        ``galaxy_id, source_index, z_s, m_s, beta, x_a, x_b, mu_a, mu_b`` (signed), ``m_a_obs,
        m_b_obs, einstein_radius`` [kpc, for this source redshift], ``detected, status``; and
        ``radius`` of extended sources, whose magnifications are averages over their disc;
        ``time_delay, time_delay_obs`` [days] where asked for. ``status`` is not 0, and the
        numbers are NaN, where the images could not be found.
    metadata : dict
        ``configuration`` (of the generator), ``seed``, ``imf``, ``selection``,
        ``reference_redshift``, ``id_ranges`` ([first, number] of galaxy ids) and ``versions``.
    """

    galaxies: Columns
    sources: Columns
    metadata: dict[str, Any]

    @property
    def lenses(self) -> Columns:
        """The detected sources, each with the properties of its galaxy.

        Columns that both tables have are those of the source.
        """
        detected = self.sources["detected"]
        lens = {name: column[detected] for name, column in self.sources.items()}
        order = np.argsort(self.galaxies["galaxy_id"], kind="stable")
        place = np.searchsorted(self.galaxies["galaxy_id"], lens["galaxy_id"], sorter=order)
        rows = order[place]
        joined = {name: column[rows] for name, column in self.galaxies.items() if name not in lens}
        return {**lens, **joined}

    @property
    def cosmology(self) -> FLRW:
        """The cosmology the catalogue was made in."""
        return cosmology_from_dict(self.metadata["configuration"]["cosmology"])

    def to_arcsec(self, kpc: Any, z_l: Any) -> Any:
        """Return lengths in the lens plane [kpc] as angles [arcsec], for lenses at z_l."""
        per_arcsec = np.asarray(angular_diameter_distance(z_l, self.cosmology)) * (1e3 * ARCSEC)
        return (as_float_array(kpc, "kpc", "kpc") / per_arcsec)[()]

    def table(self, name: str = "lenses") -> Table:
        """Return ``"galaxies"``, ``"sources"`` or ``"lenses"`` as an astropy table with units."""
        from astropy.table import Table

        if name not in (*TABLES, "lenses"):
            choices = (*TABLES, "lenses")
            allowed = f"one of {', '.join(choices)}"
            raise ParameterError("name", name, allowed, nearest(str(name), choices))
        columns: Columns = getattr(self, name)
        result = Table(columns, meta=dict(self.metadata))
        for column in result.colnames:
            if column in UNITS:
                result[column].unit = UNITS[column]
        return result

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the catalogue to an HDF5 file, whole or not at all."""
        with catalogue_file(path, self.metadata) as file:
            file.append(self.galaxies, self.sources)

    @classmethod
    def read(cls, path: str | os.PathLike[str], n_galaxies: int | None = None) -> LensCatalogue:
        """Return the catalogue of a file.

        Parameters
        ----------
        path : path
        n_galaxies : int, >= 0, optional
            Read only the first ones, and what is behind them; all by default.

        Raises
        ------
        FormatError
            Not such a file, truncated, or of a newer format.
        """
        import h5py

        if n_galaxies is not None and not n_galaxies >= 0:
            raise ParameterError("n_galaxies", n_galaxies, "None or >= 0")
        with reading(path, "lens catalogue"), h5py.File(path, "r") as file:
            check_format(path, file.attrs, FORMAT, FORMAT_VERSION)
            metadata = json.loads(file.attrs["metadata"])
            tables = _read_tables(file, n_galaxies)
            order = [list(map(str, file[name].attrs["columns"])) for name in TABLES]
        for name, columns, names in zip(TABLES, tables, order, strict=True):
            if sorted(columns) != sorted(names):
                raise FormatError(path, name, f"columns {sorted(columns)} instead of {names}")
            if len({column.shape for column in columns.values()}) != 1:
                raise FormatError(path, name, "columns of different lengths")
        galaxies, sources = (
            {name: columns[name] for name in names}
            for columns, names in zip(tables, order, strict=True)
        )
        return cls(galaxies, sources, metadata)

    def __add__(self, other: object) -> LensCatalogue:
        """Return both catalogues as one; they must come from one configuration and seed."""
        if not isinstance(other, LensCatalogue):
            return NotImplemented
        for key in ("configuration", "seed"):
            if self.metadata[key] != other.metadata[key]:
                raise ParameterError(f"metadata[{key!r}]", other.metadata[key], "the same in both")
        ranges = _joined_ranges([*self.metadata["id_ranges"], *other.metadata["id_ranges"]])
        joined = [
            {key: np.concatenate([one[key], two[key]]) for key in one}
            for one, two in ((self.galaxies, other.galaxies), (self.sources, other.sources))
        ]
        return LensCatalogue(joined[0], joined[1], {**self.metadata, "id_ranges": ranges})

    def __len__(self) -> int:
        return int(self.galaxies["galaxy_id"].size)

    def __repr__(self) -> str:
        n_sources, n_detected = len(self.sources["galaxy_id"]), int(self.sources["detected"].sum())
        return (
            f"<LensCatalogue: {len(self)} galaxies, {n_sources} multiply imaged sources, "
            f"{n_detected} detected>"
        )


class CatalogueWriter:
    """Appends rows to the two tables of an open file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._columns: dict[str, dict[str, Any]] = {}

    def append(self, galaxies: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
        """Append rows; the columns are those of the first call."""
        for name, columns in zip(TABLES, (galaxies, sources), strict=True):
            if name not in self._columns:
                self._columns[name] = self._created(name, columns)
            for key, values in columns.items():
                dataset = self._columns[name][key]
                start = dataset.shape[0]
                dataset.resize(start + values.size, axis=0)
                if values.size:
                    dataset[start:] = values

    def _created(self, name: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        group = self._file.create_group(name)
        group.attrs["columns"] = list(columns)
        # a time of creation would make two files of the same catalogue differ
        common = {"shape": (0,), "maxshape": (None,), "chunks": (_BLOCK,), "track_times": False}
        datasets = {
            key: group.create_dataset(key, dtype=values.dtype, **common)
            for key, values in columns.items()
        }
        for key, dataset in datasets.items():
            dataset.attrs["unit"] = UNITS.get(key, "")
        return datasets


def _read_tables(file: Any, n_galaxies: int | None) -> list[Columns]:
    galaxies = {key: item[:n_galaxies] for key, item in file["galaxies"].items()}
    if n_galaxies is None or n_galaxies >= file["galaxies"]["galaxy_id"].size:
        return [galaxies, {key: item[()] for key, item in file["sources"].items()}]
    behind = np.isin(file["sources"]["galaxy_id"][()], galaxies["galaxy_id"])
    # a whole column at a time: masks of a file are slow
    return [galaxies, {key: item[()][behind] for key, item in file["sources"].items()}]


def catalogue_totals(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the sums over the galaxies and sources of a file, in little memory.

    Returns
    -------
    dict
        n_galaxies, expected_sources, n_sources, n_detected, n_lenses (galaxies with a detected
        source), n_failed (galaxies and sources that could not be solved).
    """
    import h5py

    failures = (LensStatus.no_convergence, LensStatus.not_a_number)
    totals: dict[str, Any] = {"n_galaxies": 0, "expected_sources": 0.0}
    totals |= dict.fromkeys(("n_sources", "n_detected", "n_lenses", "n_failed"), 0)
    with h5py.File(path, "r") as file:
        galaxies = file["galaxies"]
        totals["n_galaxies"] = int(galaxies["galaxy_id"].size)
        for start in range(0, totals["n_galaxies"], _SUMMED):
            block = slice(start, start + _SUMMED)
            detected = galaxies["n_detected"][block]
            totals["expected_sources"] += float(np.nansum(galaxies["expected_sources"][block]))
            totals["n_sources"] += int(galaxies["n_sources"][block].sum())
            totals["n_detected"] += int(detected.sum())
            totals["n_lenses"] += int(np.count_nonzero(detected))
        for name in TABLES:
            status = file[name]["status"]
            for start in range(0, status.size, _SUMMED):
                failed = np.isin(status[start : start + _SUMMED], failures)
                totals["n_failed"] += int(np.count_nonzero(failed))
    return totals


@contextmanager
def catalogue_file(
    path: str | os.PathLike[str], metadata: Mapping[str, Any]
) -> Iterator[CatalogueWriter]:
    """Give a writer for a new file, which appears at `path` when all is written."""
    import h5py

    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["metadata"] = json.dumps(metadata, sort_keys=True)
        yield CatalogueWriter(file)


def joined(parts: list[Mapping[str, Any]]) -> Columns:
    """Return the columns of tables with the same columns, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _joined_ranges(ranges: list[list[int]]) -> list[list[int]]:
    """Return [first, number] ranges in order, adjacent ones merged; overlaps are an error."""
    result: list[list[int]] = []
    for first, number in sorted(ranges):
        if result and first < sum(result[-1]):
            raise ParameterError("id_ranges", ranges, "of different galaxies, without overlap")
        if result and first == sum(result[-1]):
            result[-1] = [result[-1][0], result[-1][1] + number]
        else:
            result.append([first, number])
    return result
