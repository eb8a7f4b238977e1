"""Commands that tell of the package: --version, info, config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands to `commands`."""
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


class Version(argparse.Action):
    """Print the version, which only the compiled core knows, and stop."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .._core.info import build_info

        print(f"clmassmod {build_info()['version']}")
        parser.exit()


def _info(options: argparse.Namespace) -> None:
    from ..reports.clusters import machine_facts

    facts = machine_facts()
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def _config(options: argparse.Namespace) -> None:
    from ..configuration.info import describe_config, describe_mock_config
    from ..runs.inference_config import describe_infer_config
    from ..runs.table_config import describe_table_config

    described = {
        "fit": describe_config,
        "mock": describe_mock_config,
        "infer": describe_infer_config,
        "tables": describe_table_config,
    }
    print(described[options.what](), end="")
