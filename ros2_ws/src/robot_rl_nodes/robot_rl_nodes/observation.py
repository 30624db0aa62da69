"""The newest observation that cameras and arm agree on. Latest only: nothing queues up."""

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hardware.arm import ArmState
from hardware.camera import Frame
from hardware.proprio import ProprioReader
from robot_rl.envs.frames import fit
from robot_rl.types import PROPRIO, Interface, Observation

_STATES = 32
_SAME_MOMENT_S = 0.005


@dataclass(frozen=True)
class Taken:
    """`first`: of the `episode`-th one. `stamp_s` is that of the pacing frame."""

    obs: Observation
    stamp_s: float
    state: ArmState
    first: bool
    episode: int


class ObservationSlot:
    """Filled by callbacks, emptied by one worker that waits for the next control period.

    The first camera paces, or the arm's state for a policy without cameras. Frames of the others
    and the arm's state may differ from it by `max_skew_s`. Raises `InterfaceMismatchError` for
    proprio that no arm measures.
    """

    def __init__(self, interface: Interface, max_skew_s: float) -> None:
        self.episode = 0
        self._interface = interface
        self._proprio = ProprioReader(interface.proprio)
        self._max_skew_s = max_skew_s
        self._frames: dict[str, Frame] = {}
        self._states: deque[ArmState] = deque(maxlen=_STATES)
        self._taken_s = self._begun_s = 0.0
        self._first = True
        self._changed = threading.Condition()

    def frame(self, camera: str, frame: Frame) -> None:
        with self._changed:
            if frame.stamp_s < self._begun_s:
                return  # still on its way when the last episode ended
            self._frames[camera] = frame
            self._changed.notify()

    def state(self, state: ArmState) -> None:
        with self._changed:
            self._states.append(state)
            self._changed.notify()

    def begin_episode(self, now_s: float) -> None:
        """The next observation is the first one of an episode, and exposed after `now_s`."""
        with self._changed:
            self.episode += 1
            self._begun_s = now_s
            self._frames.clear()
            self._proprio.begin_episode()
            self._first = True

    def take(self, timeout_s: float, after_s: float = -math.inf) -> Taken | None:
        """The newest observation, exposed after `after_s`, or None after `timeout_s`.

        Raises `InterfaceMismatchError` where cameras or arm do not send what the policy takes.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._complete(after_s), timeout_s):
                return None
            pace_s = self._pace_s()
            state = self._nearest(pace_s)
            assert state is not None
            self._taken_s = pace_s
            obs = self._observation(self._frames, state)
            first, self._first = self._first, False
            return Taken(obs, pace_s, state, first, self.episode)

    def _complete(self, after_s: float) -> bool:
        names = [camera.name for camera in self._interface.cameras]
        if any(name not in self._frames for name in names):
            return False
        pace_s = self._pace_s()
        if pace_s < max(self._begun_s, after_s) or not self._knows_arm(pace_s):
            return False
        # Three quarters: a faster camera is thinned out, a jittering one is not.
        if abs(pace_s - self._taken_s) < 0.75 / self._interface.control_rate_hz:
            return False
        skews = (abs(self._frames[name].stamp_s - pace_s) for name in names)
        return all(s <= self._max_skew_s for s in skews) and self._nearest(pace_s) is not None

    def _knows_arm(self, stamp_s: float) -> bool:
        """Whether the arm's state of that moment has come: it may overtake a frame, or be late."""
        return bool(self._states) and self._states[-1].stamp_s >= stamp_s - _SAME_MOMENT_S

    def _pace_s(self) -> float:
        """When what paces was last seen."""
        if self._interface.cameras:
            return self._frames[self._interface.cameras[0].name].stamp_s
        return self._states[-1].stamp_s if self._states else -math.inf

    def _nearest(self, stamp_s: float) -> ArmState | None:
        def gap_s(state: ArmState) -> float:
            return abs(state.stamp_s - stamp_s)

        nearest = min(self._states, key=gap_s, default=None)
        if nearest is None or gap_s(nearest) > self._max_skew_s:
            return None
        return nearest

    def _observation(self, frames: Mapping[str, Frame], state: ArmState) -> Observation:
        obs: Observation = {
            camera.key: np.ascontiguousarray(fit(frames[camera.name].image, camera))
            for camera in self._interface.cameras
        }
        if self._interface.proprio:
            obs[PROPRIO] = self._proprio.read(state)
        return obs
