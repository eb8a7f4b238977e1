"""Arguments that commands share, and kinds of numbers."""

from __future__ import annotations

import argparse

from ..configuration.base import as_kind


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the file of the configuration to `parser`."""
    parser.add_argument("config", metavar="CONFIG", help="TOML, YAML, JSON or INI file")


def whole(text: str) -> int:
    try:
        return int(text)  # first: a float has not the digits of a large seed
    except ValueError:
        number = as_kind(text, "integer")  # 1e6, as in a file
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(number)


def positive(text: str) -> int:
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def not_negative(text: str) -> int:
    number = whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0")
    return number


def add_threads(parser: argparse.ArgumentParser, of: str) -> None:
    """Add --threads to `parser`; `of` says what is the same for any number."""
    parser.add_argument(
        "--threads",
        type=not_negative,
        default=1,
        metavar="T",
        help=f"0 for all (default: %(default)s); {of} the same for any number",
    )
