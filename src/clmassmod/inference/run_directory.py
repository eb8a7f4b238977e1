"""Run directories: everything about one inference run, and nothing of it elsewhere.

``inference/<sim_id>/<run_id>/`` holds ``params.json`` (the whole configuration),
``metadata.json`` (where the result comes from), ``chain.h5``, ``log.txt``, ``figures/``, and
``checkpoint-*.h5`` while it runs (of nautilus also later: it goes on from these only).
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FitError, FormatError, ParameterError
from ..parallel import available_cores
from ..provenance import atomic_path, exclusive_folder, folder_name, provenance, remove_all_parts
from .chain import Chain
from .chain_file import read_chain, write_chain
from .checkpoints import Checkpoints
from .posterior import Likelihood

INFERENCE = "inference"
PARAMS, METADATA, CHAIN, LOG, FIGURES = (
    "params.json",
    "metadata.json",
    "chain.h5",
    "log.txt",
    "figures",
)
TABLES = "precomputed_table_version"
"""Key of `Likelihood.versions` and of metadata: the root hash of the tables."""
DATA_FILE = "data_file"
"""Key of a likelihood in ``params.json`` under which the file of its data stands, if it has one."""

_PACKAGES = ("numpy", "scipy", "h5py", "emcee", "nautilus-sampler")
_CHANGEABLE = "stopping"
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def run_folder(sim_id: str, run_id: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Return ``<root>/inference/<sim_id>/<run_id>``; `root` is the current folder by default."""
    place = Path(root or ".") / INFERENCE
    return place / folder_name("sim_id", sim_id) / folder_name("run_id", run_id)


class RunDirectory:
    """The files of one run."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @property
    def sim_id(self) -> str:
        """Name of the folder above, of a run at ``inference/<sim_id>/<run_id>``; else ""."""
        place = self.folder.resolve().parent
        return place.name if place.parent.name == INFERENCE else ""

    def read_params(self) -> dict[str, Any]:
        """Return ``params.json``.

        Raises
        ------
        FormatError
            There is none, or it is damaged.
        """
        return _read_json(self.folder / PARAMS)

    def read_metadata(self) -> dict[str, Any]:
        """Return ``metadata.json``.

        Raises
        ------
        FormatError
            There is none, or it is damaged.
        """
        return _read_json(self.folder / METADATA)

    def say(self, line: str) -> None:
        """Add a line with the time to ``log.txt``."""
        with open(self.folder / LOG, "a", encoding="utf-8") as file:
            file.write(f"{_now()}  {line}\n")

    def begin(self, params: Mapping[str, Any], likelihood: Likelihood) -> None:
        """Start the run, or go on with it.

        Raises
        ------
        FitError
            The folder holds a run with other parameters, data or tables, or other files.
        """
        known = (self.folder / METADATA).exists()
        if (self.folder / PARAMS).exists():
            self.check_params(params)
            # what was sampled without metadata to say from what is not gone on with
            if known or any(self.folder.glob("[!.]*.h5")):
                self.check_identity(likelihood)
        else:
            self._check_empty()
        _write_json(self.folder / PARAMS, params)
        metadata = self.read_metadata() if known else self._metadata(likelihood)
        metadata["sessions"].append(_session())
        _write_json(self.folder / METADATA, metadata | {"status": "running", "ended": None})
        self.say("goes on" if known else "begins")

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Raise FitError unless parameters, or some of them, are those of the run, if there is one.

        Parameters
        ----------
        params : mapping
            As ``params.json``; what it has not is not compared, on top and in ``likelihood``.
        """
        if not (self.folder / PARAMS).exists():
            return
        given, kept = json.loads(_text(params)), self.read_params()
        kept = {key: value for key, value in kept.items() if key in given}
        if isinstance(kept.get("likelihood"), dict):
            kept["likelihood"] = {
                k: v for k, v in kept["likelihood"].items() if k in given["likelihood"]
            }
        found = differences(kept, given)
        foreign = [line for line in found if not line.startswith(f"{_CHANGEABLE}.")]
        if foreign:
            # the file of the data first: much else follows from it
            foreign.sort(key=lambda line: not line.startswith(f"likelihood.{DATA_FILE}."))
            raise FitError(
                f"{self.folder} holds a run with other parameters: {'; '.join(foreign[:5])}. "
                "Give another run_id, or delete the folder"
            )

    def check_identity(self, likelihood: Likelihood) -> None:
        """Raise FitError unless data and tables of a likelihood are those of the run."""
        kept = self.read_metadata()
        pairs = (
            (TABLES, "tables", _tables_of(likelihood)),
            ("likelihood_identity", "data or tables", likelihood.identity),
        )
        for key, what, new in pairs:
            if kept[key] != new:
                raise FitError(
                    f"{self.folder} holds a run with other {what}: its {key} is "
                    f"{_short(repr(kept[key]))}, that of the likelihood is {_short(repr(new))}. "
                    "Restore them, give another run_id, or delete the folder"
                )

    def end(self, status: str, **numbers: Any) -> None:
        """Put the end of the run, or of this part of it, into the metadata."""
        metadata = self.read_metadata()
        now = _now()
        metadata["sessions"][-1] |= {"ended": now, "status": status}
        _write_json(self.folder / METADATA, metadata | {"status": status, "ended": now} | numbers)
        self.say(status)

    def write_chain(self, chain: Chain) -> None:
        """Write ``chain.h5``."""
        write_chain(self.folder / CHAIN, chain)

    def _metadata(self, likelihood: Likelihood) -> dict[str, Any]:
        facts = provenance()
        versions = {"clmassmod": facts["clmassmod"], "python": facts["python"]}
        for package in _PACKAGES:
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue  # an extra that is not installed
        others = {k: v for k, v in likelihood.versions.items() if k != TABLES}
        return {
            "started": _now(),
            "git_commit": facts["commit"],
            "sim_id": self.sim_id,
            "run_id": self.folder.resolve().name,
            TABLES: _tables_of(likelihood),
            "likelihood_identity": likelihood.identity,
            "versions": versions | others,
            "sessions": [],
        }

    def _check_empty(self) -> None:
        others = [p.name for p in self.folder.iterdir() if not p.name.startswith(".")]
        if others:
            raise FitError(
                f"{self.folder} holds {', '.join(sorted(others)[:3])} but no {PARAMS}: it is not "
                "the folder of a run; give another run_id"
            )


@contextmanager
def opened_run(
    folder: str | os.PathLike[str], params: Mapping[str, Any], likelihood: Likelihood
) -> Iterator[RunDirectory]:
    """Hold the directory of a run for this process, from its begin to its end.

    Raises
    ------
    FitError
        Another process holds it, it cannot be written to, or it holds another run.
    """
    with exclusive_folder(folder):
        remove_all_parts(folder)
        run = RunDirectory(folder)
        run.begin(params, likelihood)
        try:
            yield run
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            status = "interrupted" if stopped else f"failed: {type(error).__name__}: {error}"
            try:
                run.end(status)
            except OSError as second:  # what ended the run is the news
                error.add_note(f"{run.folder / METADATA} could not be written: {second}")
            raise


def load_run(folder: str | os.PathLike[str]) -> Chain:
    """Return the chain of a run; of one that has not ended, what its last checkpoint holds.

    Raises
    ------
    FormatError
        No run, no chain yet, or damaged files.
    """
    run = RunDirectory(folder)
    if (run.folder / CHAIN).exists():
        return read_chain(run.folder / CHAIN)
    status = run.read_metadata()["status"]
    # those of nautilus hold its state, not a chain
    if run.read_params()["sampler"]["sampler"] == "emcee":
        chain = Checkpoints(run.folder, write_chain, read_chain, warnings.warn, 0.0).load()
        if chain is not None:
            return chain
    raise FormatError(folder, CHAIN, f"there is none yet (status: {status})")


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Return lines such as ``priors.mu_h.low: 12 there, 11 here`` for what differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(old.keys() | new.keys()):
            place = f"{where}.{key}" if where else str(key)
            lines += differences(old.get(key, "nothing"), new.get(key, "nothing"), place)
        return lines
    # as text: NaN differs from itself otherwise
    texts = [json.dumps(one) for one in (old, new)]
    if texts[0] == texts[1]:
        return []
    return [f"{where}: {_short(texts[0])} there, {_short(texts[1])} here"]


def flat(content: Mapping[str, Any], place: str = "") -> list[tuple[str, Any]]:
    """Return values of nested mappings by names such as ``population.halo_mass.mu``."""
    rows: list[tuple[str, Any]] = []
    for key, value in content.items():
        name = f"{place}.{key}" if place else str(key)
        rows += flat(value, name) if isinstance(value, Mapping) else [(name, value)]
    return rows


def _tables_of(likelihood: Likelihood) -> str:
    return str(likelihood.versions.get(TABLES, ""))


def _short(text: str) -> str:
    """Return a text of at most 80 characters, hashes by their first 12."""
    text = _HASH.sub(r"\1", text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _session() -> dict[str, Any]:
    return {
        "started": _now(),
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": available_cores(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "git_commit": provenance()["commit"],
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _text(content: Mapping[str, Any]) -> str:
    try:
        return json.dumps(content, indent=2)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            "to_dict()", content, f"made of what JSON can hold ({error})"
        ) from error


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(_text(content) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(path, "file", "there is none: no run here") from error
    except (OSError, ValueError) as error:
        raise FormatError(path, "file", f"not readable ({error})") from error
    if not isinstance(content, dict):
        raise FormatError(path, "file", "not an object")
    return content
