"""The priors of all parameters of a likelihood, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest
from ..rng import keyed_uniforms
from .joint_priors import JointPrior, joint_prior_from_dict
from .priors import Prior, prior_from_dict

Array = npt.NDArray[np.float64]
Names = tuple[str, ...]

_LEAST_INSIDE = 1e-4


class PriorSet:
    """Independent priors of parameters, and joint ones of several parameters together.

    Parameters
    ----------
    priors : mapping
        Name -> `Prior`, or tuple of names -> `JointPrior`; a mapping that describes one serves
        as well, and for a joint one may name its parameters in ``names`` (the key is then a
        label).

    Raises
    ------
    ParameterError
        A prior that is none, or a name that has two.

    Examples
    --------
    >>> from clmassmod.inference.priors import Normal, Uniform
    >>> priors = PriorSet({"mu_h": Uniform(12.0, 14.0), "alpha_sps": Normal(0.1, 0.05)})
    >>> priors.sample(3, seed=1).shape
    (3, 2)
    >>> priors.replace(mu_h=Normal(13.0, 0.2)).support["mu_h"]
    (-inf, inf)
    """

    def __init__(self, priors: Mapping[Any, Any]) -> None:
        parts = [_part(key, given) for key, given in priors.items()]
        self._parts: dict[Names, Prior | JointPrior] = dict(parts)
        self.names: Names = tuple(name for names, _ in parts for name in names)
        """Names, in the order of the columns."""
        for name in self.names:
            if self.names.count(name) > 1:
                raise ParameterError("priors", name, "the name of one prior only")

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        parts = (f"{'+'.join(names)}: {prior!r}" for names, prior in self._parts.items())
        return f"PriorSet({', '.join(parts)})"

    def __getitem__(self, name: str) -> Prior | JointPrior:
        return self._parts[self._names_with(name)]

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Name -> ends of the support."""
        found: dict[str, tuple[float, float]] = {}
        for names, prior in self._parts.items():
            ends = zip(np.atleast_1d(prior.low), np.atleast_1d(prior.high), strict=True)
            found |= {n: (float(a), float(b)) for n, (a, b) in zip(names, ends, strict=True)}
        return {name: found[name] for name in self.names}

    @property
    def inside(self) -> float:
        """Share of the unit cube that `transform` maps into the support (1 without cut joints)."""
        return math.prod(p.inside for p in self._parts.values() if isinstance(p, JointPrior))

    def log_density(self, theta: Any) -> Array:
        """Return the natural logarithm of the density (n,) at values (n, d)."""
        x = self._columns_checked("theta", theta)
        total = np.zeros(len(x))
        for names, prior in self._parts.items():
            columns = self._columns(names)
            total += prior.log_density(x[:, columns if len(names) > 1 else columns[0]])
        return total

    def transform(self, cube: Any) -> Array:
        """Return values (n, d) of points (n, d) uniform in the unit cube.

        Those inside the support have the density of the prior; with a cut `JointPrior` some
        are outside, where the density is 0.
        """
        u = self._columns_checked("cube", cube)
        result = np.empty_like(u)
        for names, prior in self._parts.items():
            columns = self._columns(names)
            if isinstance(prior, JointPrior):
                result[:, columns] = prior.transform(u[:, columns])
            else:
                result[:, columns[0]] = prior.quantile(u[:, columns[0]])
        return result

    def sample(self, n: int, seed: int) -> Array:
        """Return n draws (n, d); the first ones do not depend on how many are drawn."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise ParameterError("n", n, "an integer >= 0")
        parts: list[Array] = []
        tried, found = 0, 0
        while found < n:
            ids = np.arange(tried, tried + max(n, 256))
            points = self.transform(keyed_uniforms(seed, "prior", ids, len(self)))
            parts.append(points[np.isfinite(self.log_density(points))])
            tried, found = tried + len(ids), found + len(parts[-1])
            if tried > 10_000 and found < _LEAST_INSIDE * tried:
                raise ParameterError("priors", self, f"with more than {_LEAST_INSIDE} inside cuts")
        return np.concatenate([np.empty((0, len(self))), *parts])[:n]

    def ordered(self, names: Sequence[str]) -> PriorSet:
        """Return the same priors with columns in the order of `names`.

        Raises
        ------
        ParameterError
            A name without a prior, or a prior without a name.
        """
        for name in names:
            if name not in self.names:
                hint = nearest(name, self.names) or f"There are priors of {', '.join(self.names)}."
                raise ParameterError("priors", f"no prior of {name}", "a prior per parameter", hint)
        for name in self.names:
            if name not in names:
                hint = nearest(name, names)
                raise ParameterError("priors", name, f"of one of {', '.join(names)}", hint)
        result = PriorSet(self._parts)
        result.names = tuple(names)
        return result

    def replace(self, changes: Mapping[Any, Any] | None = None, /, **by_name: Any) -> PriorSet:
        """Return the set with some priors replaced; joint ones as ``{("a", "b"): prior}``.

        Raises
        ------
        ParameterError
            A name that has no prior here, or is part of a joint one that is not replaced whole.
        """
        parts: dict[Names, Any] = dict(self._parts)
        given = [_part(key, prior) for key, prior in {**(changes or {}), **by_name}.items()]
        new = {name for names, _ in given for name in names}
        for name in new:
            old = self._names_with(name)
            missing = [one for one in old if one not in new]
            if missing:
                hint = f"Give a prior of {', '.join(missing)} as well."
                raise ParameterError("replace", name, f"not part of a joint prior {old}", hint)
            parts.pop(old, None)
        return PriorSet(parts | dict(given)).ordered(self.names)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes the same set from (functions excepted)."""
        return {
            "names": list(self.names),
            "priors": {"+".join(names): _described(names, p) for names, p in self._parts.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PriorSet:
        """Return the set of `to_dict`, or of a mapping name -> prior."""
        if "priors" in content:
            return cls(content["priors"]).ordered(content["names"])
        return cls(content)

    def _columns(self, names: Names) -> list[int]:
        return [self.names.index(name) for name in names]

    def _names_with(self, name: str) -> Names:
        for names in self._parts:
            if name in names:
                return names
        hint = nearest(str(name), self.names)
        raise ParameterError("priors", name, f"one of {', '.join(self.names)}", hint)

    def _columns_checked(self, what: str, given: Any) -> Array:
        x = np.asarray(given, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self):
            allowed = f"(n, {len(self)}): {', '.join(self.names)}"
            raise ParameterError(f"{what}.shape", x.shape, allowed)
        return x


def _part(key: Any, given: Any) -> tuple[Names, Prior | JointPrior]:
    """Return names and prior of one entry."""
    content = dict(given) if isinstance(given, Mapping) else given
    names = content.pop("names", key) if isinstance(content, dict) else key
    names = (names,) if isinstance(names, str) else tuple(names)
    where = f"priors.{'+'.join(names)}"
    if not isinstance(content, Prior | JointPrior | dict):
        raise ParameterError(where, given, "a Prior, a JointPrior or a mapping that describes one")
    if len(names) == 1 and not isinstance(content, JointPrior):
        return names, prior_from_dict(content, where)
    if isinstance(content, Prior):
        raise ParameterError(where, given, f"a JointPrior of {len(names)} parameters")
    joint = joint_prior_from_dict(content, where)
    if joint.low.shape != (len(names),):
        raise ParameterError(where, f"prior of {joint.low.size}", f"one of {len(names)} parameters")
    return names, joint


def _described(names: Names, prior: Prior | JointPrior) -> dict[str, Any]:
    # JSON knows no infinity; an end that is not given is infinite
    content = {k: v for k, v in prior.to_dict().items() if not _infinite(v)}
    return {"names": list(names), **content} if len(names) > 1 else content


def _infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)
