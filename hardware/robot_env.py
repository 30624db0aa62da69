"""A robot as the same Gymnasium environment as a simulated task."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from hardware.camera import Camera
from hardware.camera_reader import CameraReader
from hardware.guarded_arm import GuardedArm
from hardware.proprio import ProprioReader
from robot_rl.axes import Vector
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.safety import Command, Now, SafetyFilter, Verdict
from robot_rl.envs.frames import fit
from robot_rl.envs.spaces import action_space, observation_space
from robot_rl.errors import HardwareError
from robot_rl.types import PROPRIO, Interface, Observation

_FRAME_TIMEOUT_S = 1.0


@dataclass
class PaceStats:
    """How well the control rate was kept. A miss is a step half a period late or more."""

    steps: int = 0
    misses: int = 0
    drift_s: float = 0.0
    max_late_s: float = 0.0


class RobotEnv(gym.Env[Observation, np.ndarray]):
    """`arm` and `cameras` (by the interface's names) through `safety`, paced by the cameras.

    `reset_routine(seed)` brings the scene to a start state with the arm held. `success` is asked
    after every step and may be a person. A step waits for the first frame exposed one control
    period after the last; `info` has `late_s`, and `pace` the sums.
    """

    def __init__(
        self,
        interface: Interface,
        arm: GuardedArm,
        cameras: Mapping[str, Camera],
        safety: SafetyFilter,
        reset_routine: Callable[[int | None], None],
        success: Callable[[], bool | None],
        max_episode_steps: int,
    ) -> None:
        missing = [c.name for c in interface.cameras if c.name not in cameras]
        if missing:
            raise HardwareError(
                f"the policy needs the cameras {', '.join(missing)}; this robot has "
                f"{', '.join(cameras) or 'none'}."
            )
        self._proprio = ProprioReader(interface.proprio)
        self.interface = interface
        self.observation_space = observation_space(interface)
        self.action_space = action_space(interface)
        self.pace = PaceStats()
        self.safety = safety
        self._arm = arm
        self._readers = {field: CameraReader(cameras[field.name]) for field in interface.cameras}
        arm.start()
        self._features = arm.arm.features
        self._map = ActionMap(interface, self._features.axes)
        self._period_s = 1.0 / interface.control_rate_hz
        self._reset_routine, self._success = reset_routine, success
        self._max_episode_steps = max_episode_steps
        self._steps = 0
        self._stamp_s = 0.0
        for reader in self._readers.values():
            reader.start()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Hold, bring the scene back, look. A latched stop stays latched: see `safety.latch`."""
        super().reset(seed=seed, options=options)
        self._arm.command(None, self._period_s)
        self._reset_routine(seed)
        self._arm.enable()
        self._steps = 0
        self._proprio.begin_episode()
        return self._observe(time.time()), {"success": False}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        position, verdict = self._apply(action)
        due_s = self._stamp_s + self._period_s
        obs = self._observe(due_s - 0.25 * self._period_s)
        late_s = self._keep_pace(due_s)
        self._steps += 1
        success = self._success()
        truncated = self._steps >= self._max_episode_steps
        info = {
            "success": success,
            "applied_action": self._map.action(verdict.applied, position),
            "source": "policy",
            "safety": [str(reason) for reason in verdict.reasons],
            "late_s": late_s,
            "stamp_s": self._stamp_s,
        }
        return obs, float(bool(success)), bool(success), truncated, info

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._arm.close()

    def _apply(self, action: np.ndarray) -> tuple[Vector, Verdict]:
        """Where the axes were, and what was made of `action` there."""
        reading = self._features.reading(self._arm.arm.state())
        wish = self._map.command(action, reading.position)
        command = Command(values=wish, source="policy", stamp_s=time.time())
        verdict = self.safety.apply(command, reading, Now.read())
        told = None if verdict.hold else verdict.applied
        self._arm.command(told, self.safety.limits.duration_s)
        return reading.position, verdict

    def _observe(self, after_s: float) -> Observation:
        frames = {field: r.after(after_s, _FRAME_TIMEOUT_S) for field, r in self._readers.items()}
        self._stamp_s = max(frame.stamp_s for frame in frames.values())
        obs: Observation = {field.key: fit(f.image, field) for field, f in frames.items()}
        if self.interface.proprio:
            obs[PROPRIO] = self._proprio.read(self._arm.arm.state())
        return obs

    def _keep_pace(self, due_s: float) -> float:
        late_s = self._stamp_s - due_s
        pace = self.pace
        pace.steps += 1
        pace.drift_s += late_s
        pace.misses += late_s > 0.5 * self._period_s
        pace.max_late_s = max(pace.max_late_s, late_s)
        return late_s
