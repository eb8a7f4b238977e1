"""Every format of maps: the numbers that come out, what is said of them, and what is refused."""

from __future__ import annotations

import h5py
import map_writers as w
import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.table import Table

import clmassmod as clm
from clmassmod.cosmology import transverse_comoving_distance
from clmassmod.errors import FormatError, ParameterError
from clmassmod.maps import KappaMap, MassMap, shear_of_convergence
from clmassmod.utils import load_kappa_map, load_mass_map

from map_twin import disc_halo

KNOWN = {"redshift": 0.3, "sources": 1.0, "pixel_scale": w.PIXEL}
WRITERS = {
    "own.fits": (w.own, {}),
    "image.fits": (w.fits_image, {}),
    "table.fits": (w.fits_table, {"pixel_scale": w.PIXEL * u.Mpc}),
    "arrays.hdf5": (w.hdf5, {}),
    "arrays.npz": (w.npz, {}),
    "array.npy": (w.npy, KNOWN),
    "matrix.txt": (w.matrix, KNOWN),
    "matrix.csv": (w.csv_matrix, KNOWN),
    "rows.ecsv": (w.ecsv_rows, {}),
    "rows.csv": (w.csv_rows, {"redshift": 0.3, "sources": 1.0}),
    "rows.txt": (w.text_rows, {"redshift": 0.3, "sources": 1.0}),
    "jacobian.fits": (w.jacobian, {"pixel_scale": w.PIXEL}),
    "plane.convergence_map": (w.plane, {"pixel_scale": w.PIXEL, "sources": 1.0}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format(name, tmp_path):
    write, arguments = WRITERS[name]
    path = tmp_path / name
    write(path)
    found = load_kappa_map(path, **arguments)
    assert isinstance(found, KappaMap)
    single = name.startswith("plane")
    assert np.allclose(found.values, w.VALUES, rtol=0, atol=1e-9 if single else 1e-15)
    assert (found.redshift, found.sources) == (0.3, 1.0)
    assert found.pixel_scale == pytest.approx(w.PIXEL, rel=1e-12)
    assert found.file == str(path)
    assert found.id == ("x" if name == "own.fits" else path.stem)
    if name.startswith(("rows", "plane")):
        assert found.centre == pytest.approx((3.0, 2.0) if name.startswith("rows") else (2.5, 1.5))
    else:
        assert found.centre == (3.5, 3.5)
    assert found.sampling == ("point" if name.startswith("jacobian") else "pixel")


def test_lists_globs_and_ids(tmp_path):
    for name in "ab":
        w.npz(tmp_path / f"{name}_map.npz")
    both = load_kappa_map([tmp_path / "a_map.npz", tmp_path / "b_map.npz"])
    assert [m.id for m in both] == ["a_map", "b_map"]
    assert load_kappa_map(str(tmp_path / "*.npz")) == both
    named = load_kappa_map(f"{tmp_path}/{{id}}_map.npz", redshift={"a": 0.1, "b": 0.2})
    assert [(m.id, m.redshift) for m in named] == [("a", 0.1), ("b", 0.2)]
    assert load_kappa_map(tmp_path / "a_map.npz", id="mine").id == "mine"
    with pytest.raises(ParameterError, match="one id for each"):
        load_kappa_map([tmp_path / "a_map.npz"], id=["x", "y"])


def test_own_files_are_exact(tmp_path):
    rng = np.random.default_rng(1)
    hidden = rng.random((5, 5)) < 0.2
    sources = clm.SourceDistribution.chang2013()
    kappa = KappaMap(
        rng.normal(size=(5, 5)),
        pixel_angle=1e-4 / 3.0,
        redshift=0.1 + 0.2,
        sources=sources,
        centre=(1.1, 2.2),
        mask=hidden,
        errors=rng.random((5, 5)) + 0.1,
        depth=100.0 / 3.0,
        sampling="point",
        id="halo 7",
        metadata={"survey": "ours" * 40},
    )
    path = tmp_path / "x.fits"
    kappa.write(path)
    assert load_kappa_map(path) == kappa
    assert load_kappa_map(path, sources=0.9).sources == 0.9
    mass = MassMap(1e15 * rng.normal(size=(4, 4)), 0.1, redshift=0.3)
    mass.write(path)
    assert load_mass_map(path) == mass
    with pytest.raises(FormatError, match="holds 'mass_map', not 'kappa_map'"):
        load_kappa_map(path)
    with pytest.raises(FormatError, match="leave out units"):
        load_mass_map(path, units={"values": "Msun / pc2"})


def test_mass_per_pixel_h_and_comoving(tmp_path):
    path = tmp_path / "mass.hdf5"
    with h5py.File(path, "w") as root:
        root["sigma"] = 1.0 + w.VALUES
        root["sigma"].attrs["unit"] = "1e10 Msun / h"
        root.attrs.update({"redshift": 0.5, "pixel_size": 30.0, "pixel_size_unit": "kpc / h"})
        root.attrs["depth [Mpc/h]"] = 50.0
    with pytest.raises(FormatError, match="pass little_h="):
        load_mass_map(path)
    found = load_mass_map(path, little_h=0.7)
    side = 0.030 / 0.7
    assert found.pixel_scale == pytest.approx(side, rel=1e-14)
    assert found.depth == pytest.approx(50.0 / 0.7, rel=1e-14)
    assert np.allclose(found.values, 1e10 / 0.7 * (1.0 + w.VALUES) / side**2, rtol=1e-13)
    assert found.metadata == {
        "array": "sigma",
        "units": {"pixel_scale": "kpc / h", "depth": "Mpc/h", "values": "1e10 Msun / h"},
        "little_h": 0.7,
    }
    # the mass in a pixel is the same in comoving units, its area is not
    comoving = load_mass_map(path, little_h=0.7, comoving=True)
    assert comoving.pixel_scale == pytest.approx(side / 1.5, rel=1e-14)
    assert comoving.depth == pytest.approx(50.0 / 0.7 / 1.5, rel=1e-14)
    assert np.allclose(comoving.values, found.values * 1.5**2, rtol=1e-13)
    density = load_mass_map(
        path, little_h=0.7, comoving=["values"], units={"values": "1e10 Msun h / Mpc2"}
    )
    assert np.allclose(density.values, 1e10 * 0.7 * (1.0 + w.VALUES) * 1.5**2, rtol=1e-13)
    assert density.metadata["comoving"] == ["values"]
    with pytest.raises(FormatError, match="needs a pixel scale in Mpc"):
        load_mass_map(path, little_h=0.7, pixel_scale=1.0 * u.arcmin)


def test_projected_haloes(tmp_path):
    path = tmp_path / "suite.hdf5"
    w.projected_haloes(path)
    units = {"values": "1e10 Msun / h", "depth": "kpc / h"}
    maps = load_mass_map(path, units=units, little_h=0.7)
    assert [m.id for m in maps] == ["12_0", "12_1", "12_2", "7_0", "7_1", "7_2"]
    for found, i, halo in zip(maps, [0, 1, 2] * 2, [12] * 3 + [7] * 3, strict=True):
        side = 0.010 / 0.7
        expected = 1e10 / 0.7 * (w.VALUES + 1.0 + i + halo) / side**2
        assert np.allclose(found.values, expected, rtol=1e-13)
        assert (found.redshift, found.metadata["projection"]) == (0.25, i)
        assert found.depth == pytest.approx(20.0 / 0.7)
        assert found.metadata["properties"]["masses"] == [2e4, 3e4]
    one = load_mass_map(path, units=units, little_h=0.7, group="halos/7")
    assert one == maps[3:]
    w.projected_haloes(path, kinds=("dm_Sigma", "hydro_Sigma"))
    with pytest.raises(FormatError, match=r"values.*'dm_Sigma', 'hydro_Sigma'; choose"):
        load_mass_map(path, units=units, little_h=0.7)
    chosen = load_mass_map(path, units=units, little_h=0.7, columns={"values": "hydro_Sigma"})
    assert len(chosen) == 6
    with h5py.File(path, "a") as root:
        root["scale_fac"][()] = 0.7
    with pytest.raises(FormatError, match="scale_factor"):
        load_mass_map(path, units=units, little_h=0.7, columns={"values": "hydro_Sigma"})


def test_rays_of_a_jacobian(tmp_path):
    halo = clm.NFW(5e14, 4.0, redshift=0.3)
    kappa = disc_halo(halo, w.N, w.PIXEL, 0.9, (0.2, 0.1))
    shear = shear_of_convergence(kappa, sampling="point")
    path = tmp_path / "x.fits"
    w.jacobian(path, *shear)
    cosmology = FlatLambdaCDM(H0=70, Om0=0.27)
    with pytest.raises(FormatError, match=r"pixel_scale.*pass cosmology="):
        load_kappa_map(path)
    found = load_kappa_map(path, cosmology=cosmology)
    assert np.allclose(found.values, w.VALUES, rtol=0, atol=1e-15)
    far = float(transverse_comoving_distance(0.3, cosmology)) + 200.0 / 0.7
    assert found.pixel_angle == pytest.approx(np.arctan2(100.0 / 0.7, far) / w.N, rel=1e-12)


def test_planes(tmp_path):
    path = tmp_path / "halo.mass_map"
    w.plane(path, 1.0 + w.VALUES)
    found = load_mass_map(path, little_h=0.73)
    assert found.pixel_scale == pytest.approx(0.5 / 0.73 / 1.3, rel=1e-12)
    expected = 1e10 * 0.73 * 1.3**2 * (1.0 + w.VALUES)
    assert np.allclose(found.values, expected, rtol=1e-7)
    assert found.metadata["comoving"] == ["pixel_scale", "values"]
    # told by its content too
    other = tmp_path / "halo.dat"
    w.plane(other, sides=(-150.0, 250.0, -100.0, 300.0))
    kappa = load_kappa_map(other, sources=2.0)
    assert kappa.pixel_angle == pytest.approx(np.deg2rad(50.0 / 3600.0), rel=1e-12)
    assert kappa.metadata["layout"] == "binary plane"


def test_image_scales_and_extensions(tmp_path):
    path = tmp_path / "x.fits"
    image = fits.PrimaryHDU(w.VALUES)
    image.header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "REDSHIFT": 0.3})
    image.header.update({"CD1_1": -0.01, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.01})
    mask = np.zeros((w.N, w.N), np.uint8)
    mask[1, 2] = 1
    errors = np.full((w.N, w.N), 0.02)
    extra = [fits.ImageHDU(mask, name="MASK"), fits.ImageHDU(errors, name="ERRORS")]
    fits.HDUList([image, *extra]).writeto(path)
    found = load_kappa_map(path)
    assert found.pixel_angle == pytest.approx(np.deg2rad(0.01), rel=1e-14)
    assert found.mask[1, 2]
    assert found.mask.sum() == 1
    assert np.nanmax(found.errors) == 0.02
    density = tmp_path / "sigma.fits"
    image = fits.PrimaryHDU(1.0 + w.VALUES)
    image.header.update({"BUNIT": "Msun / pc2", "REDSHIFT": 0.3})
    image.writeto(density)
    mass = load_mass_map(density, pixel_scale=30.0, units={"pixel_scale": "kpc"})
    assert mass.pixel_scale == pytest.approx(0.03)
    assert np.allclose(mass.values, 1e12 * (1.0 + w.VALUES))


def test_several_maps_of_an_array(tmp_path):
    path = tmp_path / "maps.npz"
    np.savez(path, kappa=np.stack([w.VALUES, 2 * w.VALUES]), **w.KNOWN)
    maps = load_kappa_map(path)
    assert [m.id for m in maps] == ["maps_0", "maps_1"]
    assert np.array_equal(maps[1].values, 2 * w.VALUES)


def table_rows(**changes):
    x, y, kappa = w.rows()
    content = {"x": x, "y": y, "kappa": kappa} | changes

    def write(path):
        table = Table(content)
        for name in ("x", "y"):
            table[name].unit = "Mpc"
        table.write(path, format="ascii.ecsv")

    return write


def saved(**arrays):
    return lambda path: np.savez(path, **{**w.KNOWN, **arrays})


def without(name):
    content = {key: value for key, value in w.KNOWN.items() if key != name}
    return lambda path: np.savez(path, kappa=w.VALUES, **content)


def cut_plane(path):
    w.plane(path)
    path.write_bytes(path.read_bytes()[:-4])


def image_with(**header):
    def write(path):
        image = fits.PrimaryHDU(w.VALUES)
        image.header.update({"REDSHIFT": 0.3, **header})
        image.writeto(path)

    return write


SPOILT = w.VALUES.copy()
SPOILT[2, 3] = np.nan
REFUSED = {
    "nan pixel": ("x.npz", saved(kappa=SPOILT), {}, "values", r"values\[2, 3\] = nan"),
    "not square": ("x.npz", saved(kappa=w.VALUES[:-1]), {}, "values", "square map"),
    "too small": ("x.npz", saved(kappa=w.VALUES[:2, :2]), {}, "values", "n >= 4"),
    "no redshift": ("x.npz", without("redshift"), {}, "redshift", "pass redshift="),
    "bad redshift": ("x.npz", saved(kappa=w.VALUES, redshift=-1), {}, "redshift", "> 0"),
    "no pixel scale": ("x.npz", without("pixel_scale_mpc"), {}, "pixel_scale", "pixel_scale="),
    "zero pixel": ("x.npz", saved(kappa=w.VALUES, pixel_scale_mpc=0.0), {}, "pixel_scale", "> 0"),
    "text pixel": ("x.npz", saved(kappa=w.VALUES, pixel_scale_mpc="a"), {}, "pixel_scale", "'a'"),
    "no pixel unit": (
        "x.npz",
        lambda path: np.savez(path, kappa=w.VALUES, redshift=0.3, resolution=2.0),
        {},
        "pixel_scale",
        "no unit; pass units=",
    ),
    "unknown column": (
        "x.npz",
        saved(stars=w.VALUES, gas=w.VALUES),
        {},
        "values",
        "'stars', 'gas'",
    ),
    "wrong name": (
        "x.npz",
        saved(kappa=w.VALUES),
        {"columns": {"values": "kapa"}},
        "values",
        "kapa",
    ),
    "two maps": (
        "x.npz",
        saved(kappa=w.VALUES, convergence=w.VALUES),
        {},
        "values",
        "could be any of",
    ),
    "errors of another shape": (
        "x.npz",
        saved(kappa=w.VALUES, err=[1.0, 2.0]),
        {},
        "errors",
        "shape",
    ),
    "negative error": ("x.npz", saved(kappa=w.VALUES, err=-np.abs(w.VALUES)), {}, "errors", "> 0"),
    "complex": ("x.npz", saved(kappa=1j * w.VALUES), {}, "values", "real numbers"),
    "unit of kappa": (
        "x.npz",
        saved(kappa=w.VALUES),
        {"units": {"values": "Mpc"}},
        "values",
        "unit",
    ),
    "unknown unit": (
        "x.npz",
        saved(kappa=w.VALUES),
        {"units": {"pixel_scale": "parsnip"}},
        "pixel_scale",
        "parsnip",
    ),
    "h without need": ("x.npz", saved(kappa=w.VALUES), {"little_h": 0.7}, "little_h", "carries h"),
    "rows cut off": (
        "x.ecsv",
        lambda path: Table({"x": [1.0, 2], "y": [1.0, 2], "kappa": [1.0, 2]}).write(path),
        {"redshift": 0.3},
        "values",
        "2 rows are no square map",
    ),
    "a pixel twice": (
        "x.ecsv",
        table_rows(x=np.where(np.arange(64) == 5, w.rows()[0][6], w.rows()[0])),
        {"redshift": 0.3},
        "values",
        "does not occur once",
    ),
    "uneven steps": (
        "x.ecsv",
        table_rows(x=w.rows()[0] ** 3),
        {"redshift": 0.3},
        "x",
        "equal steps",
    ),
    "oblong pixels": (
        "x.ecsv",
        table_rows(x=2.0 * w.rows()[0]),
        {"redshift": 0.3},
        "pixel_scale",
        "not square",
    ),
    "pixels of no size": (
        "x.ecsv",
        table_rows(x=0.0 * w.rows()[0]),
        {"redshift": 0.3},
        "pixel_scale",
        "size zero",
    ),
    "nan position": (
        "x.ecsv",
        table_rows(x=np.where(w.rows()[0] > 0.9, np.nan, w.rows()[0])),
        {"redshift": 0.3},
        "x",
        "nan",
    ),
    "no positions": (
        "x.ecsv",
        lambda path: Table({"kappa": w.VALUES.ravel()}).write(path),
        {"redshift": 0.3},
        "x",
        "needs the columns x and y",
    ),
    "oblong image": (
        "x.fits",
        image_with(CDELT1=0.1, CDELT2=0.2, CUNIT1="deg"),
        {},
        "pixel_scale",
        "not square",
    ),
    "mixed axes": (
        "x.fits",
        image_with(CDELT1=0.1, CDELT2=0.1, CUNIT1="deg", CUNIT2="arcmin"),
        {},
        "pixel_scale",
        "different units",
    ),
    "truncated plane": ("x.convergence_map", cut_plane, {}, "values", "truncated"),
    "empty plane": ("x.mass_map", lambda path: path.write_bytes(b"abc"), {}, "content", "too few"),
    "missing": ("y.npz", lambda path: None, {}, "file", "cannot be opened"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    name, write, arguments, key, text = REFUSED[case]
    path = tmp_path / name
    write(path)
    with pytest.raises(FormatError, match=text) as caught:
        load_kappa_map(path, **arguments)
    assert caught.value.file == str(path)
    assert caught.value.field == key


def test_one_bad_file_loads_nothing(tmp_path):
    w.npz(tmp_path / "a.npz")
    saved(kappa=SPOILT)(tmp_path / "b.npz")
    with pytest.raises(FormatError, match=r"b\.npz"):
        load_kappa_map(str(tmp_path / "*.npz"))


def test_wrong_arguments(tmp_path):
    path = tmp_path / "x.npz"
    w.npz(path)
    with pytest.raises(ParameterError, match=r"units.*Did you mean 'pixel_scale'"):
        load_kappa_map(path, units={"pixelscale": "Mpc"})
    with pytest.raises(ParameterError, match="comoving"):
        load_kappa_map(path, comoving=["values"])
    with pytest.raises(FormatError, match="no unit"):
        load_mass_map(path, columns={"values": "kappa"})
