"""Damaged maps of every format give a valid map or a FormatError, nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from map_writers import VALUES, jacobian, plane, projected_haloes
from test_map_readers import WRITERS
from test_reader_fuzz import DAMAGES, read

from clmassmod.errors import FormatError
from clmassmod.maps import KappaMap, MassMap
from clmassmod.readers import load_kappa_map, load_mass_map

pytestmark = pytest.mark.fuzz

HALO_UNITS = {"values": "1e10 Msun / h", "depth": "kpc / h"}
CASES = {
    **{name: (load_kappa_map, *case) for name, case in WRITERS.items()},
    "rays.fits": (load_kappa_map, jacobian, {"cosmology": FlatLambdaCDM(70, 0.3)}),
    "x.mass_map": (load_mass_map, lambda path: plane(path, 1.0 + VALUES), {"little_h": 0.7}),
    "haloes.hdf5": (load_mass_map, projected_haloes, {"units": HALO_UNITS, "little_h": 0.7}),
}
# of 120; half of the bits of some files are values, where any number is one
LEAST_REFUSED = 40


def is_valid(found):
    pixel = found.pixel_scale if found.pixel_angle is None else found.pixel_angle
    good = np.isfinite(found.values) if found.mask is None else True
    return (
        isinstance(found, KappaMap | MassMap)
        and found.values.shape == (found.n_pixels, found.n_pixels)
        and bool(np.all(good))
        and pixel > 0
        and found.redshift > 0
    )


@pytest.mark.parametrize("name", CASES)
def test_damaged_maps(name, tmp_path):
    load, write, arguments = CASES[name]
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    refused = 0
    for seed in range(120):
        rng = np.random.default_rng([seed, len(name)])
        path.write_bytes(DAMAGES[seed % len(DAMAGES)](whole, rng))
        result = read(load, path, **arguments)
        if isinstance(result, FormatError):
            refused += 1
            continue
        for found in result if isinstance(result, list) else [result]:
            assert is_valid(found)
    assert refused >= LEAST_REFUSED, "damage that is never noticed means the test damages nothing"
