"""Writers of maps in every format that is read, for tests."""

from __future__ import annotations

import math

import h5py
import numpy as np
from astropy.io import fits
from astropy.table import Table

from clmassmod.maps import KappaMap

N = 8
PIXEL = 0.25
# no symmetry: a transposed or mirrored map would be noticed
VALUES = 0.01 * np.random.default_rng(8).normal(size=(N, N))
X, Y = np.meshgrid(PIXEL * (np.arange(N) - 3.0), PIXEL * (np.arange(N) - 2.0))
KNOWN = {"redshift": 0.3, "z_source": 1.0, "pixel_scale_mpc": PIXEL}


def own(path):
    KappaMap(VALUES, PIXEL, redshift=0.3, sources=1.0, id="x").write(path)


def fits_image(path):
    image = fits.PrimaryHDU(VALUES)
    image.header.update({"Z_LENS": 0.3, "ZSOURCE": 1.0})
    image.header.update({"CDELT1": PIXEL, "CDELT2": PIXEL, "CUNIT1": "Mpc", "CUNIT2": "Mpc"})
    image.writeto(path, checksum=True)


def fits_table(path):
    table = Table({"kappa": VALUES}, meta={"REDSHIFT": 0.3, "Z_S": 1.0})
    table.write(path)


def hdf5(path):
    with h5py.File(path, "w") as root:
        root["kappa"] = VALUES
        root.attrs.update(KNOWN)


def npz(path):
    np.savez(path, kappa=VALUES, **KNOWN)


def npy(path):
    np.save(path, VALUES)


def matrix(path):
    np.savetxt(path, VALUES, fmt="%.17g")


def csv_matrix(path):
    np.savetxt(path, VALUES, fmt="%.17g", delimiter=",")


def rows():
    """Rows of x, y and value in an order of no meaning."""
    order = np.random.default_rng(2).permutation(N * N)
    return [array.ravel()[order] for array in (X, Y, VALUES)]


def ecsv_rows(path):
    x, y, kappa = rows()
    Table({"x": x, "y": y, "kappa": kappa}, units={"x": "Mpc", "y": "Mpc"}, meta=KNOWN).write(path)


def csv_rows(path):
    header = "x [Mpc],y [Mpc],kappa"
    np.savetxt(path, np.column_stack(rows()), "%.17g", ",", header=header, comments="")


def text_rows(path):
    np.savetxt(path, np.column_stack(rows()), fmt="%.17g", header="x_mpc y_mpc kappa")


def jacobian(path, gamma1=None, gamma2=None):
    """One row of vectors, x the first axis; box of 100 Mpc/h, 400 Mpc/h deep."""
    zero = np.zeros((N, N))
    gamma1, gamma2 = (zero if g is None else g for g in (gamma1, gamma2))
    parts = {
        "A00": 1.0 - VALUES - gamma1,
        "A01": -gamma2,
        "A10": -gamma2,
        "A11": 1.0 - VALUES + gamma1,
    }
    table = Table({name: part.T.reshape(1, -1) for name, part in parts.items()})
    table["BOXWIDTHCOMOVINGHINVMPC"], table["BOXLENGTHCOMOVINGHINVMPC"] = [100.0], [400.0]
    table["ZLENS"], table["ZSOURCE"] = [0.3], [1.0]
    table.write(path, format="fits")


def plane(path, values=VALUES, sides=(-1.5, 2.5, -1.0, 3.0), redshift=0.3):
    """Bounds in the unit of the kind of map; pixels as floats, x the first axis."""
    x0, x1, y0, y1 = sides
    head = np.array([x0, y0, x1, y1, 0.5 * math.pi, redshift], "<f8").tobytes()
    head += np.array([1e9], "<f4").tobytes() + np.array([N, N], "<i4").tobytes()
    path.write_bytes(head + values.T.astype("<f4").tobytes())


def projected_haloes(path, haloes=("12", "7"), kinds=("dm_Sigma",)):
    """Masses per pixel [1e10 Msun/h], pixels [kpc/h], three projections a halo."""
    with h5py.File(path, "w") as root:
        root["BoxSize"], root["redshift"], root["scale_fac"] = 352000.0, 0.25, 0.8
        # the second, as public files have it, is a group with a number called "h]"
        root["l_proj"], root["resolution [kpc/h]"] = 20000.0, 10.0
        group = root.create_group("halos")
        for name in haloes:
            halo = group.create_group(name)
            halo["masses"] = np.array([2e4, 3e4])
            for kind in kinds:
                stack = np.stack([(VALUES + 1.0 + i + int(name)).T for i in range(3)])
                halo[kind] = stack
        group.create_group("99")["masses"] = np.array([1e4, 1e4])  # a halo without maps
