"""Files of stacks and of the sums they are made of: HDF5, whole or absent, checked."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from .._formats import check_format, reading
from ..errors import FormatError, ParameterError
from ..provenance import atomic_path, digest, provenance
from .stack import Stack
from .sums import StackSums

FORMATS = {"StackSums": "clmassmod stack sums", "Stack": "clmassmod stack"}
FORMAT_VERSION = 1


def write_sums(sums: StackSums, path: str | os.PathLike[str], key: str = "") -> None:
    """Write sums; `key` says what they were made of, for a run that goes on."""
    _write(sums, path, key)


def read_sums(path: str | os.PathLike[str]) -> StackSums:
    """Return the sums of a file; see `StackSums.read`."""
    content, _ = _read(path, StackSums)
    made: StackSums = _made(path, StackSums, content, ("ids", "parts"))
    return made


def sums_key(path: str | os.PathLike[str]) -> str:
    """Return the key that sums were written with."""
    return _read(path, StackSums)[1]


def write_stack(stack: Stack, path: str | os.PathLike[str]) -> None:
    """Write a stack."""
    _write(stack, path, "")


def read_stack(path: str | os.PathLike[str]) -> Stack:
    """Return the stack of a file; see `Stack.read`."""
    content, _ = _read(path, Stack)
    made: Stack = _made(path, Stack, content, ("ids",))
    return made


def _write(what: Any, path: str | os.PathLike[str], key: str) -> None:
    import h5py

    content = {f.name: getattr(what, f.name) for f in fields(what)}
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    header = json.dumps(
        {
            "content": {name: value for name, value in content.items() if name not in arrays},
            "key": key,
            "provenance": provenance(),
        }
    )
    # in memory first: a full disk is then an OSError, where HDF5 may end the process
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs["format"] = FORMATS[type(what).__name__]
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["header"] = header
        file.attrs["sha256"] = _hash(header, arrays)
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def _read(path: str | os.PathLike[str], kind: type[Any]) -> tuple[dict[str, Any], str]:
    import h5py

    name = FORMATS[kind.__name__]
    with reading(path, name.removeprefix("clmassmod ")), h5py.File(path, "r") as file:
        check_format(path, file.attrs, name, FORMAT_VERSION)
        text, expected = str(file.attrs["header"]), str(file.attrs["sha256"])
        arrays = {key: np.asarray(file[key][()]) for key in file}
        if _hash(text, arrays) != expected:
            raise FormatError(path, "sha256", "damaged: the checksum does not agree")
        header = json.loads(text)
    return {**header["content"], **arrays}, header["key"]


def _made(
    path: str | os.PathLike[str], kind: type[Any], content: dict[str, Any], names: tuple[str, ...]
) -> Any:
    try:
        return kind(**{**content, **{name: tuple(content[name]) for name in names}})
    except (TypeError, KeyError, ParameterError) as error:
        raise FormatError(path, "content", str(error)) from error


def _hash(header: str, arrays: Mapping[str, Any]) -> str:
    return digest(header, *(part for name in sorted(arrays) for part in (name, arrays[name])))
