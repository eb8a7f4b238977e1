"""The command line: fits, populations, mocks, inferences, tables; `clmassmod --help` lists all."""

from .exit_codes import BAD_DATA, INTERNAL, INTERRUPTED, MISSED, OK, USAGE
from .program import main, make_parser

__all__ = [
    "BAD_DATA",
    "INTERNAL",
    "INTERRUPTED",
    "MISSED",
    "OK",
    "USAGE",
    "main",
    "make_parser",
]
