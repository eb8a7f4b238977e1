"""The data of an inference: what a run keeps of its file, to read it again and to know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError
from ..inference.run_directory import DATA_FILE, differences, flat
from ..population.count_families import SchechterFamily
from ..population.data_files import (
    column_names,
    file_hash,
    load_einstein_radii,
    load_image_pairs,
    load_non_lenses,
    mock_metadata,
)
from ..population.galaxy_data import GalaxyData
from ..population.lens_data import LensData
from ..population.likelihood import LensPopulationLikelihood
from ..population.parameters import PARAMETERS, place_of
from ..population.ring_data import RingData
from .inference_config import InferInfo

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_COMPARED = ("cosmology", "detection", "population", "sources")
_COUNTS = SchechterFamily.names
_SHOWN = 5
_OF_GALAXIES = ("sigma_msps", "z_l")


class FileLikelihood:
    """A likelihood that also says which file its data are from.

    Parameters
    ----------
    likelihood : LensPopulationLikelihood
    record : mapping
        Of the file, as `data_record` gives it.
    """

    def __init__(self, likelihood: LensPopulationLikelihood, record: Mapping[str, Any]) -> None:
        self.inner = likelihood
        self.record = dict(record)

    @property
    def names(self) -> tuple[str, ...]:
        return self.inner.names

    @property
    def support(self) -> Mapping[str, tuple[float, float]]:
        return self.inner.support

    @property
    def identity(self) -> str:
        return self.inner.identity

    @property
    def versions(self) -> Mapping[str, str]:
        return self.inner.versions

    def log_likelihood(self, eta: Any) -> Any:
        return self.inner.log_likelihood(eta)

    def to_dict(self) -> dict[str, Any]:
        return {**self.inner.to_dict(), DATA_FILE: self.record}


def data_record(info: InferInfo, root: Path) -> dict[str, Any]:
    """Return what a run has to keep to read its data again.

    ``values`` holds what the file has no column for.
    """
    given = info["data"]
    file = Path(info.path(given["file"]))
    place = _place(file, root)
    noise, z_l, z_s = info["noise"], info["lens"]["z_l"], info["sources"]["redshift"]
    values = {
        "sigma_msps": noise["log_msps"],
        "sigma_re": noise["log_re"],
        "z_l": z_l if isinstance(z_l, float) else None,
        "z_s": z_s,
    }
    if given["kind"] == "einstein_radius":
        values |= {"sigma_theta": noise["theta_e"]}
    else:
        values |= {"sigma_a": noise["magnitude"], "sigma_b": noise["magnitude"]}
        values |= {"sigma_delay": noise["time_delay"]}
    columns = {key: name for key, name in given["columns"].items() if name is not None}
    replaced = set(values)  # catalogues have their own redshifts and errors
    if mock_metadata(file) is None:
        # where they differ between lenses, the table must say them
        columns |= {key: key for key in ("z_l", "z_s") if values[key] is None} | columns
        there = column_names(file)
        replaced = {key for key in values if columns.get(key, key) in there}
    others = given["non_lenses"]
    if others is not None:
        replaced -= set(_OF_GALAXIES)
    used = {k: value for k, value in values.items() if value is not None and k not in replaced}
    return {
        **place,
        "kind": given["kind"],
        "unit": given["unit"],
        "form": info["form"],
        "columns": columns,
        "values": used,
        "non_lenses": None if others is None else _place(Path(info.path(others)), root),
    }


def read_lenses(
    record: Mapping[str, Any], file: str | os.PathLike[str], cosmology: FLRW
) -> LensData | RingData:
    """Return the lenses of a file, as a run keeps how it read them."""
    if record["kind"] == "einstein_radius":
        return load_einstein_radii(file, record["columns"], **record["values"])
    return load_image_pairs(
        file,
        record["columns"],
        unit=record["unit"],
        cosmology=cosmology,
        form=record.get("form", "lenses"),
        **record["values"],
    )


def read_non_lenses(
    record: Mapping[str, Any], root: Path, file: str | os.PathLike[str]
) -> GalaxyData | None:
    """Return the galaxies without a lens, if the run has a file of them.

    Parameters
    ----------
    record : mapping
    root : Path
        What the path that was kept is relative to.
    file : path
        Where the lenses are; moved with them, the file is beside it under its own name.

    Raises
    ------
    FormatError
        As `found_data`, and as `load_non_lenses`.
    """
    kept = record.get("non_lenses")
    if kept is None:
        return None
    beside = Path(file).parent / Path(kept["path"]).name
    moved = beside if not (root / kept["path"]).exists() and beside.exists() else None
    values = {key: record["values"][key] for key in _OF_GALAXIES if key in record["values"]}
    return load_non_lenses(found_data(kept, root, moved), **values)


def found_data(record: Mapping[str, Any], root: Path, given: Any) -> Path:
    """Return the file of the data of a run.

    Parameters
    ----------
    record : mapping
    root : Path
        What the path that was kept is relative to.
    given : path or None
        Where the file is now, if it was moved.

    Raises
    ------
    FormatError
        It is not there, or holds other bytes than those the run was made from.
    """
    file = root / record["path"] if given is None else Path(given)
    if not file.exists():
        problem = "the data of the run are not there; put them back, or say where (--data FILE)"
        raise FormatError(file, "file", problem)
    found = file_hash(file)
    if found != record["sha256"]:
        problem = (
            f"not the data of the run: its sha256 is {found[:16]}..., that of the run's is "
            f"{record['sha256'][:16]}..."
        )
        raise FormatError(file, "content", problem)
    return file


def mock_notes(file: str | os.PathLike[str], likelihood: LensPopulationLikelihood) -> list[str]:
    """Return in what the mock catalogue of a file was made otherwise than it is fitted.

    What is free in the likelihood may differ; a file that is no catalogue gives no notes.
    """
    metadata = mock_metadata(file)
    return [] if metadata is None else mock_notes_of(metadata, likelihood)


def mock_truth(file: str | os.PathLike[str], names: Sequence[str]) -> dict[str, float]:
    """Return parameters of the mock catalogue of a file by name; none of a file that is no mock."""
    metadata = mock_metadata(file)
    if metadata is None:
        return {}
    made = dict(flat(metadata["configuration"]))
    places = {name: _place_in_mock(name) for name in names}
    return {name: float(made[place]) for name, place in places.items() if place in made}


def _place_in_mock(name: str) -> str:
    if name in _COUNTS:
        return f"sources.counts.{name.removeprefix('source_')}"
    return f"population.{place_of(name)}" if name in PARAMETERS else ""


def mock_notes_of(metadata: Mapping[str, Any], likelihood: LensPopulationLikelihood) -> list[str]:
    """Return the same of the metadata of a catalogue."""
    made, here = metadata["configuration"], likelihood.to_dict()
    notes = []
    if made["selection"] != here["selection"]:
        notes.append(
            f"the mock was selected {made['selection']!r}, the likelihood assumes "
            f"{here['selection']!r}: a bias is expected"
        )
    free = {_place_in_mock(name) for name in likelihood.names}
    there, fitted = ({key: one[key] for key in _COMPARED} for one in (made, here))
    found = differences(there, fitted)
    found += differences(made["noise"]["magnitude"], here["noise"]["magnitude"], "noise.magnitude")
    other = [line for line in found if line.split(":")[0] not in free]
    if other:
        more = f"; {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        notes.append(
            f"the mock (there) was made otherwise than it is fitted: "
            f"{'; '.join(other[:_SHOWN])}{more}"
        )
    return notes


def _place(file: Path, root: Path) -> dict[str, str]:
    return {"path": _relative(file, root), "sha256": file_hash(file)}


def _relative(file: Path, root: Path) -> str:
    """Return the path of a file relative to the root if it is below, else the absolute one."""
    whole, top = file.resolve(), root.resolve()
    return str(whole.relative_to(top)) if whole.is_relative_to(top) else str(whole)
