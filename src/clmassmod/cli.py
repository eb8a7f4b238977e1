"""The command line: fits, populations, mocks, inferences, tables; `clmassmod --help` lists all.

Exit codes: 0 done (perhaps with warnings), 1 a validation missed a tolerance, 2 wrong usage, 65
bad data or configuration, 70 an internal error, 75 interrupted: run the same command again (fits,
stacks, inferences and tables go on, mocks and validations start anew).
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._config_base import as_kind
from .errors import (
    ClmassmodError,
    ConfigError,
    FitError,
    FormatError,
    MissingExtraError,
    ParameterError,
)

if TYPE_CHECKING:
    from .cluster.ensemble_program import EnsembleOutcome
    from .cluster.program import FitOutcome
    from .config import MockInfo, ModelInfo
    from .infer_program import InferOutcome

OK, MISSED, USAGE, BAD_DATA, INTERNAL, INTERRUPTED = 0, 1, 2, 65, 70, 75


_RAISED_AGAIN = 0.02
"""Seconds."""


class _Stopped(KeyboardInterrupt):
    """A signal asked to stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    if not given:
        parser.print_help(sys.stderr)
        return USAGE
    options = parser.parse_args(given)
    try:
        with _signals():
            code = options.run(options)
        sys.stdout.flush()  # a reader that has gone is noticed here, not at exit
    except KeyboardInterrupt:
        _say_interrupted(options, given)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if options.debug:
            raise
        return _explained(error, getattr(options, "results", None))
    return OK if code is None else int(code)


def _explained(error: Exception, folder: str | None) -> int:
    """Print one line about an error; return its exit code."""
    if folder is not None and _concerns(error, folder):
        error = _unusable(error, folder)
    if isinstance(error, ConfigError | FormatError | ParameterError | FitError):
        code = BAD_DATA
    elif isinstance(error, MissingExtraError):
        code = USAGE
    else:
        code = INTERNAL
    text = " ".join(str(error).split())
    if not isinstance(error, ClmassmodError):
        text = f"{type(error).__name__}: {text} (--debug shows where)"
    print(f"clmassmod: {text}", file=sys.stderr)
    return code


def _concerns(error: Exception, folder: str) -> bool:
    """Whether `error` is the operating system's about a file in the folder of results."""
    if not isinstance(error, OSError) or isinstance(error, ClmassmodError):
        return False
    if error.filename is None:
        return True  # HDF5 and a full disk name no file, and files of data have their own errors
    place, name = os.path.abspath(folder), os.path.abspath(error.filename)
    return os.path.commonpath([place, name]) in (place, name)  # mkdir may name one above


def _unusable(error: Exception, folder: str) -> FitError:
    reason = getattr(error, "strerror", None) or str(error)
    if Path(folder).exists() and not Path(folder).is_dir():
        reason = "it is a file"
    return FitError(
        f"results cannot be written into the folder {folder} ({reason}); give one that can be "
        "written to, with --folder, --root or as [output] folder"
    )


@contextmanager
def _signals() -> Iterator[None]:
    """Treat SIGTERM and SIGUSR1, which batch systems send, as an interrupt.

    One that comes while Python calls a destructor is ignored there, and so raised again.
    """

    def stop(number: int, frame: Any) -> None:
        raise _Stopped(signal.Signals(number).name)

    def ignored(what: Any) -> None:
        if isinstance(what.exc_value, KeyboardInterrupt) and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _RAISED_AGAIN)
        else:
            hook(what)

    names = [n for n in ("SIGTERM", "SIGUSR1", "SIGALRM") if hasattr(signal, n)]
    before = {getattr(signal, n): signal.signal(getattr(signal, n), stop) for n in names}
    hook, sys.unraisablehook = sys.unraisablehook, ignored
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_interrupted(options: argparse.Namespace, given: Sequence[str]) -> None:
    folder = None if options.run is _mock else getattr(options, "results", None)
    kept = "stack/sums" if options.run is _stack else "profiles"
    saved = len(list(Path(folder, kept).glob("[!.]*.h5"))) if folder else 0
    where = f"; {saved} finished haloes are saved in {folder}" if saved else ""
    command = shlex.join(["clmassmod", *given])
    again = "Start again with" if options.run is _mock else "Go on with"
    print(f"\nclmassmod: interrupted{where}. {again}: {command}", file=sys.stderr)


# -- commands ------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> None:
    from .cluster.program import run_demo

    options.results = options.folder
    outcome = run_demo(
        options.folder,
        seed=options.seed,
        n_clusters=options.n_clusters,
        method=options.method,
        executor=options.processes,
        report=not options.no_report,
        progress=True,
    )
    _print_outcome(outcome)


def _fit(options: argparse.Namespace) -> None:
    from .cluster.program import run_fit
    from .cluster.reference import load_reference

    info = _configuration(options)
    options.results = info["output"]["folder"]
    reference = None
    if options.reference is not None:
        reference = load_reference(
            options.reference,
            options.reference_column,
            error_column=options.reference_error,
            unit=options.reference_unit,
            label=options.reference_label,
            mass_def=info["mass_def"],
        )
    outcome = run_fit(
        info,
        reference=reference,
        executor=options.processes,
        report=False if options.no_report else None,
        progress=True,
    )
    _print_outcome(outcome)


def _stack(options: argparse.Namespace) -> None:
    from .stack_program import run_stack, stack_lines

    info = _configuration(options, "stack")
    options.results = info["output"]["folder"]
    outcome = run_stack(
        info,
        executor=options.processes,
        report=False if options.no_report else None,
        progress=True,
    )
    for line in stack_lines(outcome):
        print(line)
    print(f"results  {outcome.folder}")
    if outcome.report:
        print(f"report   {outcome.report}")


def _configuration(options: argparse.Namespace, section: str = "fit") -> ModelInfo:
    """Return the configuration with what the options change in it, the method of a section."""
    from .config import ModelInfo, load_config

    info = load_config(options.config)
    if options.method is not None:
        info[section]["method"] = options.method
    if options.folder is not None:
        info["output"]["folder"] = options.folder
    if options.data is not None:
        info.folder = options.data
    return ModelInfo.from_dict(info)


def _ensemble(options: argparse.Namespace) -> None:
    from .cluster.ensemble_program import run_ensemble

    _run_population(options, run_ensemble)


def _compare(options: argparse.Namespace) -> None:
    from .cluster.ensemble_program import run_compare

    _run_population(options, run_compare)


def _run_population(options: argparse.Namespace, run: Callable[..., EnsembleOutcome]) -> None:
    from .config import ModelInfo, load_config

    info = load_config(options.config)
    if options.fits is not None:
        info["ensemble"]["results"] = [os.path.abspath(one) for one in options.fits]
    options.results = options.folder or info["output"]["folder"]
    outcome = run(
        ModelInfo.from_dict(info),
        options.folder,
        n_threads=options.threads,
        report=False if options.no_report else None,
        progress=True,
    )
    for line in outcome.posterior.summary_lines():
        print(line)
    for note in outcome.posterior.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"samples  {outcome.folder}{os.sep}samples.ecsv")
    if outcome.report:
        print(f"figures  {outcome.folder}{os.sep}figures")
        print(f"report   {outcome.report}")


def _mock(options: argparse.Namespace) -> None:
    from .lens_program import run_mock, summary_lines

    info = _mock_configuration(options)
    options.results = info["output"]["folder"]
    outcome = run_mock(
        info,
        n_threads=options.threads,
        figures=False if options.no_figures else None,
        progress=True,
    )
    for line in summary_lines(outcome.summary):
        print(line)
    print(f"catalogue  {outcome.catalogue}")
    print(f"config     {outcome.config}")
    if outcome.figures:
        print(f"figures    {os.path.dirname(next(iter(outcome.figures.values())))}")


def _mock_configuration(options: argparse.Namespace) -> MockInfo:
    """Return the configuration with what the options change in it."""
    from .config import MockInfo, load_mock_config

    info = load_mock_config(options.config)
    for key in ("n_galaxies", "seed"):
        if getattr(options, key) is not None:
            info[key] = getattr(options, key)
    if options.folder is not None:
        info["output"]["folder"] = options.folder
    return MockInfo.from_dict(info)


def _infer(options: argparse.Namespace) -> None:
    from .infer_config import load_infer_config
    from .infer_program import run_infer
    from .inference.run_directory import run_folder

    info = load_infer_config(options.config)
    if options.data is not None:
        info["data"]["file"] = os.path.abspath(options.data)
    options.results = str(run_folder(info["sim_id"], info["run_id"], options.root))
    outcome = run_infer(
        info,
        options.root,
        n_threads=options.threads,
        figures=False if options.no_figures else None,
        progress=True,
    )
    _print_run(outcome)


def _resume(options: argparse.Namespace) -> None:
    from .infer_program import resume_run

    options.results = options.folder
    limits = {name: getattr(options, name) for name in ("max_steps", "max_calls", "target_ess")}
    outcome = resume_run(
        options.folder,
        data=options.data,
        n_threads=options.threads,
        figures=not options.no_figures,
        progress=True,
        **{name: value for name, value in limits.items() if value is not None},
    )
    _print_run(outcome)


def _reproduce(options: argparse.Namespace) -> None:
    from .infer_program import reproduce_run

    found = reproduce_run(
        options.folder,
        options.into,
        data=options.data,
        any_commit=options.any_commit,
        n_threads=options.threads,
        progress=True,
    )
    for line in found.lines():
        print(line)
    if not found.identical:
        raise FitError(f"{found.repeated} is not the chain of {found.folder}")


def _print_run(outcome: InferOutcome) -> None:
    for line in outcome.chain.summary_lines():
        print(line)
    for line in outcome.warnings:
        print(f"warning: {line}", file=sys.stderr)
    print(f"run      {outcome.folder}")
    if outcome.report:
        print(f"report   {outcome.report}")


def _tables_build(options: argparse.Namespace) -> None:
    from .table_config import load_table_config
    from .table_program import run_table

    info = load_table_config(options.config)
    options.results = os.path.join(options.root or ".", "data", "tables", info["sim_id"])
    outcome = run_table(info, options.root, replace=options.replace, progress=True)
    print(outcome.report)
    if not outcome.report.converged:
        print("warning: the table does not reach its tolerance", file=sys.stderr)
    print(f"table   {outcome.path}{'' if outcome.built else '  (was there already)'}")
    print(f"sha256  {outcome.root_hash}")


def _tables_list(options: argparse.Namespace) -> None:
    from .table.files import describe_file
    from .table.store import table_files

    _each_file(table_files(options.root), describe_file)


def _tables_verify(options: argparse.Namespace) -> None:
    from .table.files import verify_file
    from .table.store import table_files

    def checked(file: str | os.PathLike[str]) -> str:
        verify_file(file)
        return "ok"

    _each_file(options.files or table_files(options.root), checked)


def _each_file(
    files: Iterable[str | os.PathLike[str]], say: Callable[[str | os.PathLike[str]], str]
) -> None:
    """Print a line for each file, damaged ones too; raise the first error when all are done."""
    wrong: list[FormatError] = []
    for file in files:
        try:
            print(f"{file}  {say(file)}")
        except FormatError as error:
            wrong.append(error)
            print(f"{file}  {error.field}: {str(error).split(': ', 2)[-1]}")
    if wrong:
        raise wrong[0]


def _tables_info(options: argparse.Namespace) -> None:
    from .table.files import info_lines

    for line in info_lines(options.file):
        print(line)


def _tables_figures(options: argparse.Namespace) -> None:
    from .table.interpolator import Table
    from .table_plotting import write_figures

    options.results = options.folder
    names = [Path(file).stem for file in options.files]
    for name, file in zip(names, options.files, strict=True):
        if names.count(name) > 1:
            raise ParameterError("FILE", file, "of another name than the other files")
    tables = {name: Table.load(file) for name, file in zip(names, options.files, strict=True)}
    files, missing = write_figures(tables, options.folder)
    for file in files.values():
        print(file)
    for reason in missing:
        print(f"warning: {reason}", file=sys.stderr)


def _validate(options: argparse.Namespace) -> int:
    from .validation.program import validate

    options.results = options.folder
    report = validate(
        None if options.no_report else options.folder,
        steps=options.steps or None,
        quick=not options.full,
        seed=options.seed,
        n_threads=options.threads,
        progress=True,
    )
    print(report)
    if report.report:
        print(f"report  {report.report}")
    return OK if report.passed else MISSED


def _info(options: argparse.Namespace) -> None:
    from .report import machine_facts

    facts = machine_facts()
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def _config(options: argparse.Namespace) -> None:
    from .config import describe_config, describe_mock_config
    from .infer_config import describe_infer_config
    from .table_config import describe_table_config

    described = {
        "fit": describe_config,
        "mock": describe_mock_config,
        "infer": describe_infer_config,
        "tables": describe_table_config,
    }
    print(described[options.what](), end="")


def _print_outcome(outcome: FitOutcome) -> None:
    from .cluster.program import summary_lines

    for line in summary_lines(outcome.summary):
        print(line)
    for halo_id, message in outcome.fit_info.failed.items():
        print(f"warning: {halo_id} could not be fitted: {message}", file=sys.stderr)
    print(f"results  {outcome.folder}{os.sep}profiles  (one HDF5 file per halo)")
    print(f"table    {outcome.table}")
    if outcome.report:
        print(f"figures  {outcome.folder}{os.sep}figures")
        print(f"report   {outcome.report}")


# -- arguments -----------------------------------------------------------------------------------


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    from ._config_schema import METHODS, STACK_METHODS

    parser = argparse.ArgumentParser(
        prog="clmassmod",
        description="Lensing mass modelling.",
        epilog=(__doc__ or "").split("\n\n")[1],
    )
    parser.add_argument("--version", action=_Version)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    fitting = argparse.ArgumentParser(add_help=False, parents=[common])
    fitting.add_argument(
        "--processes", type=_positive, metavar="N", help="fit in N processes (default: this one)"
    )
    fitting.add_argument("--no-report", action="store_true", help="no figures and no report")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo", parents=[fitting], help="simulate clusters with known masses and fit them"
    )
    demo.add_argument("--folder", default="demo-output", help="where results go (%(default)s)")
    demo.add_argument("--seed", type=_not_negative, default=4, help="random seed (%(default)s)")
    demo.add_argument("--n-clusters", type=_positive, default=12, help="how many (%(default)s)")
    demo.add_argument("--method", choices=METHODS, default="emcee", help="how to fit (%(default)s)")
    demo.set_defaults(run=_demo)

    fit = commands.add_parser("fit", parents=[fitting], help="fit the data a configuration names")
    fit.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")
    fit.add_argument("--folder", help="where results go, in place of [output] folder")
    fit.add_argument("--data", metavar="DIR", help="what paths to data in CONFIG are relative to")
    fit.add_argument("--method", choices=METHODS, help="how to fit, in place of [fit] method")
    fit.add_argument(
        "--reference",
        metavar="TABLE",
        help="masses to compare with, by id, of the definition of the fit",
    )
    fit.add_argument("--reference-column", default="mass", metavar="NAME", help="(%(default)s)")
    fit.add_argument("--reference-error", metavar="NAME", help="column of their errors")
    fit.add_argument("--reference-unit", metavar="UNIT", help='such as "1e14 Msun"')
    fit.add_argument("--reference-label", metavar="TEXT", help="what to call them in figures")
    fit.set_defaults(run=_fit)

    stack = commands.add_parser(
        "stack", parents=[fitting], help="stack the data a configuration names, and fit the stack"
    )
    stack.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")
    stack.add_argument("--folder", help="where results go, in place of [output] folder")
    stack.add_argument("--data", metavar="DIR", help="what paths to data in CONFIG are relative to")
    stack.add_argument("--method", choices=STACK_METHODS, help="in place of [stack] method")
    stack.set_defaults(run=_stack)

    _add_populations(commands, common)
    mock = commands.add_parser(
        "mock", parents=[common], help="make the mock catalogue of strong lenses of a configuration"
    )
    mock.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")
    mock.add_argument("--folder", help="where results go, in place of [output] folder")
    mock.add_argument("--n-galaxies", type=_positive, metavar="N", help="in place of n_galaxies")
    mock.add_argument("--seed", type=_not_negative, help="in place of seed")
    mock.add_argument(
        "--threads",
        type=_not_negative,
        default=1,
        metavar="T",
        help="0 for all (default: %(default)s); the catalogue is the same for any number",
    )
    mock.add_argument("--no-figures", action="store_true", help="no figures")
    mock.set_defaults(run=_mock)

    _add_inference(commands, common)
    _add_tables(commands, common)
    _add_validation(commands, common)
    info = commands.add_parser("info", parents=[common], help="versions and facts of this build")
    info.set_defaults(run=_info)
    config = commands.add_parser("config", parents=[common], help="every configuration key")
    for name, command in (("mock", "mock"), ("infer", "infer"), ("tables", "tables build")):
        config.add_argument(
            f"--{name}",
            dest="what",
            action="store_const",
            const=name,
            help=f"those of `clmassmod {command}` instead",
        )
    config.set_defaults(run=_config, what="fit")
    return parser


def _add_populations(commands: Any, common: argparse.ArgumentParser) -> None:
    population = argparse.ArgumentParser(add_help=False, parents=[common])
    population.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")
    population.add_argument(
        "--fits",
        nargs="+",
        metavar="DIR",
        help="folders of fitted masses, in place of [ensemble] results",
    )
    population.add_argument(
        "--folder", help="where results go, in place of that in [output] folder"
    )
    population.add_argument(
        "--threads",
        type=_not_negative,
        default=1,
        metavar="T",
        help="0 for all (default: %(default)s); the result is the same for any number",
    )
    population.add_argument("--no-report", action="store_true", help="no figures and no report")
    for name, run, text in (
        ("ensemble", _ensemble, "the distribution of the masses that `clmassmod fit` has fitted"),
        ("compare", _compare, "bias and scatter of fitted masses against true ones"),
    ):
        one = commands.add_parser(name, parents=[population], help=text)
        one.set_defaults(run=run)


def _add_inference(commands: Any, common: argparse.ArgumentParser) -> None:
    running = argparse.ArgumentParser(add_help=False, parents=[common])
    running.add_argument("--no-figures", action="store_true", help="no figures and no report")
    infer = commands.add_parser(
        "infer",
        parents=[running],
        help="infer the lens population of a configuration; goes on if it was killed",
    )
    infer.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")
    infer.add_argument(
        "--threads", type=_not_negative, metavar="T", help="in place of n_threads; 0 for all"
    )
    infer.add_argument("--root", metavar="DIR", help="folder that holds data/ and inference/")
    infer.add_argument("--data", metavar="FILE", help="in place of [data] file")
    infer.set_defaults(run=_infer)

    again = argparse.ArgumentParser(add_help=False)
    again.add_argument(
        "--threads",
        type=_not_negative,
        default=1,
        metavar="T",
        help="0 for all (default: %(default)s); results are the same for any number",
    )
    again.add_argument("folder", metavar="DIR", help="inference/<sim_id>/<run_id>")
    again.add_argument("--data", metavar="FILE", help="where the file of the data is now")
    resume = commands.add_parser(
        "resume", parents=[running, again], help="go on with an inference from its folder"
    )
    resume.add_argument("--target-ess", type=float, metavar="N", help="in place of the run's")
    resume.add_argument("--max-steps", type=_positive, metavar="N", help="emcee: the same")
    resume.add_argument("--max-calls", type=_positive, metavar="N", help="nautilus: the same")
    resume.set_defaults(run=_resume)
    reproduce = commands.add_parser(
        "reproduce", parents=[common, again], help="repeat an inference, and compare the chains"
    )
    reproduce.add_argument("--into", metavar="DIR", help="a fresh folder (DIR-reproduced)")
    reproduce.add_argument(
        "--any-commit", action="store_true", help="with this code, whatever made the run"
    )
    reproduce.set_defaults(run=_reproduce)


def _add_tables(commands: Any, common: argparse.ArgumentParser) -> None:
    tables = commands.add_parser(
        "tables", help="tables under data/tables: build, list, verify, info, figures"
    )
    actions = tables.add_subparsers(title="actions", metavar="ACTION", required=True)
    place = argparse.ArgumentParser(add_help=False, parents=[common])
    place.add_argument("--root", metavar="DIR", help="folder that holds data/ (this one)")
    build = actions.add_parser(
        "build",
        parents=[place],
        help="build the table of a configuration; goes on if it was killed",
    )
    build.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")
    build.add_argument(
        "--replace", action="store_true", help="replace a table in its place that is another one"
    )
    build.set_defaults(run=_tables_build)
    listed = actions.add_parser("list", parents=[place], help="all tables, one a line")
    listed.set_defaults(run=_tables_list)
    verify = actions.add_parser("verify", parents=[place], help="check the checksums of tables")
    verify.add_argument("files", nargs="*", metavar="FILE", help="all of data/tables by default")
    verify.set_defaults(run=_tables_verify)
    about = actions.add_parser("info", parents=[common], help="axes, origin and errors of a table")
    about.add_argument("file", metavar="FILE")
    about.set_defaults(run=_tables_info)
    drawn = actions.add_parser(
        "figures", parents=[common], help="where the error of tables is, knots, error against nodes"
    )
    drawn.add_argument("files", nargs="+", metavar="FILE")
    drawn.add_argument(
        "--folder", default="table-figures", metavar="DIR", help="where they go (%(default)s)"
    )
    drawn.set_defaults(run=_tables_figures)


def _add_validation(commands: Any, common: argparse.ArgumentParser) -> None:
    validate = commands.add_parser(
        "validate",
        parents=[common],
        help="a simulated catalogue through every step, with the precision of each",
    )
    validate.add_argument("steps", nargs="*", metavar="STEP", help="all by default")
    validate.add_argument(
        "--folder", default="validation-output", help="where the report goes (%(default)s)"
    )
    validate.add_argument("--full", action="store_true", help="samples ten times larger")
    validate.add_argument("--seed", type=_not_negative, default=1, help="(%(default)s)")
    validate.add_argument(
        "--threads",
        type=_not_negative,
        default=0,
        metavar="T",
        help="0 for all (the default); the numbers are the same for any",
    )
    validate.add_argument("--no-report", action="store_true", help="no figures and no report")
    validate.set_defaults(run=_validate)


class _Version(argparse.Action):
    """Print the version, which only the compiled core knows, and stop."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from ._core.info import build_info

        print(f"clmassmod {build_info()['version']}")
        parser.exit()


def _whole(text: str) -> int:
    try:
        return int(text)  # first: a float has not the digits of a large seed
    except ValueError:
        number = as_kind(text, "integer")  # 1e6, as in a file
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(number)


def _positive(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _not_negative(text: str) -> int:
    number = _whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0")
    return number
