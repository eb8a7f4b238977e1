"""CLMassMod: data in, one file per halo, resume, failures, comparison, statistics."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.density import mass_density, mass_statistics
from clmassmod.cluster.fit_task import run_task
from clmassmod.cluster.results import empty_profile, read_profile, write_profile
from clmassmod.errors import ConfigError, FitError, FormatError, ParameterError

RADIUS = np.geomspace(0.3, 2.5, 8)
TRUTH = {"a": 3e14, "b": 6e14, "c": 1.2e15}


def shear_data(names=TRUTH, seed=0):
    result = []
    for name in names:
        shear = clm.NFW(TRUTH[name], 4.0, 0.3).reduced_tangential_shear(RADIUS, 1.0)
        noise = np.random.default_rng([seed, ord(name)]).normal(0.0, 0.01, RADIUS.size)
        result.append(
            clm.GammaTheta(
                RADIUS, shear + noise, np.full(8, 0.01), redshift=0.3, sources=1.0, id=name
            )
        )
    return result


def massmod_of(observed=None, **info):
    massmod = clm.CLMassMod({"concentration": 4.0} | info)
    massmod.obs_gamma_theta = shear_data() if observed is None else observed
    return massmod


def same(a, b):
    """Equal results, the time they were made apart."""
    for name in a._fields:
        if name in ("metadata", "diagnostics", "loc"):
            continue
        x, y = getattr(a, name), getattr(b, name)
        equal = np.array_equal(x, y, equal_nan=isinstance(x, float | np.ndarray))
        if not equal:
            return False
    return True


# -- data -------------------------------------------------------------------------------------


def test_one_observable_or_many_and_assignment_clears_results():
    massmod = massmod_of(shear_data("a")[0])
    assert len(massmod.obs_gamma_theta) == 1
    massmod.fit_mass_profiles("curvefit")
    assert massmod.out_data_profiles
    massmod.obs_gamma_theta = shear_data("bc")
    assert not massmod.out_data_profiles
    assert massmod.fit_info is None
    with pytest.raises(FitError, match="no results"):
        massmod.statistics()


def test_wrong_data_are_refused():
    massmod = clm.CLMassMod()
    with pytest.raises(FitError, match="assign obs_gamma_theta"):
        massmod.fit_mass_profiles("curvefit")
    with pytest.raises(ParameterError, match="obs_delta_sigma"):
        massmod.obs_delta_sigma = shear_data("a")[0]
    with pytest.raises(ParameterError, match="different for every object"):
        massmod_of(shear_data("aa")).fit_mass_profiles("curvefit")
    with pytest.raises(ConfigError, match="mass_def"):
        clm.CLMassMod({"mass_definition": "200c"})


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ("BMO", "BMO needs truncation"),
        ({"kind": "NFW", "alpha": 0.2}, "NFW has no parameter alpha"),
    ],
)
def test_parameters_of_the_profile_are_checked_at_once(profile, problem):
    with pytest.raises(ConfigError, match=problem):
        clm.CLMassMod({"profile": profile})


def test_radii_of_the_fit_are_a_cut():
    inside = massmod_of(fit={"r_min": 0.5, "r_max": 2.0}).likelihood("a").observables[0]
    assert inside.radius.min() >= 0.5
    assert inside.radius.max() <= 2.0


# -- files and resume -------------------------------------------------------------------------


def test_results_are_saved_read_and_resumed(tmp_path):
    massmod = massmod_of()
    profiles, info = massmod.fit_mass_profiles("scanpdf", save_loc=tmp_path / "fits")
    assert sorted(p.name for p in (tmp_path / "fits").glob("*.h5")) == ["a.h5", "b.h5", "c.h5"]
    assert info.resumed == []
    other = clm.CLMassMod({})
    assert all(same(p, q) for p, q in zip(profiles, other.read(tmp_path / "fits"), strict=True))
    assert [p.loc for p in profiles] == [str(tmp_path / "fits" / f"{n}.h5") for n in "abc"]
    again, info = massmod_of().fit_mass_profiles("scanpdf", save_loc=tmp_path / "fits")
    assert info.resumed == ["a", "b", "c"]
    assert all(same(p, q) for p, q in zip(profiles, again, strict=True))


def test_only_what_changed_is_fitted_again(tmp_path):
    massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
    data = [*shear_data("ab"), *shear_data("c", seed=1)]
    _, info = massmod_of(data).fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert info.resumed == ["a", "b"]
    _, info = massmod_of(data, mass_def="500c").fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert info.resumed == []
    _, info = massmod_of(data, mass_def="500c").fit_mass_profiles("minuit", save_loc=tmp_path)
    assert info.resumed == []
    _, info = massmod_of(data, mass_def="500c", name="another name").fit_mass_profiles(
        "minuit", save_loc=tmp_path
    )
    assert info.resumed == ["a", "b", "c"]


def test_an_interrupted_run_continues_to_the_same_result(tmp_path, monkeypatch):
    whole, _ = massmod_of().fit_mass_profiles("emcee", {"n_steps": 60, "max_steps": 60})
    settings = ("emcee", {"n_steps": 60, "max_steps": 60}, tmp_path)
    calls = []

    def interrupted(task):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(task.halo_id)
        return run_task(task)

    with monkeypatch.context() as patch:
        patch.setattr("clmassmod.cluster.massmod.run_task", interrupted)
        with pytest.raises(KeyboardInterrupt):
            massmod_of().fit_mass_profiles(*settings)
    resumed, info = massmod_of().fit_mass_profiles(*settings)
    assert info.resumed == ["a", "b"]
    assert all(same(p, q) for p, q in zip(whole, resumed, strict=True))


@pytest.mark.parametrize("damage", ["truncate", "empty", "foreign", "newer"])
def test_a_damaged_file_is_refused_by_read_and_fitted_anew(tmp_path, damage):
    import h5py

    massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
    path = tmp_path / "b.h5"
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with h5py.File(path, "a") as file:
            if damage == "foreign":
                file.attrs["format"] = "something else"
            else:
                file.attrs["format_version"] = 99
    with pytest.raises(FormatError, match=r"b\.h5"):
        clm.CLMassMod().read(tmp_path)
    _, info = massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert info.resumed == ["a", "c"]
    assert len(clm.CLMassMod().read(tmp_path)) == 3


def test_a_failed_write_leaves_the_last_good_file(tmp_path, monkeypatch):
    profiles, _ = massmod_of(shear_data("a")).fit_mass_profiles("curvefit", save_loc=tmp_path)
    before = (tmp_path / "a.h5").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_profile(profiles[0]._replace(message="new"), tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [p.name for p in tmp_path.glob("*a.h5*")] == ["a.h5"]


def test_a_second_process_on_one_folder_is_refused(tmp_path):
    code = (
        "import sys, clmassmod.provenance as p\n"
        "with p.exclusive_folder(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FitError, match="in use by another process"):
            massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
        other.kill()  # however it ends, the folder is free again
    massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)


def test_the_same_data_from_another_place_are_not_fitted_again(tmp_path):
    massmod_of(data={"files": "here/*.txt"}).fit_mass_profiles("curvefit", save_loc=tmp_path)
    massmod = massmod_of(data={"files": "there/*.txt"})
    _, info = massmod.fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert info.resumed == ["a", "b", "c"]


def test_read_takes_files_globs_lists_and_refuses_nothing_found(tmp_path):
    massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
    read = clm.CLMassMod().read
    assert [p.halo_id for p in read(str(tmp_path / "[ac].h5"))] == ["a", "c"]
    assert [p.halo_id for p in read([tmp_path / "b.h5", str(tmp_path / "c.h5")])] == ["b", "c"]
    with pytest.raises(FormatError, match="no result file"):
        read(tmp_path / "none*.h5")


def test_a_fresh_process_reads_the_results(tmp_path):
    profiles, _ = massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
    code = (
        "import sys, json, clmassmod as clm;"
        "print(json.dumps([p.mass for p in clm.CLMassMod().read(sys.argv[1])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [p.mass for p in profiles]


def test_save_mass_profiles_writes_what_was_not_saved(tmp_path):
    massmod = massmod_of()
    massmod.fit_mass_profiles("curvefit")
    files = massmod.save_mass_profiles(tmp_path)
    assert [read_profile(f).halo_id for f in files] == ["a", "b", "c"]
    assert [p.loc for p in massmod.out_data_profiles] == files


def test_names_that_are_no_file_names(tmp_path):
    data = [d.replace(id=f"SPT/CL {i}:ü") for i, d in enumerate(shear_data("ab"))]
    profiles, _ = massmod_of(data).fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert all(Path(p.loc).parent == tmp_path for p in profiles)
    clash = [d.replace(id=name) for d, name in zip(shear_data("ab"), ("x/y", "x:y"), strict=True)]
    with pytest.raises(ParameterError, match="file name"):
        massmod_of(clash).fit_mass_profiles("curvefit", save_loc=tmp_path)


# -- failures and executors -------------------------------------------------------------------


def failing_sample():
    good = shear_data("ac")
    bad = shear_data("b")[0].replace(sources=None)
    return [good[0], bad, good[1]]


def test_an_object_outside_the_radii_of_the_fit_does_not_stop_the_others():
    inner = shear_data("b")[0].select(r_max=0.5)
    massmod = massmod_of([shear_data("a")[0], inner], fit={"r_min": 1.0})
    profiles, info = massmod.fit_mass_profiles("curvefit")
    assert [p.status for p in profiles] == ["ok", "failed"]
    assert "r_min" in info.failed["b"]


def test_a_failing_halo_does_not_stop_the_others(tmp_path):
    profiles, info = massmod_of(failing_sample()).fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert [p.status for p in profiles] == ["ok", "failed", "ok"]
    assert list(info.failed) == ["b"]
    assert "sources" in info.failed["b"]
    assert "1 failed" in repr(info)
    # a failed halo is tried again, the others are not
    _, info = massmod_of(failing_sample()).fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert info.resumed == ["a", "c"]


def test_tables_hold_failed_haloes_as_nan():
    massmod = massmod_of(failing_sample())
    massmod.fit_mass_profiles("curvefit")
    table = massmod.table()
    assert table["mass"].unit == "solMass"
    assert np.isnan(table["mass"][1].value)
    assert list(table["status"]) == ["ok", "failed", "ok"]
    statistics = massmod.statistics({"a": 3e14})
    assert math.isnan(statistics["mean"][1])
    assert 0.0 < statistics["pit"][0] < 1.0


@pytest.mark.parametrize("method", ["curvefit", "emcee"])
def test_processes_give_the_same_results(method):
    settings = {"n_steps": 50, "max_steps": 50} if method == "emcee" else {}
    here, _ = massmod_of(failing_sample()).fit_mass_profiles(method, settings)
    there, info = massmod_of(failing_sample()).fit_mass_profiles(method, settings, executor=2)
    assert all(same(p, q) for p, q in zip(here, there, strict=True))
    assert list(info.failed) == ["b"]


# -- comparison and statistics ----------------------------------------------------------------


def test_compare_models_by_their_definitions():
    right, wrong = massmod_of(name="right"), massmod_of(name="wrong", concentration=15.0)
    wider = massmod_of(
        name="wider",
        concentration="duffy08",
        parameters=["mass", "concentration"],
        priors={"concentration": {"distribution": "uniform", "low": 1.0, "high": 15.0}},
    )
    for massmod in (right, wrong, wider):
        massmod.fit_mass_profiles("curvefit")
    table = clm.compare_models([wrong, wider, right])
    assert table["model"][0] == "right"
    rows = {row["model"]: row for row in table}
    for massmod, k in ((right, 3), (wrong, 3), (wider, 6)):
        log_l = sum(p.log_likelihood for p in massmod.out_data_profiles)
        row = rows[massmod.model_info["name"]]
        assert row["aic"] == pytest.approx(2 * k - 2 * log_l)
        assert row["bic"] == pytest.approx(k * math.log(24) - 2 * log_l)
        assert row["delta_aic"] >= 0.0
    # a wider model can only fit better
    assert rows["wider"]["max_log_likelihood"] >= rows["right"]["max_log_likelihood"] - 1e-6


def test_compare_models_refuses_what_cannot_be_compared():
    fitted, other = massmod_of(), massmod_of(shear_data("ab"))
    fitted.fit_mass_profiles("curvefit")
    with pytest.raises(FitError, match="no results"):
        clm.compare_models([fitted, other])
    other.fit_mass_profiles("curvefit")
    with pytest.raises(FitError, match="different objects or data"):
        clm.compare_models([fitted, other])
    same_size = massmod_of(shear_data(seed=5))
    same_size.fit_mass_profiles("curvefit")
    with pytest.raises(FitError, match="different objects or data"):
        clm.compare_models([fitted, same_size])
    with pytest.raises(ParameterError, match="a list of fitted"):
        clm.compare_models(fitted)
    failed = massmod_of(failing_sample())
    failed.fit_mass_profiles("curvefit")
    with pytest.raises(FitError, match="failed for b"):
        clm.compare_models([failed])


def gaussian_grid(mean=5e14, sd=1e14):
    mass = np.linspace(mean - 6 * sd, mean + 6 * sd, 1201)
    profile = empty_profile("g", "scanpdf", 0.3, "200c")
    return profile._replace(
        parameters=("mass",),
        mle={"mass": mean},
        mass_grid=mass,
        grid_log_likelihood=-0.5 * ((mass - mean) / sd) ** 2,
        grid_log_prior=np.zeros(mass.size),
    )


def test_statistics_of_a_normal_density():
    found = mass_statistics(gaussian_grid(), truth=6e14)
    # sampled every 0.01 sd: the trapezoid is exact to rounding, interpolations to 1e-4
    expected = {
        "mean": 5e14,
        "median": 5e14,
        "mode": 5e14,
        "sd": 1e14,
        "low_68": 4e14,
        "high_68": 6e14,
        "hdi_68_low": 4e14,
        "hdi_95_high": 7e14,
        "voigt_location": 5e14,
        "voigt_sigma": 1e14,
        "pit": 0.841345,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-3), name
    assert found["skew_normal_shape"] == pytest.approx(0.0, abs=0.2)


def test_density_of_weighted_samples_follows_the_weights():
    random = np.random.default_rng(4)
    samples = random.uniform(0.0, 1e15, (40000, 1))
    log_weight = -0.5 * ((samples[:, 0] - 5e14) / 1e14) ** 2
    profile = gaussian_grid()._replace(
        mass_grid=np.zeros(0),
        samples=samples,
        sample_log_weight=log_weight,
        sample_log_prior=np.zeros(40000),
    )
    found = mass_statistics(profile)
    # effective number of samples 14000: 0.9 % of the sd, four times that
    assert found["mean"] == pytest.approx(5e14, abs=0.035 * 1e14)
    assert found["sd"] == pytest.approx(1e14, rel=0.03)
    mass, density = mass_density(profile)
    assert np.trapezoid(density, mass) == pytest.approx(1.0)


def test_results_of_another_mass_definition_are_refused(tmp_path):
    massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path)
    with pytest.raises(ParameterError, match="mass_def"):
        clm.CLMassMod({"mass_def": "500c"}).read(tmp_path)


def test_a_folder_of_the_command_line_is_read(tmp_path):
    massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path / "profiles")
    assert len(clm.CLMassMod().read(tmp_path)) == 3


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FitError, match="cannot be used as a folder"):
        massmod_of().fit_mass_profiles("curvefit", save_loc=tmp_path / "taken")


def test_truth_is_checked():
    massmod = massmod_of()
    massmod.fit_mass_profiles("curvefit")
    assert np.isnan(massmod.statistics({"other": 1e14})["pit"]).all()
    for bad in ([1e14], {"a": -1.0}, {"a": math.nan}):
        with pytest.raises(ParameterError, match="truth"):
            massmod.statistics(bad)


def test_an_astropy_cosmology_is_taken_if_a_section_can_say_it():
    from astropy.cosmology import FlatLambdaCDM, LambdaCDM, Planck18

    for given in (FlatLambdaCDM(68, 0.31, Ob0=0.05), LambdaCDM(70, 0.3, 0.65)):
        made = clm.CLMassMod({"cosmology": given}).model.cosmology
        assert made.comoving_distance(1.0) == given.comoving_distance(1.0)
    with pytest.raises(ConfigError, match="keys H0, Om0"):
        clm.CLMassMod({"cosmology": Planck18})


def test_short_representations():
    massmod = massmod_of()
    profiles, _ = massmod.fit_mass_profiles("scanpdf")
    assert len(repr(profiles[0])) < 120
    assert "200c" in repr(massmod)


def test_no_density_of_a_failed_fit():
    with pytest.raises(FitError, match="no density"):
        mass_density(empty_profile("f", "curvefit", 0.3, "200c"))
