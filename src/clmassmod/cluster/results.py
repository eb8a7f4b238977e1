"""Fitted masses: one named tuple per halo, one HDF5 file each."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._formats import check_format, reading
from ..errors import FormatError
from ..provenance import atomic_path

Array = npt.NDArray[np.float64]

FORMAT = "clmassmod mass profile"
FORMAT_VERSION = 1
SUFFIX = ".h5"


class MassProfile(NamedTuple):
    """The fitted mass of one halo.

    Best fits maximise the likelihood times the informative (normal) priors; flat priors
    enter as bounds only. Depending on the method the density of the mass is a grid
    (`mass_grid`) or samples (`samples`); the interim prior is stored with both.
    """

    halo_id: str
    loc: str
    """File this result is saved in, or ""."""
    method: str
    status: str
    """``ok``, ``warning`` (see `message`) or ``failed``."""
    message: str
    redshift: float
    mass_def: str
    parameters: tuple[str, ...]
    mle: dict[str, float]
    """Best-fit values."""
    errors: dict[str, tuple[float, float]]
    """Distances from the best fit to the ends of the 68.3 % interval (down, up), >= 0."""
    covariance: Array
    """(P, P), of the values; NaN where the method gives none."""
    log_likelihood: float
    """At the best fit."""
    chi2: float
    n_data: int
    mass_grid: Array
    """(G,) Msun, or empty."""
    grid_log_likelihood: Array
    """(G,) ln L at `mass_grid`, other parameters marginalised over their priors."""
    grid_log_prior: Array
    """(G,) ln of the interim prior density of the mass."""
    samples: Array
    """(S, P) values, or empty."""
    sample_log_likelihood: Array
    sample_log_prior: Array
    """(S,) ln of the interim prior density of the values."""
    sample_log_weight: Array
    """(S,) zero for equally weighted samples."""
    log_evidence: float
    """ln Z, NaN unless from 'nested'."""
    diagnostics: dict[str, Any]
    """Convergence: r_hat, ess, acceptance, n_steps, edge; whatever the method gives."""
    metadata: dict[str, Any]
    """Configuration hash, versions, time."""

    @property
    def mass(self) -> float:
        """Best-fit mass [Msun]; NaN of a failed fit."""
        return self.mle.get("mass", float("nan"))

    def __repr__(self) -> str:
        values = []
        for name, value in self.mle.items():
            down, up = self.errors.get(name, (float("nan"), float("nan")))
            values.append(f"{name} = {value:.4g} -{down:.2g} +{up:.2g}")
        result = ", ".join(values) or self.message
        return f"<MassProfile {self.halo_id!r} {self.method} {self.status}: {result}>"

    @property
    def dof(self) -> int:
        """Data points minus free parameters."""
        return self.n_data - len(self.parameters)


_EMPTY = np.zeros(0)


def empty_profile(halo_id: str, method: str, redshift: float, mass_def: str) -> MassProfile:
    """Return a result without content, to be filled with ``_replace``."""
    return MassProfile(
        halo_id=halo_id,
        loc="",
        method=method,
        status="ok",
        message="",
        redshift=redshift,
        mass_def=mass_def,
        parameters=(),
        mle={},
        errors={},
        covariance=np.zeros((0, 0)),
        log_likelihood=float("nan"),
        chi2=float("nan"),
        n_data=0,
        mass_grid=_EMPTY,
        grid_log_likelihood=_EMPTY,
        grid_log_prior=_EMPTY,
        samples=np.zeros((0, 0)),
        sample_log_likelihood=_EMPTY,
        sample_log_prior=_EMPTY,
        sample_log_weight=_EMPTY,
        log_evidence=float("nan"),
        diagnostics={},
        metadata={},
    )


_ARRAYS = (
    "covariance",
    "mass_grid",
    "grid_log_likelihood",
    "grid_log_prior",
    "samples",
    "sample_log_likelihood",
    "sample_log_prior",
    "sample_log_weight",
)


def file_name(halo_id: str) -> str:
    """Return the file name of a halo; characters a file name should not have become ``_``."""
    safe = "".join(ch if ch.isalnum() or ch in "-_.+" else "_" for ch in halo_id)
    return (safe.lstrip(".") or "halo") + SUFFIX


def write_profile(profile: MassProfile, path: str | os.PathLike[str]) -> MassProfile:
    """Write one result atomically; return it with `loc` set to the file."""
    import h5py

    profile = profile._replace(loc=str(path))
    header = {
        key: value for key, value in profile._asdict().items() if key not in (*_ARRAYS, "loc")
    }
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["content"] = json.dumps(header)
        for key in _ARRAYS:
            file.create_dataset(key, data=getattr(profile, key))
    return profile


def read_profile(path: str | os.PathLike[str]) -> MassProfile:
    """Read one result.

    Raises
    ------
    FormatError
        Not such a file, truncated, or of a newer format.
    """
    import h5py

    with reading(path, "mass profile"), h5py.File(path, "r") as file:
        check_format(path, file.attrs, FORMAT, FORMAT_VERSION)
        header = json.loads(file.attrs["content"])
        arrays = {key: np.asarray(file[key][()], dtype=np.float64) for key in _ARRAYS}
    header["parameters"] = tuple(header["parameters"])
    header["errors"] = {key: tuple(value) for key, value in header["errors"].items()}
    try:
        content: dict[str, Any] = {"loc": str(path), **header, **arrays}
        return MassProfile(**content)
    except TypeError as error:
        raise FormatError(path, "content", str(error)) from error


def find_profiles(location: Any) -> list[str]:
    """Return the result files of a folder, a glob, a file, or a list of these.

    Those of a folder or glob are sorted by name, numbers in it by their value; a list keeps
    its order.
    A folder that the command line wrote is searched in its ``profiles/``.
    """
    import glob

    if isinstance(location, str | os.PathLike):
        path = Path(location)
        if path.is_dir():
            # the command line keeps them in a folder of their own
            here = [*path.glob(f"*{SUFFIX}")] or [*path.glob(f"profiles/*{SUFFIX}")]
            found = sorted((str(p) for p in here if not p.name.startswith(".")), key=_natural)
        elif path.exists():
            found = [str(path)]
        else:
            found = sorted(glob.glob(str(location)), key=_natural)
        if not found:
            raise FormatError(location, "location", f"no result file (*{SUFFIX}) found")
        return found
    return [name for item in location for name in find_profiles(item)]


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which halo_2 comes before halo_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), part) if part.isdigit() else (0, part) for part in parts]
