"""The truth of the lens workloads: the slow twin of the tests, which does not use clmassmod."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from .harness import ROOT
from .oracles import Array

RADII = ("einstein_radius", "radial_critical_radius", "caustic_radius")


@lru_cache(maxsize=1)
def twin_module() -> Any:
    """Return tests/unit/lens_twin.py as a module."""
    name = "lens_twin"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "unit" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def twin(**arguments: float) -> Any:
    """Return the twin of one lens; arguments as `LensModel` has them."""
    return twin_module().Twin(**{name: float(value) for name, value in arguments.items()})


def solution(lens: Any, beta: float) -> Array:
    """Return theta_E, x_rad, y_c, x_A, x_B [kpc], mu_A, mu_B."""
    x_a, x_b = lens.outer_image(beta), lens.inner_image(beta)
    images = (x_a, x_b, lens.magnification(x_a), lens.magnification(-x_b))
    return np.array([*(getattr(lens, name) for name in RADII), *images], dtype=float)
