"""The configuration files that come with the project."""

from pathlib import Path


def config_dir() -> Path:
    """The YAML files: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def options(group: str) -> list[str]:
    """Names on offer in a config group, such as `agent` or `experiment`."""
    root = config_dir() / group
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))
