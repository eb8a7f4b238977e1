from typing import Any

VERSION: str
FLAGS: str

def build_info() -> dict[str, Any]: ...
