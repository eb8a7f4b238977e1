"""How far the centre used is from that of the mass: one distance, or a distribution of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from .._core import miscentring as core
from ..errors import ParameterError
from ..units import as_float_array
from .base import Array, common_shape, parameter

_MOST_SHAPE = 100.0


class RingNodes(NamedTuple):
    """Averages over m circles as sums over nodes; see `core.nodes`."""

    radius: Array
    """(k,) distances from the centre of the mass [Mpc]."""
    weight: Array
    """(3, k), of a scalar field, a tangential one, and of d Sigma / d ln r."""
    start: npt.NDArray[np.uintp]
    """(m + 1,), the first node of each circle."""

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of nodes of each circle, (m,)."""
        return (self.start[1:] - self.start[:-1]).astype(np.int64)


class Offset(ABC):
    """Distribution of the projected distance d between the two centres [physical Mpc]."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """``()``, or ``(n,)`` for a distribution of its own for each of n profiles."""

    @abstractmethod
    def nodes(self, radius: Array, row: int = 0) -> RingNodes:
        """Return the nodes of circles of `radius` (m,), for profile `row`."""

    @abstractmethod
    def _key(self) -> tuple[Any, ...]:
        """What tells it from others of its class."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, Offset):
            return NotImplemented
        pairs = zip(self._key(), other._key(), strict=True)
        return all(bool(np.array_equal(a, b)) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]


class _ScaledOffset(Offset):
    """A distribution of one scale."""

    scale: Any
    shape_parameter: float = 2.0

    def _set_scale(self, scale: Any, name: str, zero_allowed: bool = False) -> None:
        values = parameter(scale, "Mpc", name, 0.0, 1e3, low_allowed=zero_allowed)
        common_shape(**{name: values})
        self.scale = values[()]

    @property
    def shape(self) -> tuple[int, ...]:
        """``()``, or ``(n,)`` for a scale of its own for each of n profiles."""
        return np.shape(self.scale)

    def nodes(self, radius: Array, row: int = 0) -> RingNodes:
        """Return the nodes of circles of `radius` (m,), for profile `row`."""
        scale = float(self.scale[row] if self.shape else self.scale)
        return RingNodes(*core.nodes(core.KINDS[self.name], radius, scale, self.shape_parameter))

    def _key(self) -> tuple[Any, ...]:
        return self.scale, self.shape_parameter

    def __repr__(self) -> str:
        value = f"{float(self.scale):.6g}" if not self.shape else f"<{self.scale.size} values>"
        return f"{type(self).__name__}({value})"


class FixedOffset(_ScaledOffset):
    """All offsets are of one length.

    Parameters
    ----------
    distance : float or (n,), physical Mpc, >= 0
        What `Miscentred` makes of a plain number.
    """

    name = "one"

    def __init__(self, distance: Any) -> None:
        self._set_scale(distance, "distance", zero_allowed=True)


class RayleighOffset(_ScaledOffset):
    """Offsets whose x and y are normal: ``p(d) = d / s^2 exp(-d^2 / (2 s^2))``.

    Parameters
    ----------
    scale : float or (n,), physical Mpc, > 0
        s, the standard deviation along one axis; the mean of d is ``sqrt(pi / 2) s``.
    """

    name = "rayleigh"

    def __init__(self, scale: Any) -> None:
        self._set_scale(scale, "scale")


class GammaOffset(_ScaledOffset):
    """Gamma distribution, ``p(d) = d^(k-1) exp(-d / s) / (Gamma(k) s^k)``.

    Parameters
    ----------
    scale : float or (n,), physical Mpc, > 0
        s; the mean of d is k s.
    shape : float, between 1 and 100
        k; 2 in McClintock et al. (2019), where s is ``tau R_lambda``.
    """

    name = "gamma"

    def __init__(self, scale: Any, shape: float = 2.0) -> None:
        self._set_scale(scale, "scale")
        if not 1.0 <= float(shape) <= _MOST_SHAPE:
            raise ParameterError("shape", shape, f"between 1 and {_MOST_SHAPE:g}")
        self.shape_parameter = float(shape)


class OffsetSample(Offset):
    """Offsets that were measured, or simulated.

    Parameters
    ----------
    distances : (k,) array_like, physical Mpc, >= 0
    weights : (k,) array_like, >= 0, optional
        Their shares, normalised here; equal by default.
    """

    name = "sample"

    def __init__(self, distances: Any, weights: Any = None) -> None:
        values = parameter(distances, "Mpc", "distances", 0.0, 1e3, low_allowed=True)
        if values.ndim != 1 or not values.size:
            raise ParameterError("distances.shape", values.shape, "(k,), k >= 1")
        share = np.ones(values.size) if weights is None else as_float_array(weights, "", "weights")
        total = float(np.sum(share))
        if share.shape != values.shape or not (np.all(share >= 0.0) and 0.0 < total < np.inf):
            raise ParameterError("weights", weights, "one for each distance, >= 0, not all 0")
        self.distances = values
        self.weights = share / total
        self.weights.flags.writeable = False

    @property
    def shape(self) -> tuple[int, ...]:
        """``()``: a sample is that of all profiles."""
        return ()

    def nodes(self, radius: Array, row: int = 0) -> RingNodes:
        """Return the nodes of circles of `radius` (m,)."""
        return RingNodes(*core.sample_nodes(radius, self.distances, self.weights))

    def _key(self) -> tuple[Any, ...]:
        return self.distances, self.weights

    def __repr__(self) -> str:
        return f"OffsetSample(<{self.distances.size} values>)"


def as_offset(value: Any) -> Offset:
    """Return an `Offset`: the one given, or that of a plain number [Mpc]."""
    return value if isinstance(value, Offset) else FixedOffset(value)
