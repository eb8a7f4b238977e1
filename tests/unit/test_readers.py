"""Readers: every format, units, several objects per file, and errors that name the field."""

from __future__ import annotations

import astropy.units as u
import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from clmassmod.configuration.info import ModelInfo
from clmassmod.errors import ConfigError, FormatError, ParameterError
from clmassmod.observables import DeltaSigma, GammaTheta
from clmassmod.readers import (
    load_covariance,
    load_data,
    load_delta_sigma,
    load_gamma_theta,
    load_redshifts,
    load_source_distribution,
)
from clmassmod.sources import BetaMoments, SourceDistribution

R = np.array([0.3, 0.6, 1.2])
DS = np.array([120.0, 80.0, 30.0])
ERR = np.array([9.0, 8.0, 7.0])
COV = np.diag(ERR**2) + 5.0
ROWS = list(zip(R.tolist(), DS.tolist(), ERR.tolist(), strict=True))
UNITS = {"radius": "Mpc", "values": "Msun/pc2"}


def write_text(path):
    lines = ["# a comment", "# R [Mpc]\tDeltaSigma_t [M_sun / pc^2]\tDeltaSigma_t_err"]
    rows = [f"{a!r} {b!r}\t{c!r}" for a, b, c in ROWS]
    path.write_text("\n".join([*lines, *rows]) + "\n")


def write_csv(path):
    rows = [f"{a!r}, {b!r},{c!r}" for a, b, c in ROWS]
    path.write_text("\n".join(["R [Mpc],ds [Msun/pc2],ds_err", *rows]) + "\n")


def a_table():
    table = Table({"R": R, "ds": DS, "ds_err": ERR})
    table["R"].unit, table["ds"].unit, table["ds_err"].unit = "Mpc", "Msun/pc2", "Msun/pc2"
    return table


def write_ecsv(path):
    a_table().write(path, format="ascii.ecsv")


def write_fits(path):
    a_table().write(path, format="fits")


def write_hdf5(path):
    with h5py.File(path, "w") as root:
        for name, data, unit in (("r", R, "Mpc"), ("ds", DS, b"Msun/pc2"), ("ds_err", ERR, None)):
            root[name] = data
            if unit is not None:
                root[name].attrs["unit"] = unit
        root["covariance"] = COV
        root.attrs["redshift"] = 0.25


def write_npz(path):
    np.savez(path, r=R, ds=DS, ds_err=ERR, cov=COV, redshift=0.25)


WRITERS = {
    "x.txt": write_text,
    "x.dat": write_text,
    "x.csv": write_csv,
    "x.ecsv": write_ecsv,
    "x.fits": write_fits,
    "x.hdf5": write_hdf5,
    "x.npz": write_npz,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_profile(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    units = UNITS if name.endswith("npz") else None
    redshift = None if name.endswith(("npz", "hdf5")) else 0.25
    profile = load_delta_sigma(path, redshift=redshift, units=units)
    assert isinstance(profile, DeltaSigma)
    assert np.array_equal(profile.radius, R)
    assert np.array_equal(profile.values, DS * 1e12)
    assert np.array_equal(profile.errors, ERR * 1e12)
    assert profile.redshift == 0.25
    assert profile.id == "x"
    assert profile.file == str(path)
    if name.endswith(("npz", "hdf5")):
        assert profile.covariance == pytest.approx(COV * 1e24, rel=1e-15)


@pytest.mark.parametrize(("name", "suffix"), [("x.fits", ".dat"), ("x.hdf5", ""), ("x.npz", "")])
def test_formats_are_told_apart_by_content(name, suffix, tmp_path):
    path = tmp_path / f"anything{suffix}"
    WRITERS[name](tmp_path / name)
    (tmp_path / name).rename(path)
    assert len(load_delta_sigma(path, redshift=0.25, units=UNITS)) == 3


SHEAR = "0.05 0.1 0.02 0.9 10\n0.1 0.05 0.01 0.8 20\n"


def test_shear_against_angle_with_a_short_header(tmp_path):
    path = tmp_path / "c1_shear.txt"
    path.write_text("# r/deg\t\tgt\tDelta gt\tw\n" + SHEAR)
    profile = load_gamma_theta(path, redshift=0.4, columns={"n_galaxies": 4}, sources=1.0)
    assert isinstance(profile, GammaTheta)
    assert profile.radius is None
    assert profile.theta == pytest.approx(np.deg2rad([0.05, 0.1]), rel=1e-15)
    assert profile.errors.tolist() == [0.02, 0.01]
    assert profile.n_galaxies.tolist() == [10.0, 20.0]
    assert profile.sources == 1.0
    assert profile.kind == "reduced_shear"
    assert profile.metadata["units"]["theta"] == "deg"
    assert profile.metadata["columns"]["errors"] == "Delta gt"


def test_units_given_by_the_caller_make_angles_too(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("# r gt gt_err\n5 0.1 0.02\n6 0.05 0.01\n")
    angles = load_gamma_theta(path, redshift=0.4, units={"radius": "arcmin"}, kind="shear")
    assert angles.theta == pytest.approx(np.deg2rad(np.array([5, 6]) / 60), rel=1e-15)
    assert angles.kind == "shear"
    lengths = load_gamma_theta(path, redshift=0.4, units={"radius": "kpc"})
    assert lengths.radius == pytest.approx([0.005, 0.006], rel=1e-15)
    assert lengths.theta is None


def test_units_in_column_names(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("# R_kpc gt gt_err\n500 0.1 0.02\n600 0.05 0.01\n")
    assert load_gamma_theta(path, redshift=0.4).radius == pytest.approx([0.5, 0.6], rel=1e-15)
    path.write_text("# theta_arcmin gt gt_err\n5 0.1 0.02\n6 0.05 0.01\n")
    assert load_gamma_theta(path, redshift=0.4).theta[0] == pytest.approx(np.deg2rad(5 / 60))


@pytest.mark.parametrize("unit_h", ["Mpc/h", "Mpc h-1", "Mpc / littleh", "h^-1 Mpc"])
def test_little_h_is_converted_once_and_recorded(unit_h, tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path)
    units = {"radius": unit_h, "values": "h Msun/pc2", "errors": "h Msun/pc2"}
    profile = load_delta_sigma(path, redshift=0.25, units=units, little_h=0.7, covariance=COV)
    assert profile.radius == pytest.approx(R / 0.7, rel=1e-15)
    assert profile.values == pytest.approx(DS * 0.7e12, rel=1e-15)
    assert profile.errors == pytest.approx(ERR * 0.7e12, rel=1e-15)
    assert profile.covariance == pytest.approx(COV * 0.49e24, rel=1e-15)
    assert profile.metadata["little_h"] == 0.7
    assert profile.metadata["units"]["radius"] == unit_h


def test_comoving_is_converted_once_and_recorded(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path)
    arguments = {"redshift": 0.25, "covariance": COV}
    both = load_delta_sigma(path, comoving=True, **arguments)
    assert both.radius == pytest.approx(R / 1.25, rel=1e-15)
    assert both.values == pytest.approx(DS * 1.25**2 * 1e12, rel=1e-15)
    assert both.errors == pytest.approx(ERR * 1.25**2 * 1e12, rel=1e-15)
    assert both.covariance == pytest.approx(COV * 1.25**4 * 1e24, rel=1e-15)
    assert both.metadata["comoving"] == ["radius", "values"]
    radius = load_delta_sigma(path, comoving="radius", **arguments)
    assert np.array_equal(radius.radius, both.radius)
    assert np.array_equal(radius.values, DS * 1e12)
    stated = load_delta_sigma(path, comoving=True, units={"covariance": "Msun2/pc4"}, **arguments)
    assert stated.covariance == pytest.approx(both.covariance, rel=1e-14)


def write_many(folder):
    for name in ("b", "a"):
        write_csv(folder / f"{name}_ds.csv")
        np.savetxt(folder / f"cov_{name}.txt", COV * (1 if name == "a" else 4))
    return folder


def test_lists_globs_and_patterns(tmp_path):
    write_many(tmp_path)
    globbed = load_delta_sigma(f"{tmp_path}/*_ds.csv", redshift=0.2)
    assert [p.id for p in globbed] == ["a_ds", "b_ds"]
    listed = load_delta_sigma([tmp_path / "b_ds.csv"], redshift=0.2, id=["B"])
    assert [p.id for p in listed] == ["B"]
    pattern = load_delta_sigma(
        f"{tmp_path}/{{id}}_ds.csv",
        redshift={"a": 0.2, "b": 0.3},
        covariance=f"{tmp_path}/cov_{{id}}.txt",
        inverse_critical_surface_density={"a": 1e-16, "b": 2e-16},
    )
    assert [(p.id, p.redshift) for p in pattern] == [("a", 0.2), ("b", 0.3)]
    assert np.array_equal(pattern[1].covariance, 4 * pattern[0].covariance)
    assert pattern[1].inverse_critical_surface_density == 2e-16
    single = load_delta_sigma(tmp_path / "a_ds.csv", redshift=0.2, id="A")
    assert single.id == "A"


def test_an_empty_glob_is_an_error(tmp_path):
    for pattern in ("*.csv", "{id}.csv"):
        with pytest.raises(FormatError, match="location: no file matches"):
            load_delta_sigma(f"{tmp_path}/{pattern}", redshift=0.2)
    with pytest.raises(ParameterError, match="not empty"):
        load_delta_sigma([], redshift=0.2)
    with pytest.raises(ParameterError, match="one id for each of 2 files"):
        load_delta_sigma(["a", "b"], redshift=0.2, id=["x"])


def test_table_with_arrays_in_its_cells_holds_an_object_per_row(tmp_path):
    table = Table({"bin": [3, 7], "r_mpc": [R, 2 * R], "dsig": [DS, DS / 2], "dsig_err": [ERR] * 2})
    table["z_lens"] = [0.2, 0.3]
    table["covariance"] = [COV, 2 * COV]
    for name in ("t.fits", "t.ecsv"):
        table.write(tmp_path / name, overwrite=True)
        rows = load_delta_sigma(
            tmp_path / name, units={"values": "Msun/pc2"}, columns={"id": "bin"}
        )
        assert [(p.id, p.redshift) for p in rows] == [("3", 0.2), ("7", 0.3)]
        assert np.array_equal(rows[1].radius, 2 * R)
        assert np.array_equal(rows[1].values, DS / 2 * 1e12)
        assert np.array_equal(rows[1].covariance, 2 * rows[0].covariance)
    unnamed = load_delta_sigma(tmp_path / "t.fits", units={"values": "Msun/pc2"})
    assert [p.id for p in unnamed] == ["t[0]", "t[1]"]


def test_rows_of_the_same_id_are_an_object(tmp_path):
    path = tmp_path / "t.csv"
    rows = ["B,1,5,1,.2", "A,1,7,1,.3", "B,2,3,1,.2", "A,2,4,1,.3"]
    path.write_text("\n".join(["cluster,R [Mpc],ds [Msun/pc2],err,z_lens", *rows]))
    groups = load_delta_sigma(path)
    assert [(p.id, p.redshift) for p in groups] == [("B", 0.2), ("A", 0.3)]
    assert groups[0].values.tolist() == [5e12, 3e12]
    path.write_text("label,R [Mpc],ds [Msun/pc2],err\n007,1,5,1\n007,2,3,1\n")
    single = load_delta_sigma(path, redshift=0.2)
    assert single.id == "t"
    named = load_delta_sigma(path, redshift=0.2, columns={"id": "label"})
    assert named.id == "007"


def test_hdf5_groups_are_objects(tmp_path):
    path = tmp_path / "t.hdf5"
    with h5py.File(path, "w") as root:
        root.attrs["redshift"] = 0.5
        for name, factor in (("12", 1.0), ("15", 2.0)):
            group = root.create_group(f"halos/{name}")
            group["r"], group["ds"], group["ds_err"] = R, factor * DS, ERR
        root["halos/15"].attrs["redshift"] = 0.6
    objects = load_delta_sigma(path, units=UNITS)
    assert [(p.id, p.redshift) for p in objects] == [("12", 0.5), ("15", 0.6)]
    assert np.array_equal(objects[1].values, 2 * objects[0].values)
    one = load_delta_sigma(path, units=UNITS, group="halos/15")
    assert (one.id, one.redshift) == ("15", 0.6)
    with pytest.raises(FormatError, match="group: no group 'halos/16'"):
        load_delta_sigma(path, units=UNITS, group="halos/16")


def test_fits_extensions_are_chosen(tmp_path):
    path = tmp_path / "t.fits"
    tables = [fits.BinTableHDU(a_table(), name=name) for name in ("FIRST", "SECOND")]
    tables[1].data["ds"] *= 2
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    with pytest.raises(FormatError, match=r"several tables.*'FIRST', 'SECOND'"):
        load_delta_sigma(path, redshift=0.2)
    second = load_delta_sigma(path, redshift=0.2, group="SECOND")
    assert np.array_equal(second.values, 2e12 * DS)
    with pytest.raises(FormatError, match="no extension 'THIRD'"):
        load_delta_sigma(path, redshift=0.2, group="THIRD")
    with pytest.raises(FormatError, match="no FITS table"):
        load_delta_sigma(path, redshift=0.2, group=0)


def test_source_distributions_of_files(tmp_path):
    path = tmp_path / "nz.txt"
    path.write_text("# z\tN(z)\n0.1 5\n0.2 0\n0.3 15\n")
    expected = SourceDistribution([0.1, 0.3], [0.25, 0.75])
    assert load_source_distribution(path) == expected
    path.write_text("0.1 5\n0.2 0\n0.3 15\n")
    assert load_source_distribution(path) == expected
    path.write_text("# a z b\n5 0.1 1\n0 0.2 1\n15 0.3 1\n")
    assert load_source_distribution(path, {"weight": "a"}) == expected
    with pytest.raises(FormatError, match="weight: no column is known"):
        load_source_distribution(path)
    path.write_text("0.1 5\n0.05 0\n")
    with pytest.raises(FormatError, match=r"z: z\[1\] = 0.05"):
        load_source_distribution(path)
    path.write_text("0.1 5\n0.2 -1\n")
    with pytest.raises(FormatError, match=r"counts: counts\[1\] = -1"):
        load_source_distribution(path)


def test_sources_of_a_profile(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("# r [Mpc] gt err\n0.5 0.1 0.1\n")
        (tmp_path / f"{name}_nz.txt").write_text(f"# z nz\n0.5 {1 + (name == 'a')}\n0.9 1\n")
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    by_path = load_gamma_theta(files, redshift=0.2, sources=f"{tmp_path}/{{id}}_nz.txt")
    assert [p.sources.weight[0] for p in by_path] == [2 / 3, 0.5]
    by_id = load_gamma_theta(files, redshift=0.2, sources={"a": 1.0, "b": BetaMoments(0.5)})
    assert [p.sources for p in by_id] == [1.0, BetaMoments(0.5)]
    with pytest.raises(FormatError, match="sources: nothing given for the object 'b'"):
        load_gamma_theta(files, redshift=0.2, sources={"a": 1.0})
    with pytest.raises(FormatError, match="sources = -1"):
        load_gamma_theta(files, redshift=0.2, sources=-1)


def test_redshift_tables(tmp_path):
    path = tmp_path / "z.csv"
    path.write_text("SPT_ID,xi,redshift\nx,5.0,0.25\ny,6.0,0.5\n")
    assert load_redshifts(path) == {"x": 0.25, "y": 0.5}
    assert load_redshifts(path, "SPT_ID", "xi") == {"x": 5.0, "y": 6.0}
    write_csv(tmp_path / "x.csv")
    assert load_delta_sigma(tmp_path / "x.csv", redshift=path).redshift == 0.25
    with pytest.raises(FormatError, match=r"nothing given for the object 'yy'. Did you mean 'y'"):
        load_delta_sigma(tmp_path / "x.csv", redshift=path, id="yy")
    path.write_text("id,redshift\nx,0.25\nx,0.5\n")
    with pytest.raises(FormatError, match="id: 'x' occurs 2 times"):
        load_redshifts(path)
    path.write_text("id,redshift\nx,0.25\ny,-1\n")
    with pytest.raises(FormatError, match=r"redshift: -1.0 of 'y'"):
        load_redshifts(path)
    path.write_text("id,age\nx,0.25\n")
    with pytest.raises(FormatError, match="redshift: no column is known"):
        load_redshifts(path)


def test_covariance_files(tmp_path):
    np.savetxt(tmp_path / "c.txt", COV)
    np.save(tmp_path / "c.npy", COV)
    np.savez(tmp_path / "c.npz", covariance=COV)
    with h5py.File(tmp_path / "c.hdf5", "w") as root:
        root["cov"] = COV
        root["cov"].attrs["unit"] = "Msun2/pc4"
    for name in ("c.txt", "c.npy", "c.npz", "c.hdf5"):
        matrix, unit = load_covariance(tmp_path / name)
        assert np.array_equal(matrix, COV)
        assert unit == ("Msun2/pc4" if name == "c.hdf5" else None)
    np.savetxt(tmp_path / "c.txt", COV[:2])
    with pytest.raises(FormatError, match=r"covariance: is of shape \(2, 3\)"):
        load_covariance(tmp_path / "c.txt")
    np.savetxt(tmp_path / "c.txt", COV * np.nan)
    with pytest.raises(FormatError, match=r"covariance: entry \[0, 0\] is nan"):
        load_covariance(tmp_path / "c.txt")


HEAD = "# R [Mpc] ds [Msun/pc2] ds_err [Msun/pc2]\n"
GOOD = "0.3 100 10\n0.6 50 9\n0.9 20 8\n"


def test_the_text_that_the_bad_ones_are_made_of_is_good(tmp_path):
    (tmp_path / "x.txt").write_text(HEAD + GOOD)
    assert len(load_delta_sigma(tmp_path / "x.txt", redshift=0.2)) == 3


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        ("", "file", "is empty"),
        ("# only a comment\n", "content", "no data lines"),
        (HEAD + "0.3 100 10\n0.6 50\n", "line 3", "has 2 values where line 2 has 3"),
        (HEAD + "0.3 100 10\n0.6 5x 9\n", "values", "entry 1 is '5x', not a number"),
        ("R,ds,ds_err\n", "content", "line 1 alone, without any number"),
        (HEAD + "0.3 100 10\n0.6 nan 9\n", "values", r"values\[1\] = nan.* the column 'ds'\."),
        (HEAD + "0.3 100 10\n0.6 1e999 9\n", "values", r"values\[1\] = inf"),
        (HEAD + "0.3 100 10\n0.6 1e200 9\n", "values", r"values\[1\] = 1e\+212"),
        (HEAD + "0.3 100 10\n0.2 50 9\n", "radius", r"radius\[1\] = 0.2 .* increasing"),
        (HEAD + "0.3 100 10\n0.3 50 9\n", "radius", r"radius\[1\] = 0.3 .* increasing"),
        (HEAD + "3e9 100 10\n", "radius", r"radius\[0\] = 3000000000.0"),
        (HEAD + "0.3 100 10\n0.6 50 -9\n", "errors", r"errors\[1\] = -9"),
        (HEAD + "0.3 100 0\n", "errors", r"errors\[0\] = 0"),
        (HEAD.replace("R [Mpc]", "R") + GOOD, "radius", "states no unit; pass units="),
        (HEAD.replace(" [Msun/pc2]", "") + GOOD, "values", "states no unit; pass units="),
        (HEAD.replace("Mpc", "Mparsek") + GOOD, "radius", "unit 'Mparsek' is not known"),
        (HEAD.replace("Mpc", "cMpc") + GOOD, "radius", "pass comoving=True"),
        (HEAD.replace("Mpc", "s") + GOOD, "radius", "unit 's' cannot be converted to Mpc"),
        (HEAD.replace("Mpc", "Mpc/h") + GOOD, "radius", "carries h: pass little_h="),
        (HEAD.replace("Mpc", "Mpc/h70") + GOOD, "radius", "odd power of h"),
        (HEAD.replace("R [", "distance [") + GOOD, "radius", "the columns are 'distance', 'ds'"),
        (HEAD.replace("ds [", "delta_sigm [") + GOOD, "values", "Did you mean 'delta_sigm'"),
        (HEAD.replace("ds_err", "spread") + GOOD, "errors", "errors = None"),
        (HEAD.replace("ds_err", "ds") + GOOD, "values", "could be any of 'ds', 'ds'"),
        (HEAD.replace("ds_err", "r") + GOOD, "radius", "could be any of 'R', 'r'"),
    ],
)
def test_bad_text_names_the_field(content, field, message, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text(content)
    with pytest.raises(FormatError, match=message) as caught:
        load_delta_sigma(path, redshift=0.2)
    assert caught.value.field == field
    assert caught.value.file == str(path)
    assert str(caught.value).startswith(f"{path}: {field}: ")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"redshift": None}, FormatError, "redshift: the file states none; pass redshift="),
        ({"redshift": -0.1}, FormatError, "redshift: -0.1 is not finite and > 0"),
        ({"redshift": np.nan}, FormatError, "redshift: nan"),
        ({"redshift": {"y": 0.2}}, FormatError, "redshift: nothing given for the object 'x'"),
        ({"columns": {"errors": "ds_er"}}, FormatError, "no column 'ds_er'.*mean 'ds_err'"),
        ({"columns": {"errors": 3}}, FormatError, "no column 3: there are 3"),
        ({"columns": {"erors": 2}}, ParameterError, "Did you mean 'errors'"),
        ({"units": {"radii": "kpc"}}, ParameterError, "Did you mean 'radius'"),
        ({"little_h": 0.7}, FormatError, r"little_h: given, but no unit carries h"),
        ({"little_h": 70.0}, ParameterError, "little_h = 70"),
        ({"comoving": "mass"}, ParameterError, "comoving = 'mass'"),
        ({"covariance": -COV}, FormatError, r"covariance: covariance\[0, 0\] = -"),
        ({"covariance": COV[:2, :2]}, FormatError, r"covariance: .* of shape \(3, 3\)"),
        ({"covariance": "nowhere.txt"}, FormatError, "nowhere.txt: file: cannot be opened"),
        ({"inverse_critical_surface_density": -1}, FormatError, "inverse_critical_surface"),
        ({"group": "a"}, FormatError, "only HDF5 and FITS files have groups"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text(HEAD + GOOD)
    with pytest.raises(error, match=message):
        load_delta_sigma(path, **{"redshift": 0.2, **arguments})


def test_a_bad_covariance_is_the_fault_of_its_own_file(tmp_path):
    (tmp_path / "x.txt").write_text(HEAD + GOOD)
    np.savetxt(tmp_path / "c_x.txt", np.ones((3, 3)))
    for covariance in (tmp_path / "c_{id}.txt", {"x": tmp_path / "c_x.txt"}):
        with pytest.raises(FormatError, match="positive definite") as caught:
            load_delta_sigma(tmp_path / "x.txt", redshift=0.2, covariance=covariance)
        assert caught.value.file == str(tmp_path / "c_x.txt")
        assert caught.value.field == "covariance"


def test_columns_of_other_fields_are_no_suggestion(tmp_path):
    (tmp_path / "x.txt").write_text("# R [Mpc] gt_err\n0.3 0.1\n")
    with pytest.raises(FormatError, match="no column is known as this") as caught:
        load_gamma_theta(tmp_path / "x.txt", redshift=0.2)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("key", ["source_redshift", "z_s"])
def test_a_source_redshift_in_the_metadata_is_read(key, tmp_path):
    table = Table({"r_mpc": R, "gt": DS / 1e3, "gt_err": ERR / 1e3})
    table.meta |= {"redshift": 0.2, key: 1.1}
    table.write(tmp_path / "x.ecsv")
    assert load_gamma_theta(tmp_path / "x.ecsv").sources == 1.1
    assert load_gamma_theta(tmp_path / "x.ecsv", sources=0.9).sources == 0.9
    table.meta[key] = -1.0
    table.write(tmp_path / "x.ecsv", overwrite=True)
    with pytest.raises(FormatError, match=r"x\.ecsv: sources"):
        load_gamma_theta(tmp_path / "x.ecsv")


def test_files_that_are_none(tmp_path):
    with pytest.raises(FormatError, match="is a directory; give a file"):
        load_delta_sigma(tmp_path, redshift=0.2)
    with pytest.raises(FormatError, match="cannot be opened") as caught:
        load_delta_sigma(tmp_path / "none.txt", redshift=0.2)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("name", ["x.fits", "x.hdf5", "x.npz", "x.ecsv", "x.txt"])
def test_wrong_suffix_or_truncation_is_a_format_error(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    path.write_bytes(b"\x00\x01 nothing like it")
    with pytest.raises(FormatError, match=name):
        load_delta_sigma(path, redshift=0.2, units=UNITS)
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(FormatError, match=name):
        load_delta_sigma(path, redshift=0.2, units=UNITS)


def test_low_level_errors_are_kept_as_the_cause(tmp_path):
    path = tmp_path / "x.hdf5"
    write_hdf5(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match="cannot be read as hdf5") as caught:
        load_delta_sigma(path, redshift=0.2)
    assert isinstance(caught.value.__cause__, OSError)


def test_pickled_arrays_are_never_executed(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, r=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match="cannot be read as npz"):
        load_delta_sigma(path, redshift=0.2)


def test_wrong_types_in_binary_files(tmp_path):
    for wrong in (R + 1j, R > 0.5, R.astype(str)):
        path = tmp_path / "x.npz"
        np.savez(path, r=R, ds=wrong, ds_err=ERR)
        if wrong.dtype.kind == "U":
            path = tmp_path / "x.npz"
            np.savez(path, r=R, ds=np.array(["a", "b", "c"]), ds_err=ERR)
        with pytest.raises(FormatError, match=r"values: (is of type|entry 0 is 'a')"):
            load_delta_sigma(path, redshift=0.2, units=UNITS)


def test_own_files_are_checked(tmp_path):
    path = tmp_path / "x.ecsv"
    profile = GammaTheta(R, [0.1, 0.1, 0.1], ERR, redshift=0.2, sources=1.0)
    profile.write(path)
    with pytest.raises(FormatError, match="the file holds 'gamma_theta', not 'delta_sigma'"):
        load_delta_sigma(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(FormatError, match="values: has 2 rows of 3: truncated"):
        load_gamma_theta(path)
    path.write_text("".join(lines).replace("sources: 1.0", "sources: -1.0"))
    with pytest.raises(FormatError, match="sources = -1"):
        load_gamma_theta(path)
    path.write_text("".join(lines).replace("sources: 1.0", "surces: 1.0"))
    with pytest.raises(FormatError, match=r"unknown entry.*surces"):
        load_gamma_theta(path)
    path.write_text("".join(lines).replace("kind: reduced_shear", "kind: sheer"))
    with pytest.raises(FormatError, match="kind = 'sheer'"):
        load_gamma_theta(path)


def test_covariance_with_a_unit_of_its_own(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path)
    expected = load_delta_sigma(path, redshift=0.2, covariance=COV)
    for covariance in (COV * 1e24 * (u.Msun / u.Mpc**2) ** 2, COV * (u.Msun / u.pc**2) ** 2):
        profile = load_delta_sigma(path, redshift=0.2, covariance=covariance)
        assert profile.covariance == pytest.approx(expected.covariance, rel=1e-14)
    own = tmp_path / "own.ecsv"
    expected.replace(covariance=None).write(own)
    again = load_delta_sigma(own, covariance=COV * (u.Msun / u.pc**2) ** 2)
    assert again.covariance == pytest.approx(expected.covariance, rel=1e-14)
    with pytest.raises(FormatError, match="covariance: unit 's' cannot be converted"):
        load_delta_sigma(path, redshift=0.2, covariance=COV * u.s)
    with pytest.raises(FormatError, match="covariance: nothing given for the object 'x'"):
        load_delta_sigma(path, redshift=0.2, covariance={"y": COV})


def test_own_files_are_in_fixed_units(tmp_path):
    path = tmp_path / "x.ecsv"
    GammaTheta(R, [0.1, 0.1, 0.1], ERR, redshift=0.2).write(path)
    for arguments in ({"units": {"radius": "kpc"}}, {"little_h": 0.7}, {"comoving": True}):
        with pytest.raises(FormatError, match="the file states its own"):
            load_gamma_theta(path, **arguments)


def test_own_files_take_new_redshift_id_and_sources(tmp_path):
    path = tmp_path / "x.ecsv"
    profile = GammaTheta(R, [0.1, 0.1, 0.1], ERR, redshift=0.2, id="old")
    profile.write(path)
    changed = load_gamma_theta(path, redshift=0.3, id="new", sources=2.0, kind="shear")
    assert changed == profile.replace(redshift=0.3, id="new", sources=2.0, kind="shear")


def test_configuration_and_call_give_the_same(tmp_path):
    write_many(tmp_path)
    (tmp_path / "z.csv").write_text("id,z\na,0.2\nb,0.3\n")
    data = {
        "kind": "delta_sigma",
        "files": "{id}_ds.csv",
        "redshift_table": "z.csv",
        "covariance": "cov_{id}.txt",
        "inverse_critical_surface_density": 2e-16,
    }
    info = ModelInfo.from_dict({"data": data}, tmp_path / "model.toml")
    expected = load_delta_sigma(
        f"{tmp_path}/{{id}}_ds.csv",
        redshift=tmp_path / "z.csv",
        covariance=f"{tmp_path}/cov_{{id}}.txt",
        inverse_critical_surface_density=2e-16,
    )
    assert load_data(info) == expected
    with pytest.raises(ConfigError, match=r"\[data\] files is missing"):
        load_data({})
    (tmp_path / "s.txt").write_text("# r [Mpc] gt err\n0.5 0.1 0.1\n")
    shear = {"files": str(tmp_path / "s.txt"), "redshift": 0.2, "shear_kind": "shear"}
    (only,) = load_data({"data": shear, "sources": {"redshift": 1.5}})
    assert (only.kind, only.sources, only.redshift) == ("shear", 1.5, 0.2)
