from typing import Any

VERSION: str
FLAGS: str
COMMIT: str

def build_info() -> dict[str, Any]: ...
