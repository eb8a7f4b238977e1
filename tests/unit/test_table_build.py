"""``clmassmod tables build``: files, killed builds, full disks, two at once, errors."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import clmassmod as clm
from clmassmod import Table, cli
from clmassmod.errors import ConfigError, FitError, ParameterError
from clmassmod.provenance import exclusive_file
from clmassmod.runs.table_config import TableInfo, describe_table_config, load_table_config
from clmassmod.runs.tables import load_function, run_table
from clmassmod.table.files import verify_table
from clmassmod.table.store import read_content

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
COMMAND = [sys.executable, "-m", "clmassmod", "tables", "build"]

# each call leaves a mark, takes a while if it is told to, and may be the last thing that happens
MODULE = """
import os, signal, time
import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))
text = "no function"


def wave(x, factor=1.0, offset=0.0):
    with open(os.path.join(FOLDER, "calls"), "a") as file:
        file.write("x")
    if os.path.getsize(os.path.join(FOLDER, "calls")) == int(os.environ.get("DIE_AT", -1)):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("SLOW", 0)))
    value = np.exp(-x[:, 0] * x[:, 1]) / x[:, 2] + np.sin(4.0 * x[:, 1])
    return factor * value + offset


def broken(x):
    return np.where(x[:, 0] > 0.5, np.nan, x[:, 0])


def cusp(x):
    return np.sqrt(np.maximum(1.0 - x[:, 1] / (1.0 + x[:, 0]), 0.0)) + x[:, 0]
"""

TOML = """
name = "wave"
sim_id = "run"
function = "table_waves:wave"
tol = 1e-4
pool = 1024
seed = 3
[arguments]
factor = 2.0
[box]
a = [0, 1]
b = [0, 2]
c = [1, 2]
[map]
c = "log"
"""


def with_module(place):
    (place / "table_waves.py").write_text(MODULE)
    (place / "wave.toml").write_text(TOML)
    # each folder has its own
    sys.modules.pop("table_waves", None)
    return place


@pytest.fixture
def folder(tmp_path):
    """A folder with a module and a configuration."""
    return with_module(tmp_path)


def config_of(folder, **changes):
    return TableInfo.from_dict(load_table_config(folder / "wave.toml") | changes, folder / "w.toml")


def target(folder):
    return folder / "data" / "tables" / "run" / "wave.h5"


def calls(folder):
    file = folder / "calls"
    return file.stat().st_size if file.exists() else 0


def run(folder, *arguments, expect=0, limit=None, **environment):
    """Run ``clmassmod tables build wave.toml``; return what it printed."""
    done = subprocess.run(
        [*COMMAND, "wave.toml", *arguments],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        preexec_fn=None
        if limit is None
        else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def leftovers(folder):
    """Files beside the table but for the lock."""
    place = target(folder).parent
    return sorted(f.name for f in place.iterdir() if f.name not in ("wave.h5", ".wave.h5.lock"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Root hash and report of an uninterrupted build, and the calls it made."""
    place = with_module(tmp_path_factory.mktemp("reference"))
    outcome = run_table(load_table_config(place / "wave.toml"), place)
    return outcome, calls(place)


def root_hash(folder):
    """Root hash of the file, everything in it being checked."""
    verify_table(target(folder))
    return read_content(target(folder)).root_hash


# -- what a build leaves ---------------------------------------------------------------------------


def test_builds_what_the_configuration_says(folder):
    done = run(folder)
    assert f"table   {target(Path('.'))}" in done.stdout
    assert "tolerance is reached" in done.stdout
    assert leftovers(folder) == []
    table = Table.load(target(folder))
    x = np.random.default_rng(1).uniform([0, 0, 1], [1, 2, 2], (2000, 3))
    exact = 2.0 * (np.exp(-x[:, 0] * x[:, 1]) / x[:, 2] + np.sin(4.0 * x[:, 1]))
    assert np.quantile(np.abs(table(x) - exact), 0.99) < 1.5e-4
    given = read_content(target(folder)).attributes
    assert given["function"] == {"name": "table_waves.wave", "parameters": {"factor": 2.0}}
    assert (given["sim_id"], given["table_version"], given["seed"]) == ("run", 1, 3)
    assert table.coordinate_map.transforms == ("linear", "linear", "log")
    info = subprocess.run(
        [*COMMAND[:-1], "info", str(target(folder))],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert '.wave {"factor": 2.0}' in info


def test_the_same_as_from_python(folder, reference, monkeypatch):
    """The table, sample and report of `Table.build` with the same arguments."""
    outcome = run_table(load_table_config(folder / "wave.toml"), folder)
    monkeypatch.syspath_prepend(folder)
    function = load_function(config_of(folder))
    box = {"a": (0, 1), "b": (0, 2), "c": (1, 2)}
    table = Table.build(function, box, 1e-4, pool=1024, seed=3, map={"c": "log"})
    assert table.save(folder / "python.h5", sim_id="run") == outcome.root_hash
    assert outcome.report == table.error_report() == reference[0].report


def test_what_is_there_is_left_alone(folder):
    info = load_table_config(folder / "wave.toml")
    first = run_table(info, folder)
    assert first.built
    n, stamp = calls(folder), target(folder).stat().st_mtime_ns
    again = run_table(info, folder)
    assert not again.built
    assert (again.root_hash, again.report) == (first.root_hash, first.report)
    # one call, to see whether the function is the same
    assert calls(folder) == n + 1
    assert target(folder).stat().st_mtime_ns == stamp
    assert not run_table(config_of(folder, n_processes=2, tol="1e-4"), folder).built


@pytest.mark.parametrize("change", [{"tol": 1e-3}, {"arguments": {"factor": 3.0}}, {"version": 2}])
def test_another_table_is_replaced_only_if_asked(folder, change):
    first = run_table(config_of(folder), folder)
    with pytest.raises(ConfigError, match=r"other arguments.*--replace"):
        run_table(config_of(folder, **change), folder)
    assert read_content(target(folder)).root_hash == first.root_hash
    other = run_table(config_of(folder, **change), folder, replace=True)
    assert other.root_hash != first.root_hash
    assert run_table(config_of(folder, **change), folder).root_hash == other.root_hash


def test_a_function_that_was_edited_is_noticed(folder):
    run(folder)
    (folder / "table_waves.py").write_text(
        MODULE.replace("factor * value", "1.01 * factor * value")
    )
    assert "other values" in run(folder, expect=65).stderr
    run(folder, "--replace")
    assert "was there already" in run(folder).stdout


def test_a_damaged_file_in_its_place(folder):
    info = config_of(folder)
    first = run_table(info, folder)
    whole = target(folder).read_bytes()
    target(folder).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="not a readable table"):
        run_table(info, folder)
    assert run_table(info, folder, replace=True).root_hash == first.root_hash
    assert target(folder).read_bytes() == whole


def test_a_scale_from_another_table(folder):
    scale = Table.from_grid([np.linspace(0.0, 1.0, 5)], np.linspace(1.0, 2.0, 5))
    scale.save(folder / "scale.h5")
    changes = {
        "function": "table_waves:cusp",
        "arguments": {},
        "box": {"a": [0, 1], "b": [0, 1]},
        "map": {"b": {"table": "scale.h5"}},
    }
    outcome = run_table(config_of(folder, **changes), folder)
    assert outcome.report.converged
    x = np.array([[0.3, 1.2], [0.9, 0.4]])
    exact = np.sqrt(1.0 - x[:, 1] / (1.0 + x[:, 0])) + x[:, 0]
    np.testing.assert_allclose(Table.load(outcome.path)(x), exact, atol=1e-4)
    # another scale is another table
    Table.from_grid([np.linspace(0.0, 1.0, 5)], np.linspace(1.0, 2.1, 5)).save(folder / "scale.h5")
    with pytest.raises(ConfigError, match="other arguments"):
        run_table(config_of(folder, **changes), folder)


def test_short_of_the_tolerance_is_said_and_kept(folder):
    (folder / "wave.toml").write_text(f"max_nodes = 150\n{(folder / 'wave.toml').read_text()}")
    done = run(folder)
    assert "does not reach its tolerance" in done.stderr
    assert "largest number of nodes" in done.stdout
    assert not verify_table(target(folder)).error_report().converged


def test_processes_give_the_same_file(folder, reference):
    text = (folder / "wave.toml").read_text()
    (folder / "wave.toml").write_text(f"n_processes = 2\n{text}")
    run(folder)
    assert root_hash(folder) == reference[0].root_hash


def test_kernel_tables_are_built_listed_and_verified(folder, capsys):
    changes = {"method": "greedy", "tol": 0.05, "name": "kernel"}
    outcome = run_table(config_of(folder, **changes), folder)
    run_table(config_of(folder), folder)
    assert cli.main(["tables", "list", "--root", str(folder)]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].startswith(f"{outcome.path}  kernel  ")
    assert listed[0].endswith("centres, a x b x c  version 1")
    assert "wave.h5  cubic  a " in listed[1]
    assert cli.main(["tables", "verify", "--root", str(folder)]) == 0
    assert capsys.readouterr().out.count("  ok\n") == 2
    assert cli.main(["tables", "info", outcome.path]) == 0
    info = capsys.readouterr().out
    assert "<KernelTable of a, b, c: " in info
    assert "greedy table, version 1" in info
    content = bytearray(Path(outcome.path).read_bytes())
    place = content.find(Table.load(outcome.path).centres[5, :1].tobytes())
    content[place] ^= 1
    Path(outcome.path).write_bytes(content)
    assert cli.main(["tables", "verify", outcome.path]) == 65


# -- killed builds ---------------------------------------------------------------------------------


# a checkpoint after every call, where it is one whenever it costs little
KEEP_ALL = """
import sys
from clmassmod import cli
from clmassmod.table import evaluation
evaluation._PATIENCE = 0.0
sys.exit(cli.main(["tables", "build", "wave.toml"]))
"""


def test_killed_at_any_call_it_ends_with_the_same_file(folder, reference):
    """SIGKILL in the first call, in the sample, between both, among the nodes, at the end."""
    _, n = reference
    for part in (0.0, 0.15, 0.5, 0.8, 0.99):
        target(folder).unlink(missing_ok=True)
        (folder / "calls").unlink(missing_ok=True)
        at = 1 + int(part * (n - 1))
        done = subprocess.run(
            [sys.executable, "-c", KEEP_ALL],
            cwd=folder,
            env=ENVIRONMENT | {"DIE_AT": str(at)},
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        assert not target(folder).exists()
        run(folder)
        assert root_hash(folder) == reference[0].root_hash
        assert leftovers(folder) == []
        # nothing is evaluated twice but the block that was on its way, and first points as a test
        assert calls(folder) <= n + 2, part


def slow_build(folder, seconds):
    """A build in a process of its own, whose function takes so long a call."""
    return subprocess.Popen(
        [*COMMAND, "wave.toml"],
        cwd=folder,
        env=ENVIRONMENT | {"SLOW": seconds},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_killed_from_outside_again_and_again(folder, reference):
    for delay in (0.25, 0.5, 0.1):
        with slow_build(folder, "0.01") as process:
            before, end = calls(folder), time.monotonic() + 60.0
            while calls(folder) < before + 2 and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(delay)
            process.kill()
    assert not target(folder).exists()
    run(folder)
    assert root_hash(folder) == reference[0].root_hash


def children(pid):
    """Processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in tasks for word in file.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux tells of children")
def test_processes_of_a_killed_build_end_too(folder):
    text = (folder / "wave.toml").read_text()
    (folder / "wave.toml").write_text(f"n_processes = 2\n{text}")
    with slow_build(folder, "0.05") as process:
        end = time.monotonic() + 60.0
        while calls(folder) < 4 and time.monotonic() < end:
            time.sleep(0.01)
        workers = children(process.pid)
        process.kill()
    assert len(workers) >= 2
    end = time.monotonic() + 20.0
    while any(is_running(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in workers)


def is_running(pid):
    """Whether a process is there, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("moment", ["checkpoint", "table"])
def test_killed_while_it_writes(folder, reference, moment):
    """Between a temporary file and its name: the part is left, and removed by the next run."""
    what = ".checkpoint.npz" if moment == "checkpoint" else "wave.h5"
    program = f"""
import os, signal, sys
from pathlib import Path
rename = Path.replace
def replace(self, target):
    if target.name.endswith({what!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.replace = replace
from clmassmod import cli
sys.exit(cli.main(["tables", "build", "wave.toml"]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=ENVIRONMENT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert any(name.endswith(".part") for name in leftovers(folder))
    foreign = target(folder).with_name(".other.h5.1.00000000.part")
    foreign.touch()
    before = calls(folder)
    run(folder)
    assert root_hash(folder) == reference[0].root_hash
    # another table's part is not ours to remove
    assert leftovers(folder) == [foreign.name]
    if moment == "table":
        assert calls(folder) == before + 1


def test_interrupted_it_says_how_to_go_on(folder, reference):
    with subprocess.Popen(
        [*COMMAND, "wave.toml"],
        cwd=folder,
        env=ENVIRONMENT | {"SLOW": "0.01"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + 60.0
        while calls(folder) < 20 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "Go on with: clmassmod tables build wave.toml" in err
    before = calls(folder)
    assert leftovers(folder) == [".wave.h5.checkpoint.npz"]
    run(folder)
    assert root_hash(folder) == reference[0].root_hash
    # an interrupt loses no block that was finished: the one on its way, and the test
    assert calls(folder) <= reference[1] + 2
    assert calls(folder) > before


def test_a_full_disk_leaves_the_last_good_file(folder):
    run(folder)
    whole = target(folder).read_bytes()
    text = (folder / "wave.toml").read_text()
    (folder / "wave.toml").write_text(text.replace("factor = 2.0", "factor = 3.0"))
    # room for a part of the table; the checkpoint is smaller or larger, as it comes
    for limit in (4096, len(whole) // 2, len(whole) - 100):
        done = run(folder, "--replace", expect=65, limit=limit)
        assert "data/tables/run" in done.stderr
        assert target(folder).read_bytes() == whole
    run(folder, "--replace")
    assert leftovers(folder) == []
    assert Table.load(target(folder))([0.0, 0.0, 1.0]) == pytest.approx(3.0, abs=1e-3)


# -- two at once -----------------------------------------------------------------------------------


def test_the_second_process_is_refused(folder):
    info = load_table_config(folder / "wave.toml")
    with exclusive_file(target(folder)):
        with pytest.raises(FitError, match="in use by another process"):
            run_table(info, folder)
        assert "in use by another process" in run(folder, expect=65).stderr
        # of another table it does not matter
        assert run_table(config_of(folder, name="other"), folder).built
    assert calls(folder) > 0
    assert run_table(info, folder).built


def test_two_that_save_the_same_file_end_well(folder):
    """Without a configuration there is no lock: each write is whole, the last one stays."""
    program = """
import numpy as np, sys
from clmassmod import Table
value = float(sys.argv[1])
table = Table.from_grid([np.linspace(0, 1, 20)] * 3, np.full((20, 20, 20), value))
for _ in range(20):
    table.save("both.h5")
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", program, value], cwd=folder, env=ENVIRONMENT)
        for value in "12"
    ]
    while any(process.poll() is None for process in processes):
        if (folder / "both.h5").exists():
            assert Table.load(folder / "both.h5")([0.5] * 3) == pytest.approx(1.5, abs=0.51)
    assert [process.wait() for process in processes] == [0, 0]
    assert not list(folder.glob(".*.part"))


# -- configurations --------------------------------------------------------------------------------

INI = """
[clmassmod]
name = wave
sim_id = run
function = table_waves:wave
tol = 1e-4
pool = 1024
seed = 3
[arguments]
factor = 2.0
[box]
a = 0, 1
b = 0, 2
c = 1, 2
[map]
c = log
"""


def test_every_format_says_the_same(folder):
    info = load_table_config(folder / "wave.toml")
    content = {key: value for key, value in info.items() if value is not None}
    (folder / "wave.json").write_text(json.dumps(content))
    (folder / "wave.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (folder / "wave.ini").write_text(INI)
    for suffix in ("json", "yaml", "ini"):
        assert load_table_config(folder / f"wave.{suffix}") == info


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tolerance": 1e-3}, "unknown key 'tolerance'. Did you mean 'tol'"),
        ({"name": None}, "name must be given"),
        ({"box": None, "sim_id": None}, "sim_id, box must be given"),
        ({"box": {"a": [0, 1], "b": [1, 0]}}, "[box] b = [1, 0]: it must be [low, high]"),
        ({"box": {"a": 3}}, "[box] a = 3: it must be [low, high]"),
        ({"box": [[0, 1]]}, "it must be a section [box]"),
        ({"box": {"a b": [0, 1]}, "map": {}}, "names"),
        ({"map": {"d": "log"}}, "[map] unknown key 'd'"),
        ({"map": {"c": "logarithm"}}, "[map] c = 'logarithm': it must be one of linear, log, sqrt"),
        ({"map": {"c": {"power": 0.5}}}, "[map.c] table must be given"),
        ({"map": {"c": {"tabel": "x.h5"}}}, "[map.c] unknown key 'tabel'. Did you mean 'table'"),
        ({"map": {"a": "log"}}, "> 0 for log"),
        ({"method": "adaptiv"}, "method = 'adaptiv'"),
        ({"pool": 1000}, "a power of 2"),
        ({"pool": 128}, "pool = 128"),
        ({"tol": 0}, "tol = 0"),
        ({"max_nodes": 10}, "max_nodes = 10"),
        ({"names": ["a", "b"]}, "names"),
        ({"name": "a/b"}, "name = 'a/b'"),
        ({"sim_id": ".."}, "sim_id = '..'"),
        ({"n_processes": 0}, "n_processes = 0"),
        ({"arguments": {"when": float("nan")}}, "[arguments] when = nan"),
        ({"function": "wave"}, "'package.module:name'"),
        ({"function": "no_such_module_here:wave"}, "cannot be imported: ModuleNotFoundError"),
        ({"function": "table_waves:wav"}, "Did you mean 'wave'"),
        ({"function": "table_waves:text"}, "cannot be called as (x, **arguments)"),
        ({"arguments": {"fctor": 1.0}}, "unexpected keyword argument 'fctor'"),
    ],
)
def test_wrong_configurations(folder, changes, message):
    content = dict(load_table_config(folder / "wave.toml"))
    content |= changes
    with pytest.raises(ConfigError) as error:
        run_table(TableInfo.from_dict(content, folder / "c.toml"), folder)
    assert message in str(error.value)
    assert str(folder / "c.toml") in str(error.value)
    assert not target(folder).exists()


def test_values_that_are_not_finite(folder):
    with pytest.raises(ParameterError, match=r"func\(a=.* finite"):
        run_table(config_of(folder, function="table_waves:broken", arguments={}), folder)
    text = (folder / "wave.toml").read_text().replace(":wave", ":broken")
    (folder / "wave.toml").write_text(text.replace("factor = 2.0", ""))
    assert "finite" in run(folder, expect=65).stderr


def test_the_checkpoint_of_other_arguments_is_refused(folder):
    run(folder, expect=-signal.SIGKILL, DIE_AT="40", SLOW="0.002")
    text = (folder / "wave.toml").read_text()
    (folder / "wave.toml").write_text(text.replace("seed = 3", "seed = 4"))
    assert "Remove the file to start anew" in run(folder, expect=65).stderr
    (folder / "wave.toml").write_text(text)
    run(folder)


def test_every_key_is_described(capsys):
    text = describe_table_config()
    for key in TableInfo.schema:
        assert f"`{key}`" in text or f"[{key}]" in text
    assert cli.main(["config", "--tables"]) == 0
    assert capsys.readouterr().out == text
    assert clm.utils.describe_table_config() == text
