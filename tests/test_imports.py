"""Imports point one way, from the commands down to the types; no two packages lean on each other.

Deploying sits low, beside the environments: arms, bags and the operator's devices need its limits.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEVELS = (
    "base",
    "config",
    "networks",
    "envs",
    "sim",
    "replay",
    "deploy",
    "agents",
    "hardware",
    "interventions",
    "episodes",
    "rewards",
    "analysis",
    "training",
    "launching",
    "build",
    "commands",
    "cli",
    "robot_rl_nodes",
    "benchmarks",
)
NEVER_AT_THE_TOP = {
    "robot_rl": {"mujoco", "rclpy", "hydra", "omegaconf", "matplotlib", "sim", "robot_rl_nodes"},
    "sim": {"rclpy", "hydra"},
    "hardware": {"rclpy", "mujoco", "hydra"},
}


def room(module: str) -> str:
    top, _, rest = module.partition(".")
    if top != "robot_rl":
        return top
    inner = rest.partition(".")[0]
    return inner if inner in LEVELS else "base"


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for top in NEVER_AT_THE_TOP:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name, ast.parse(path.read_text())


def test_no_package_imports_one_above_it():
    wrong = [
        f"{module} imports {other}"
        for module, tree in modules()
        for other in imported(tree)
        if room(other) in LEVELS and other.partition(".")[0] != "benchmarks"
        if LEVELS.index(room(other)) > LEVELS.index(room(module))
        if not (room(module) == "commands" and room(other) == "robot_rl_nodes")
    ]
    assert not wrong


def test_heavy_packages_are_imported_by_those_who_need_them():
    wrong = [
        f"{module} imports {other} at module level"
        for module, tree in modules()
        for statement in tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for other in imported(statement)
        if other.partition(".")[0] in NEVER_AT_THE_TOP[module.partition(".")[0]]
    ]
    assert not wrong
