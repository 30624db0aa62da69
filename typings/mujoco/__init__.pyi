# MuJoCo's bindings are compiled without type information.
from typing import Any

def __getattr__(name: str) -> Any: ...
