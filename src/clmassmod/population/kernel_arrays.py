"""Arrays of the kernels of many lenses: as the core takes them, and in files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._core import population as core
from ..distributions import normal_rule
from ..table.files import ABOUT
from ..table.store import Content
from .kept_tables import read_kept
from .parameters import PopulationParameters, range_text

Array = npt.NDArray[np.float64]
Arrays = dict[str, npt.NDArray[Any]]

_MISMATCH_NODES = 16


def core_points(points: Array, gamma: Array, parameters: PopulationParameters) -> core.Points:
    """Return points (n, 15) of a population as the core takes them."""
    mismatch = np.array(normal_rule(_MISMATCH_NODES))
    frame = np.array([*parameters.pivots, *parameters.gamma_support])
    return core.Points(np.ascontiguousarray(points), gamma, mismatch, frame)


def concatenated(blocks: Sequence[Arrays]) -> Arrays:
    """Return the arrays of blocks of lenses one after another."""
    result = {
        name: np.concatenate([block[name] for block in blocks], axis=-1)
        for name in ("nodes", "gamma", "parts", "lenses", "errors", "n_slopes")
    }
    for name in ("first_part", "first"):
        result[name] = offsets(np.concatenate([np.diff(block[name]) for block in blocks]))
    return result


def sum_lenses(
    arrays: Mapping[str, npt.NDArray[Any]],
    points: core.Points,
    out: Array,
    n_threads: int,
    ratios: tuple[Array, Array, Array] | None = None,
) -> None:
    core.sum_lenses(
        arrays["nodes"],
        arrays["gamma"],
        arrays["first_part"],
        arrays["first"],
        arrays["parts"],
        arrays["lenses"],
        points,
        ratios,
        out,
        n_threads,
    )


def offsets(counts: Any) -> npt.NDArray[np.uintp]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uintp)


def kernel_content(
    arrays: Mapping[str, npt.NDArray[Any]],
    identity: str,
    support: Mapping[str, tuple[float, float]],
) -> Content:
    """Return what a file of kernels holds."""
    n_lenses, n_nodes = arrays["lenses"].shape[1], arrays["nodes"].shape[1]
    attributes = {
        "kernels": identity,
        "support": {k: list(v) for k, v in support.items()},
        ABOUT: f"lens kernels  {n_lenses} lenses, {n_nodes} nodes, in {range_text(support)}",
    }
    return Content(dict(arrays), attributes)


def read_arrays(
    path: str | os.PathLike[str], identity: str
) -> tuple[Arrays, dict[str, tuple[float, float]]]:
    """Return arrays and support of a file, which must be of `identity`."""
    content = read_kept(path, "kernels", "lens kernels", identity)
    support = {k: (float(v[0]), float(v[1])) for k, v in content.attributes["support"].items()}
    return dict(content.arrays), support
