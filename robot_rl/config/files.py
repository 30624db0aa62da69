"""The configuration files that come with the project, and those of the user."""

from pathlib import Path


def config_dir() -> Path:
    """The YAML files: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def own_config_dir() -> Path | None:
    """The folder `configs/` where the command was started, where there is one besides ours."""
    here = Path.cwd() / "configs"
    return here if here.is_dir() and here.resolve() != config_dir().resolve() else None


def option_files(group: str) -> dict[str, Path]:
    """Files on offer in a config group, such as `robot` or `experiment`, by name; ours first."""
    found: dict[str, Path] = {}
    for folder in (own_config_dir(), config_dir()):
        root = (folder or config_dir()) / group
        paths = sorted(root.rglob("*.yaml"))
        found |= {str(path.relative_to(root).with_suffix("")): path for path in paths}
    return dict(sorted(found.items()))


def options(group: str) -> list[str]:
    """Names on offer in a config group."""
    return list(option_files(group))
