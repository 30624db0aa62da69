"""Typed errors. Each says what is wrong, where, what the choices are and how to mend it."""

import difflib
from collections.abc import Iterable


class RobotRLError(Exception):
    """Base of every error that a user can mend; the command line prints it as one line."""


class UnknownNameError(RobotRLError):
    """A name that is not on offer. The message lists what is, closest first."""

    def __init__(self, kind: str, name: str, choices: Iterable[str], shown: int = 12) -> None:
        ranked = closest_first(name, choices)
        rest = f", ... ({len(ranked) - shown} more)" if len(ranked) > shown else ""
        super().__init__(
            f"unknown {kind} '{name}'. Choose one of: {', '.join(ranked[:shown])}{rest}"
        )


class ConfigError(RobotRLError):
    """A configuration value that does not fit."""


class InterfaceMismatchError(RobotRLError):
    """A policy or checkpoint that was made for other observations or actions."""


class CorruptFileError(RobotRLError):
    """A file that is truncated or does not match its checksum."""


class OutOfSpaceError(RobotRLError):
    """Not enough memory or disk for what was asked."""


class RunDirectoryError(RobotRLError):
    """A run directory that cannot be used as asked."""


class NotFiniteError(RobotRLError):
    """A loss or an action became NaN or infinite."""


class RenderError(RobotRLError):
    """No usable OpenGL backend."""


class EnvWorkerError(RobotRLError):
    """An environment process died or raised."""


class HardwareError(RobotRLError):
    """A camera or an arm that does not answer as it should."""


class RewardUnavailableError(RobotRLError):
    """A reward model that cannot be reached now; the same question may be answered later."""


class MissingPackageError(RobotRLError):
    """An optional package is needed for what was asked."""

    def __init__(self, package: str, remedy: str) -> None:
        super().__init__(f"the package '{package}' is not installed. Install it with: {remedy}")


def closest_first(name: str, choices: Iterable[str]) -> list[str]:
    """All choices, those that look most like `name` first, ties in alphabetical order."""

    def distance(choice: str) -> float:
        return -difflib.SequenceMatcher(None, name, choice).ratio()

    return sorted(sorted(choices), key=distance)
