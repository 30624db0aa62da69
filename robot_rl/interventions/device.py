"""What every teleoperation device says, be it a keyboard, a leader arm or a simulated human."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from robot_rl.types import Observation, Scene

# What an operator can say beside moving; taking over and handing back are the dead-man's.
Event = Literal["success", "failure", "rerecord", "stop"]
EVENTS: tuple[Event, ...] = ("success", "failure", "rerecord", "stop")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The operator's wish now. `action` [A] in [-1, 1] counts while the dead-man is `held`.

    `lost` is a device that fell silent with the dead-man held: not the same as letting go.
    """

    held: bool = False
    action: np.ndarray | None = None
    lost: bool = False
    events: frozenset[Event] = field(default_factory=frozenset)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What there is to see before a step. Real devices have eyes of their own behind them.

    `autonomous` is whose `policy_action` is while no human moves: one of `types.SOURCES`.
    """

    obs: Observation
    policy_action: np.ndarray
    autonomous: str = "policy"
    scene: Scene | None = None

    @property
    def measured(self) -> Mapping[str, float] | None:
        """Where each axis stands, by name; None where nobody can tell."""
        return None if self.scene is None else self.scene.measured


class TeleopDevice(Protocol):
    """Opened by `start`, asked once a control step, closed at the end."""

    def read(self, moment: Moment) -> Reading:
        """Without waiting. Raises `HardwareError` once the device is gone for good."""
        ...

    def start(self) -> None:
        """Open it. Raises `HardwareError` that says how to mend what is missing."""

    def begin_episode(self) -> None:
        """A new episode is about to start."""

    def drop_events(self) -> None:
        """Nobody listened for a while: what was said meanwhile is not for the steps to come."""

    def close(self) -> None:
        """Release what `start` opened."""


class NoDevice(TeleopDevice):
    """Nobody is there."""

    def read(self, moment: Moment) -> Reading:
        return Reading()
