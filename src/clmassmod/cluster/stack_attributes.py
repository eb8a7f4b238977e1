"""Attributes of `CLMassMod` that show its stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

if TYPE_CHECKING:
    from .massmod import CLMassMod

Array = npt.NDArray[np.float64]


class StackArray:
    """An array of the stack of a method, None without one.

    It may be assigned what it is already, as ``massmod.deltaSigma, massmod.errSigma,
    massmod.avgR = massmod.stackTools.stack(...)`` does, and nothing else.
    """

    def __init__(self, method: str, field: str) -> None:
        self.method, self.field = method, field
        self.name = ""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, massmod: CLMassMod | None, owner: type[Any]) -> Any:
        if massmod is None:
            return self
        stack = massmod.stacks.get(self.method)
        return None if stack is None else getattr(stack, self.field)

    def __set__(self, massmod: CLMassMod, value: Any) -> None:
        current = self.__get__(massmod, type(massmod))
        if current is None or not np.array_equal(current, value, equal_nan=True):
            raise ParameterError(
                self.name,
                "other numbers",
                f"what massmod.stackTools.stack({self.method!r}, presetX) gives",
                "To fit a profile of your own, assign it as obs_delta_sigma.",
            )
