"""Reproducing a run: the same commit, tables and parameters, in a fresh folder, compared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitError, ParameterError
from ..provenance import DIRTY, provenance
from .chain import Chain
from .run_directory import TABLES, RunDirectory, load_run
from .samplers import MakeLikelihood, run_again


@dataclass(frozen=True)
class Reproduction:
    """How a run compares with its repetition.

    Attributes
    ----------
    folder, repeated : str
        Folders of the run and of its repetition.
    identical : bool
        Whether the chains are the same bits.
    first_difference : int or None
        Step of the first difference; None if identical, or of different shape from the start.
    shifts : dict
        Name -> difference of the means in units of the error of their difference.
    notes : list of str
        What differs in versions.
    """

    folder: str
    repeated: str
    identical: bool
    first_difference: int | None
    shifts: dict[str, float]
    notes: list[str]

    def lines(self) -> list[str]:
        """Return the comparison as lines of text."""
        if self.identical:
            return [f"{self.repeated}: the same chain, bit for bit", *self.notes]
        where = "" if self.first_difference is None else f" from step {self.first_difference} on"
        shifts = ", ".join(f"{name} {value:+.2f}" for name, value in self.shifts.items())
        return [
            f"{self.repeated}: the chain differs{where}",
            f"means differ by (in standard errors): {shifts}",
            *self.notes,
        ]


def resume(
    folder: str | os.PathLike[str],
    make_likelihood: MakeLikelihood,
    *,
    progress: bool = False,
    **stopping: Any,
) -> Chain:
    """Go on with a run from its folder alone.

    Parameters
    ----------
    folder : path
    make_likelihood : callable
        ``make_likelihood(params["likelihood"]) -> Likelihood``.
    progress : bool, optional
    **stopping
        Limits in place of those of the run: ``max_steps`` or ``max_calls``, ``target_ess``.

    Raises
    ------
    FormatError
        There is no run.
    FitError
        Other data or tables, naming both hashes; the folder is in use.
    """
    params = RunDirectory(folder).read_params()
    for name, value in stopping.items():
        if name not in params["stopping"]:
            allowed = f"one of {', '.join(params['stopping'])}; the rest belongs to the run"
            raise ParameterError(name, value, allowed)
    return run_again(params, make_likelihood, folder, progress=progress, **stopping)


def reproduce(
    folder: str | os.PathLike[str],
    make_likelihood: MakeLikelihood,
    into: str | os.PathLike[str] | None = None,
    *,
    any_commit: bool = False,
    progress: bool = False,
) -> Reproduction:
    """Repeat a run and compare.

    Parameters
    ----------
    folder : path
        Of a run that has ended.
    make_likelihood : callable
        ``make_likelihood(params["likelihood"]) -> Likelihood``.
    into : path, optional
        A fresh folder; ``<folder>-reproduced`` by default. A repetition that was killed is
        gone on with.
    any_commit : bool, optional
        Repeat with the code at hand even if its commit is another one.
    progress : bool, optional

    Raises
    ------
    FormatError
        There is no run, or it has no chain.
    FitError
        The code is of another commit (the message says which to check out; no work tree is
        touched); the tables or the data are others.
    """
    run = RunDirectory(folder)
    params, metadata = run.read_params(), run.read_metadata()
    chain = load_run(folder)
    notes = _checked_commit(metadata, any_commit)
    likelihood = make_likelihood(params["likelihood"])
    run.check_identity(likelihood)
    place = _other_folder(run.folder, into)
    repeated = run_again(params, lambda _: likelihood, place, progress=progress)
    notes += _versions(metadata, RunDirectory(place).read_metadata())
    first = _first_difference(chain, repeated)
    identical = chain.draws.shape == repeated.draws.shape and first is None
    return Reproduction(str(folder), str(place), identical, first, _shifts(chain, repeated), notes)


def _checked_commit(metadata: dict[str, Any], any_commit: bool) -> list[str]:
    """Return notes about commits; raise if the code is of another one than the run."""
    here, there = provenance()["commit"], metadata["git_commit"]
    others = {session["git_commit"] for session in metadata["sessions"]} - {there}
    notes = [f"the run went on with the code of {one}" for one in sorted(others)]
    if here == there:
        if here.endswith(DIRTY):
            notes.append(f"{here}: changes since the commit may differ; they are not compared")
        return notes
    text = f"the run was made by commit {there}, this code is {here}"
    if any_commit:
        return [text, *notes]
    raise FitError(
        f"{text}; in a clone, run: git checkout {there.removesuffix(DIRTY)} && pip install . "
        f"(or repeat it with the code at hand: any_commit). Its tables: "
        f"{metadata[TABLES] or 'none'} of sim_id {metadata['sim_id'] or '-'}"
    )


def _other_folder(folder: Path, into: str | os.PathLike[str] | None) -> Path:
    place = folder.resolve()
    other = place.with_name(f"{place.name}-reproduced") if into is None else Path(into)
    if other.resolve() == place:
        raise ParameterError("into", str(into), "another folder than that of the run")
    return other


def _versions(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    names = sorted(old["versions"].keys() | new["versions"].keys())
    pairs = [(n, old["versions"].get(n, "none"), new["versions"].get(n, "none")) for n in names]
    return [f"{name}: {there} there, {here} here" for name, there, here in pairs if there != here]


def _first_difference(one: Chain, other: Chain) -> int | None:
    n = min(len(one.draws), len(other.draws))
    if one.draws.shape[1:] != other.draws.shape[1:]:
        return None
    differ = np.any(one.draws[:n] != other.draws[:n], axis=(1, 2))
    differ |= np.any(one.log_posterior[:n] != other.log_posterior[:n], axis=1)
    if differ.any():
        return int(np.argmax(differ))
    return None if len(one.draws) == len(other.draws) else n


def _shifts(one: Chain, other: Chain) -> dict[str, float]:
    a, b = one.summary(), other.summary()
    result = {}
    for name in one.names:
        error = np.hypot(*(s[name]["sd"] / np.sqrt(s[name]["ess"]) for s in (a, b)))
        result[name] = float((b[name]["mean"] - a[name]["mean"]) / error)
    return result
