"""Tables on disk: one HDF5 file each, whole or absent, checked when it is read.

A file holds the datasets of `Content` with a SHA-256 each (over type, shape and little-endian
bytes), attributes, and a root hash over all of these. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._formats import check_format, reading
from ..errors import FormatError
from ..provenance import atomic_path, folder_name

AnyArray = npt.NDArray[Any]

FORMAT = "clmassmod table"
FORMAT_VERSION = (1, 1)
_ROOT = Path("data") / "tables"
# these lie in one piece, so that they can be mapped into memory
_MAPPED = ("values", "coef")


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes
    ----------
    arrays : dict
        Name, with ``/`` for groups, to array.
    attributes : dict
        What JSON can hold: names of axes, order, map, report, parameters of the function.
    root_hash : str
        SHA-256 of everything; set by `read_content`.
    """

    arrays: dict[str, AnyArray]
    attributes: dict[str, Any]
    root_hash: str = field(default="", compare=False)


def write_content(path: str | os.PathLike[str], content: Content) -> str:
    """Write a file, whole or not at all; return its root hash."""
    import h5py

    hashes = {name: array_hash(array) for name, array in content.arrays.items()}
    text = json.dumps(content.attributes, sort_keys=True)
    root = root_hash(hashes, text)
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver="v110") as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = np.array(FORMAT_VERSION)
        file.attrs["content"] = text
        file.attrs["sha256"] = root
        for name, array in content.arrays.items():
            # no times, so that two runs give the same bytes
            dataset = file.create_dataset(name, data=little_endian(array), track_times=False)
            dataset.attrs["sha256"] = hashes[name]
    return root


def content_hash(content: Content) -> str:
    """Return the root hash of the file that `write_content` makes."""
    hashes = {name: array_hash(array) for name, array in content.arrays.items()}
    return root_hash(hashes, json.dumps(content.attributes, sort_keys=True))


def read_content(
    path: str | os.PathLike[str],
    *,
    mmap: bool = False,
    verify: bool = True,
    skip: Collection[str] = (),
) -> Content:
    """Return what a file holds, checked against its hashes.

    Parameters
    ----------
    path : path
    mmap : bool
        Map values and coefficients instead of reading them: processes share them, and start
        at once.
    verify : bool
        Whether to check the hashes, which reads once everything that is not skipped.
    skip : collection of str
        Arrays, and groups of them, that are left in the file. The root hash is over theirs too.

    Raises
    ------
    FormatError
        No such file, another kind of file, truncated, damaged, or of a newer format.
    """
    import h5py

    with reading(path, "table"), h5py.File(path, "r") as file:
        check_format(path, file.attrs, FORMAT, FORMAT_VERSION[0])
        text, root = str(file.attrs["content"]), str(file.attrs["sha256"])
        arrays, hashes = {}, {}
        for name, dataset in _datasets(file):
            hashes[name] = str(dataset.attrs["sha256"])
            if name.split("/")[0] in skip:
                continue
            mapped = mmap and name in _MAPPED
            arrays[name] = _mapped(path, dataset) if mapped else dataset[()]
        attributes = json.loads(text)
    if verify:
        for name, array in arrays.items():
            if array_hash(array) != hashes[name]:
                raise FormatError(path, name, "damaged: its checksum does not agree")
        if root_hash(hashes, text) != root:
            raise FormatError(path, "attributes", "damaged: the checksum does not agree")
    return Content(arrays, attributes, root)


def plain(content: Any) -> Any:
    """Return what `to_dict` gives with arrays as lists, for JSON, which keeps every digit."""
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return content.tolist() if isinstance(content, np.ndarray | np.generic) else content


# -- hashes ----------------------------------------------------------------------------------------


def little_endian(array: AnyArray) -> AnyArray:
    """Return an array in C order with little-endian numbers."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def array_hash(array: AnyArray) -> str:
    """Return the SHA-256 over type, shape and little-endian bytes."""
    fixed = little_endian(array)
    total = hashlib.sha256(f"{fixed.dtype.str}{fixed.shape}".encode())
    total.update(fixed.reshape(-1).view(np.uint8).data if fixed.size else b"")
    return total.hexdigest()


def root_hash(hashes: Mapping[str, str], attributes: str) -> str:
    """Return the SHA-256 over the hashes of all arrays, by name, and the attributes."""
    lines = [f"{name} {hashes[name]}" for name in sorted(hashes)]
    text = "\n".join([*lines, attributes])
    # a damaged file may hold anything
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _datasets(file: Any) -> list[tuple[str, Any]]:
    import h5py

    found: list[tuple[str, Any]] = []
    file.visititems(
        lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _mapped(path: str | os.PathLike[str], dataset: Any) -> AnyArray:
    offset = dataset.id.get_offset()
    if offset is None or dataset.chunks is not None:
        raise FormatError(path, dataset.name, "is not in one piece and cannot be mapped")
    return np.memmap(path, mode="r", dtype=dataset.dtype, shape=dataset.shape, offset=offset)


# -- folders ---------------------------------------------------------------------------------------


def table_folder(sim_id: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Return ``<root>/data/tables/<sim_id>``; `root` is the current folder by default."""
    return Path(root or ".") / _ROOT / folder_name("sim_id", sim_id)


def table_files(root: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Yield the files of all tables under ``<root>/data/tables``, by name."""
    yield from sorted((Path(root or ".") / _ROOT).glob("*/[!.]*.h5"))


def folder_hash(folder: str | os.PathLike[str]) -> str:
    """Return the SHA-256 over the root hashes of a folder's tables, by name of file.

    What a run keeps to know its tables again. The files themselves are not verified.
    """
    import h5py

    lines = []
    for file in sorted(Path(folder).glob("[!.]*.h5")):
        with reading(file, "table"), h5py.File(file, "r") as opened:
            check_format(file, opened.attrs, FORMAT, FORMAT_VERSION[0])
            lines.append(f"{file.name} {opened.attrs['sha256']}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
