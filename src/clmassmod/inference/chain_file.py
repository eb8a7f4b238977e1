"""Files of chains: HDF5 in the layout of ArviZ's ``InferenceData``, whole or absent, checked.

Groups ``posterior`` and ``sample_stats``, ``warmup_posterior`` and ``warmup_sample_stats`` (the
burn-in) hold one variable ``(chain, draw)`` per parameter or statistic, with the dimension
scales that netCDF-4 asks for: ``arviz.from_netcdf("chain.h5")`` reads them.
"""

from __future__ import annotations

import io
import json
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from .._formats import check_format, reading
from ..errors import FormatError
from ..provenance import atomic_path
from ..table.store import array_hash, root_hash
from .chain import Chain

Array = npt.NDArray[np.float64]

FORMAT = "clmassmod chain"
FORMAT_VERSION = 1

_PARTS = (("warmup_posterior", "warmup_sample_stats"), ("posterior", "sample_stats"))
_STATISTICS = ("lp", "log_likelihood", "log_prior")


def write_chain(path: str | os.PathLike[str], chain: Chain) -> None:
    """Write a chain, whole or not at all."""
    import h5py

    header = json.dumps(
        {
            "names": chain.names,
            "n_burn": chain.n_burn,
            "attributes": chain.attributes,
            "random_state": None if chain.random_state is None else _plain(chain.random_state),
        }
    )
    # in memory first: a full disk is then an OSError, where HDF5 may end the process
    image = io.BytesIO()
    # netCDF-4 wants members in order of creation
    with h5py.File(image, "w", track_order=True) as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["content"] = header
        file.attrs["sha256"] = _hash(chain.draws, chain.log_posterior, chain.log_prior, header)
        for part, steps in zip(
            _PARTS, (slice(0, chain.n_burn), slice(chain.n_burn, None)), strict=True
        ):
            _write_part(file, part, chain, steps)
    with atomic_path(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def read_chain(path: str | os.PathLike[str]) -> Chain:
    """Return the chain of a file.

    Raises
    ------
    FormatError
        No such file, another kind of file, truncated, damaged, or of a newer format.
    """
    import h5py

    with reading(path, "chain"), h5py.File(path, "r") as file:
        check_format(path, file.attrs, FORMAT, FORMAT_VERSION)
        text, expected = str(file.attrs["content"]), str(file.attrs["sha256"])
        header = json.loads(text)
        names = tuple(header["names"])
        groups = [(d, s) for d, s in _PARTS if d in file]
        draws = np.concatenate([_read_group(file[d], names) for d, _ in groups])
        lp = np.concatenate([_read_group(file[s], ("lp", "log_prior")) for _, s in groups])
    log_posterior, log_prior = (np.ascontiguousarray(lp[..., i]) for i in (0, 1))
    if _hash(draws, log_posterior, log_prior, text) != expected:
        raise FormatError(path, "sha256", "damaged: the checksum does not agree")
    state = header["random_state"]
    return Chain(
        names,
        draws,
        log_posterior,
        log_prior,
        header["n_burn"],
        header["attributes"],
        None if state is None else (state[0], np.array(state[1], dtype=np.uint32), *state[2:]),
    )


def _hash(draws: Array, log_posterior: Array, log_prior: Array, header: str) -> str:
    arrays = {"draws": draws, "log_posterior": log_posterior, "log_prior": log_prior}
    return root_hash({name: array_hash(array) for name, array in arrays.items()}, header)


def _plain(state: tuple[Any, ...]) -> list[Any]:
    """Return the state of a numpy RandomState as what JSON can hold, without loss."""
    return [one.tolist() if isinstance(one, np.ndarray) else one for one in state]


def _write_part(file: Any, part: tuple[str, str], chain: Chain, steps: slice) -> None:
    """Write the two groups of some steps, unless these are none."""
    if not chain.draws[steps].size:
        return
    columns = np.moveaxis(chain.draws[steps], -1, 0)
    _write_group(file, part[0], dict(zip(chain.names, columns, strict=True)))
    numbers = (chain.log_posterior, chain.log_likelihood, chain.log_prior)
    values = {key: one[steps] for key, one in zip(_STATISTICS, numbers, strict=True)}
    _write_group(file, part[1], values)


def _write_group(file: Any, name: str, columns: dict[str, Array]) -> None:
    """Write variables (steps, walkers) as (chain, draw), with the scales of these."""
    group = file.create_group(name, track_order=True)
    n_steps, n_walkers = next(iter(columns.values())).shape
    for scale, size in (("chain", n_walkers), ("draw", n_steps)):
        group.create_dataset(scale, data=np.arange(size), track_times=False).make_scale(scale)
    for key, values in columns.items():
        dataset = group.create_dataset(key, data=values.T, track_times=False)
        for axis, scale in enumerate(("chain", "draw")):
            dataset.dims[axis].attach_scale(group[scale])


def _read_group(group: Any, names: tuple[str, ...]) -> Array:
    return np.stack([np.asarray(group[name][()], dtype=np.float64).T for name in names], axis=-1)
