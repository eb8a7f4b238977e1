"""What the draws of mock galaxies are keyed by, and the galaxies before they are measured."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..rng import keyed_uniforms
from .ellipticity import Complex

Array = npt.NDArray[np.float64]


class Setting(NamedTuple):
    """One halo: what its draws are keyed by and its distances."""

    seed: int
    halo: int
    redshift: float
    distance: float  # angular diameter distance [Mpc]
    unit: float  # of the field of view [Mpc]
    density: float  # of galaxies per Mpc^2, without a lens
    n_threads: int


class Galaxies(NamedTuple):
    """Galaxies before they are measured; x, y [Mpc] from the centre of the catalogue."""

    part: npt.NDArray[np.int64]
    x: Array
    y: Array
    z_true: Array
    apparent: Array  # redshift before the scatter of photometric redshifts
    kappa: Array
    gamma: Complex
    member: bool

    def select(self, keep: npt.NDArray[np.bool_]) -> Galaxies:
        """Return those where `keep` says so."""
        return self._replace(
            part=self.part[keep],
            x=self.x[keep],
            y=self.y[keep],
            z_true=self.z_true[keep],
            apparent=self.apparent[keep],
            kappa=self.kappa[keep],
            gamma=self.gamma[keep],
        )


def halo_number(halo_id: int | str) -> int:
    """Return what random numbers of a halo are keyed by: an integer itself, a name's sha256."""
    if isinstance(halo_id, str):
        return int.from_bytes(hashlib.sha256(halo_id.encode()).digest()[:8], "little") >> 1
    if isinstance(halo_id, bool) or not isinstance(halo_id, int | np.integer):
        raise ParameterError("halo_id", halo_id, "a name, or an integer >= 0")
    if not 0 <= halo_id < 1 << 63:
        raise ParameterError("halo_id", halo_id, "a name, or an integer >= 0 and < 2^63")
    return int(halo_id)


def poisson_quantile(chance: float, mean: float) -> int:
    """Return the least n with a Poisson probability of at most n of at least `chance`."""
    from scipy import special

    n = max(0, math.ceil(float(special.pdtrik(chance, mean))))
    if n > 0 and special.pdtr(n - 1, mean) >= chance:
        return n - 1
    return n


def draws(setting: Setting, purpose: str, part: npt.NDArray[np.int64], n: int) -> Array:
    """Return n uniform random numbers of every galaxy of a halo, by its number `part`."""
    halo = np.full(part.size, setting.halo, dtype=np.uint64)
    return keyed_uniforms(setting.seed, purpose, halo, n, setting.n_threads, parts=part)
