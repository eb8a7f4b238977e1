"""Run the workloads and write the tables: ``python -m bench [w1 w2 ...]``."""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from typing import Any

from . import report
from .harness import IdleMeter, Options, Row, environment

WORKLOADS = {
    "w1": "w1_single_call",
    "w2": "w2_paired_batch",
    "w3": "w3_stacked_model",
    "w4": "w4_pairs",
    "w5": "w5_galaxy_likelihood",
    "w6": "w6_mock_to_mass",
    "s1": "s1_lens_solve",
    "s2": "s2_inversion",
    "s3": "s3_population",
    "s4": "s4_selection",
    "s5": "s5_mock",
    "s6": "s6_sampling",
    "s7": "s7_many_lenses",
    "i1": "i1_interpolation",
    "g1": "g1_package",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; 1 if an accuracy check failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, []], help="default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the harness")
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each call, >= 5")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--name", default="latest", help="file name under bench/results/")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    options = Options(given.quick, given.repeats, not given.no_memory)
    facts = environment()
    meter, start = IdleMeter(), time.perf_counter()
    results = {name: _run(name, options) for name in given.workloads or WORKLOADS}
    facts["seconds"] = time.perf_counter() - start
    facts["others_during"] = meter.others()
    facts["quick"] = options.quick
    for path in report.write(facts, results, given.name):
        print(f"wrote {path}")
    wrong = [row.case for _, rows in results.values() for row in rows if not row.accurate]
    for case in dict.fromkeys(wrong):
        print(f"ACCURACY CHECK FAILED: {case}")
    return 1 if wrong else 0


def _run(name: str, options: Options) -> tuple[str, list[Row]]:
    workload: Any = importlib.import_module(f"bench.{WORKLOADS[name]}")
    print(workload.TITLE, flush=True)
    return workload.TITLE, workload.run(options)


if __name__ == "__main__":
    raise SystemExit(main())
