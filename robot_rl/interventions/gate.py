"""Who moves the robot in this step: the policy or the human."""

from dataclasses import dataclass

import numpy as np

from robot_rl.interventions.device import Event, Moment, Reading, TeleopDevice
from robot_rl.types import Interface


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """`min_hold_s`: a takeover lasts at least this long, be the dead-man let go before or not."""

    min_hold_s: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The action to apply and whose it is; `policy_action` and `human_action` are their wishes."""

    action: np.ndarray
    source: str
    segment: int
    policy_action: np.ndarray
    human_action: np.ndarray | None
    events: frozenset[Event] = frozenset()

    @property
    def verdict(self) -> bool | None:
        """The operator's judgement of the episode; None while he has not given one."""
        return "success" in self.events if self.events & {"success", "failure"} else None


class Gate:
    """The human as soon as the dead-man is held, the policy once it is let go.

    Between a release that came too early and the hand-back, and while a device is lost, nobody
    moves: each axis is held as its field of `interface` says, and where it stood when that began.
    """

    def __init__(self, device: TeleopDevice, config: GateConfig, interface: Interface) -> None:
        self.device = device
        self._interface = interface
        self._min_hold_steps = round(config.min_hold_s * interface.control_rate_hz)
        self._hold: np.ndarray | None = None  # what holds the robot while nobody moves
        self._source = ""
        self._segment = 0
        self._taken_step: int | None = None

    def begin_episode(self) -> None:
        self._source, self._taken_step = "", None
        self.device.begin_episode()

    def decide(self, moment: Moment, step: int) -> Decision:
        """`step` counts the lane's steps."""
        reading = self.device.read(moment)
        source = self._commander(reading, moment.autonomous, step)
        if source != self._source:
            self._source, self._segment, self._hold = source, step, None
        return Decision(
            action=self._chosen(source, moment, reading),
            source=source,
            segment=self._segment,
            policy_action=moment.policy_action,
            human_action=reading.action,
            events=reading.events,
        )

    def _commander(self, reading: Reading, autonomous: str, step: int) -> str:
        if reading.held and reading.action is not None and not reading.lost:
            self._taken_step = step if self._taken_step is None else self._taken_step
            return "human"
        if reading.lost:
            return "nobody"
        if self._taken_step is not None and step < self._taken_step + self._min_hold_steps:
            return "nobody"
        self._taken_step = None
        return autonomous

    def _chosen(self, source: str, moment: Moment, reading: Reading) -> np.ndarray:
        if source == "nobody":
            if self._hold is None:
                self._hold = self._interface.hold_action(moment.measured)
            return self._hold
        if source == "human":
            assert reading.action is not None
            return np.clip(reading.action, -1.0, 1.0).astype(np.float32)
        return moment.policy_action
