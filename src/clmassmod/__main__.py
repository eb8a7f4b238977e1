"""``python -m clmassmod`` is the command line."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":  # a spawned worker imports this module under another name
    sys.exit(main())
