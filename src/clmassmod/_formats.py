"""Files of this package: their format and version, and errors that name what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import FormatError


def check_format(path: Any, attributes: Mapping[str, Any], name: str, version: int) -> None:
    """Refuse a file of another format, or of a newer one; a minor version does not count."""
    if attributes.get("format") != name:
        raise FormatError(path, "format", f"{attributes.get('format')!r} is not {name!r}")
    found = int(np.ravel(attributes["format_version"])[0])
    if found > version:
        problem = f"{found} is newer than the {version} this version reads; update clmassmod"
        raise FormatError(path, "format_version", problem)


@contextmanager
def reading(path: Any, kind: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a `FormatError`: not a readable `kind`."""
    try:
        yield
    except FormatError:
        raise
    except FileNotFoundError as error:
        raise FormatError(path, "file", "there is none") from error
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise FormatError(path, "file", f"not a readable {kind} ({error})") from error
