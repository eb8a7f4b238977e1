"""Damaged files of every format give a valid object or a FormatError, nothing else."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from astropy.table import Table

from clmassmod.errors import FormatError
from clmassmod.observables import DeltaSigma
from clmassmod.readers import load_covariance, load_delta_sigma, load_source_distribution

pytestmark = pytest.mark.fuzz

N = 6
RADIUS = np.geomspace(0.2, 3.0, N)
VALUES = 1e14 / RADIUS
ERRORS = np.full(N, 1e13)
COVARIANCE = np.diag(ERRORS**2) + 1e24
UNITS = {"radius": "Mpc", "values": "Msun/Mpc2"}


def _profile():
    return DeltaSigma(
        RADIUS, VALUES, ERRORS, COVARIANCE, redshift=0.3, id="x", metadata={"survey": "ours"}
    )


def _write_hdf5(path):
    with h5py.File(path, "w") as root:
        root["r"], root["ds"], root["ds_err"], root["cov"] = RADIUS, VALUES, ERRORS, COVARIANCE
        root.attrs["redshift"] = 0.3


def _write_text(path):
    rows = np.column_stack([RADIUS, VALUES, ERRORS])
    np.savetxt(path, rows, header="R [Mpc] ds [Msun/Mpc2] ds_err [Msun/Mpc2]")


def _write_csv(path):
    rows = np.column_stack([RADIUS, VALUES, ERRORS])
    np.savetxt(path, rows, delimiter=",", header="R [Mpc],ds [Msun/Mpc2],ds_err", comments="")


WRITERS = {
    "x.ecsv": lambda path: _profile().write(path),
    "x.txt": _write_text,
    "x.csv": _write_csv,
    "x.fits": lambda path: Table({"R": RADIUS, "ds": VALUES, "ds_err": ERRORS}).write(path),
    "x.hdf5": _write_hdf5,
    "x.npz": lambda path: np.savez(path, r=RADIUS, ds=VALUES, ds_err=ERRORS, cov=COVARIANCE),
}
UNITLESS = ("x.fits", "x.hdf5", "x.npz")


def flipped(content, rng):
    """Flip one to eight bits."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def truncated(content, rng):
    return content[: rng.integers(len(content))]


def zeroed(content, rng):
    """A block of zeros, as a lost page leaves."""
    start = int(rng.integers(len(content)))
    length = min(int(rng.integers(1, 512)), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def spliced(content, rng):
    """A piece repeated elsewhere: duplicated lines, shifted fields."""
    start, end, at = sorted(int(x) for x in rng.integers(len(content), size=3))
    return content[:at] + content[start:end] + content[at:]


DAMAGES = (flipped, truncated, zeroed, spliced)


def is_valid(profile):
    return (
        isinstance(profile, DeltaSigma)
        and bool(np.all(np.isfinite(profile.values)) and np.all(profile.errors > 0))
        and bool(np.all(np.diff(profile.radius) > 0))
        and profile.redshift > 0
    )


def read(reader, path, **arguments):
    """What the reader returns, or its FormatError, which must name the file."""
    try:
        return reader(path, **arguments)
    except FormatError as error:
        caught = error
    assert caught.file == str(path)
    return caught


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_profiles(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    arguments = {"redshift": 0.3, "units": UNITS if name in UNITLESS else None}
    assert is_valid(load_delta_sigma(path, **arguments))
    refused = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, len(name)])
        path.write_bytes(DAMAGES[seed % len(DAMAGES)](whole, rng))
        result = read(load_delta_sigma, path, **arguments)
        if isinstance(result, FormatError):
            refused += 1
            continue
        for profile in result if isinstance(result, list) else [result]:
            assert is_valid(profile)
    assert refused >= 25, "damage that is never noticed means the test damages nothing"


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (load_source_distribution, "# z N(z)\n" + "".join(f"{z / 20} {z}\n" for z in range(40))),
        (load_covariance, "\n".join(" ".join(f"{x:.17g}" for x in row) for row in COVARIANCE)),
    ],
)
def test_damaged_companions(reader, content, tmp_path):
    path = tmp_path / "x.txt"
    for seed in range(200):
        rng = np.random.default_rng(seed)
        path.write_bytes(DAMAGES[seed % len(DAMAGES)](content.encode(), rng))
        read(reader, path)
