"""The pool: a scrambled Sobol sample of a box, split into drive, stop and final."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from ..errors import ParameterError
from ..rng import keyed_uniforms

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SPLITS = ("drive", "stop", "final")
_SHARES = (0.6, 0.8)
_PURPOSE = "table pool split"
LEAST, MOST = 2**8, 2**20


@dataclass(frozen=True)
class Pool:
    """Points u (n, N) of a box, with their numbers in the Sobol sequence.

    Drive points choose the knots, stop points end the build, final points are looked at when
    the table is released. Which is which depends on the seed and the number alone.
    """

    seed: int
    u: Array
    index: Indices
    box: Array
    used: int
    """How many numbers of the sequence have been gone through."""

    @classmethod
    def sample(cls, box: Array, n: int, seed: int) -> Pool:
        """Return the first n points, n a power of 2, in a box (N, 2)."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n & (n - 1):
            raise ParameterError("pool", n, "a power of 2")
        if not LEAST <= n <= MOST:
            raise ParameterError("pool", n, f"within {LEAST} and {MOST}")
        count = int(n)
        return cls(seed, _scaled(_sobol(box, 0, count, seed), box), np.arange(count), box, count)

    def __len__(self) -> int:
        return len(self.u)

    def rows(self, split: str) -> Indices:
        """Return the rows of ``"drive"`` (60 %), ``"stop"`` (20 %) or ``"final"`` (20 %)."""
        return np.flatnonzero(self.split() == SPLITS.index(split))

    def split(self) -> npt.NDArray[np.int8]:
        """Return, for each point, the number of its part in `SPLITS`."""
        uniform = keyed_uniforms(self.seed, _PURPOSE, self.index)[:, 0]
        return np.searchsorted(_SHARES, uniform, side="right").astype(np.int8)

    def doubled(self) -> Pool:
        """Return the pool with the next block of the sequence, as large as it is."""
        return self._grown(self.box, self._take(self.box, len(self)))

    def enlarged(self, box: Array) -> Pool:
        """Return the pool with points of the same density in the rest of a larger box."""
        volume = float(np.prod(np.diff(box) / np.diff(self.box)))
        extra = round(len(self) * (volume - 1.0))
        return self._grown(box, self._take(box, extra, outside=self.box))

    def _take(self, box: Array, n: int, outside: Array | None = None) -> tuple[Array, Indices]:
        """Return the next n points in `box`, and numbers, that are not in `outside`."""
        if len(self) + n > MOST:
            hint = "Enlarge the box less, or start with a smaller pool."
            raise ParameterError("pool", len(self) + n, f"at most {MOST}", hint)
        share = 1.0 if outside is None else n / (len(self) + n)
        # a few more than needed on average, since Sobol points are even
        length = int((n + 64) / share) + 64
        while True:
            u = _scaled(_sobol(box, self.used, length, self.seed), box)
            at = np.arange(length)
            if outside is not None:
                known = ((u >= outside[:, 0]) & (u <= outside[:, 1])).all(axis=1)
                at = np.flatnonzero(~known)
            at = at[:n]
            if at.size == n:
                return u[at], at + self.used
            length *= 2

    def _grown(self, box: Array, new: tuple[Array, Indices]) -> Pool:
        u, index = new
        used = int(index[-1]) + 1 if index.size else self.used
        return Pool(
            self.seed, np.concatenate([self.u, u]), np.concatenate([self.index, index]), box, used
        )


def _sobol(box: Array, start: int, n: int, seed: int) -> Array:
    engine: Any = qmc.Sobol(len(box), scramble=True, seed=np.random.default_rng(seed))
    if start:
        engine.fast_forward(start)
    return np.asarray(engine.random(n))


def _scaled(unit: Array, box: Array) -> Array:
    low, high = box[:, 0], box[:, 1]
    return np.asarray(np.clip(low + (high - low) * unit, low, high))
