"""A robot as the same Gymnasium environment as a simulated task."""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from hardware.camera import Camera
from hardware.camera_reader import CameraReader
from hardware.guarded_arm import ArmMode, GuardedArm
from hardware.proprio import ProprioReader
from robot_rl.axes import Vector
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.verdicts import LATCHING, Command, Now, Reason, Verdict
from robot_rl.envs.frames import cut, fit
from robot_rl.envs.spaces import action_space, observation_space
from robot_rl.errors import HardwareError
from robot_rl.types import PROPRIO, Interface, Observation, Scene

_FRAME_TIMEOUT_S = 1.0
_FILM_SIZE = 256
# Reasons for which a command is not carried out, rather than limited.
_HOLDING = LATCHING | {Reason.STALE_COMMAND, Reason.NOT_ACTIVATED}


@dataclass
class PaceStats:
    """How well the control rate was kept. A miss is a step half a period late or more."""

    steps: int = 0
    misses: int = 0
    drift_s: float = 0.0
    max_late_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Applied:
    """What was made of an action: the action that was really applied, by whom, and why."""

    action: np.ndarray
    source: str
    safety: tuple[Reason, ...]
    at_s: float


class RobotEnv(gym.Env[Observation, np.ndarray]):
    """`arm` and `cameras` (by the interface's names) through `safety`, paced by the cameras.

    `reset_routine(seed)` brings the scene to a start state. `success` is asked after every step,
    `scene` by whoever watches. A step waits for the first frame exposed one control period after
    the last. Set `source` to who chooses the next action where it is not the policy; `info` has
    `applied_action` and `source` of what was really done: a hold, by nobody, where safety or the
    arm's guard refused. A stop ends the episode as truncated, with the reason in `info["fault"]`;
    the next reset raises until `recover`.
    """

    def __init__(
        self,
        interface: Interface,
        arm: GuardedArm,
        cameras: Mapping[str, Camera],
        safety: SafetyFilter,
        reset_routine: Callable[[int], None],
        success: Callable[[], bool | None],
        max_episode_steps: int,
        scene: Callable[[], Scene] = Scene,
    ) -> None:
        require_cameras(interface, cameras)
        self._proprio = ProprioReader(interface.proprio)
        self.interface = interface
        self.observation_space = observation_space(interface)
        self.action_space = action_space(interface)
        rate_hz = interface.control_rate_hz
        self.render_mode = "rgb_array"
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": max(1, round(rate_hz))}
        # No two episodes of a real clock are alike.
        self.spec = EnvSpec("robot", nondeterministic=True)
        self.pace = PaceStats()
        self.safety = safety
        self.source = "policy"
        self._arm = arm
        self._readers = {field: CameraReader(cameras[field.name]) for field in interface.cameras}
        arm.start()
        self._features = arm.arm.features
        self._map = ActionMap(interface, self._features.axes)
        self._period_s = 1.0 / rate_hz
        self._reset_routine, self._success, self._scene = reset_routine, success, scene
        self.max_episode_steps = max_episode_steps
        self._steps = 0
        self._stamp_s = 0.0
        self._film: list[np.ndarray] = []
        for reader in self._readers.values():
            reader.start()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Hold, bring the scene back, look. Raises `HardwareError` while the robot is stopped."""
        super().reset(seed=seed, options=options)
        self._require_sound()
        self._arm.command(None, self._period_s)
        self._arm.enable()
        self._reset_routine(int(self.np_random.integers(2**31)) if seed is None else seed)
        self._steps, self.source = 0, "policy"
        self._proprio.begin_episode()
        return self._observe(time.time()), {"success": False}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        source, self.source = self.source, "policy"
        applied = self._apply(action, source)
        due_s = self._stamp_s + self._period_s
        # After a pause the frame at hand may show what was there before the command.
        earliest_s = max(due_s - 0.25 * self._period_s, applied.at_s + 0.5 * self._period_s)
        obs = self._observe(earliest_s)
        late_s = self._keep_pace(due_s)
        self._steps += 1
        success, fault = self._success(), self._fault(source)
        terminated = bool(success)
        over = bool(fault) or self._steps >= self.max_episode_steps
        info = {
            "success": success,
            "applied_action": applied.action,
            "source": applied.source,
            "safety": [str(reason) for reason in applied.safety],
            "fault": fault,
            "late_s": late_s,
            "stamp_s": self._stamp_s,
        }
        return obs, float(terminated), terminated, over and not terminated, info

    def hold(self) -> np.ndarray:
        """Stand still; the float32 action [A] that says so."""
        self._arm.command(None, self._period_s)
        return self._map.hold(self._features.reading(self._arm.arm.state()).position)

    def recover(self) -> None:
        """The explicit word after a stop. Raises `HardwareError` while its cause lasts."""
        self._arm.recover()  # first: an arm in a fault tells nothing
        reading = self._features.reading(self._arm.arm.state())
        lasting = self.safety.lasting(reading, time.time())
        if lasting:
            raise HardwareError(f"the robot stays stopped: {', '.join(map(str, lasting))}.")
        self.safety.latch.reset()

    def scene(self) -> Scene:
        """What someone who stands beside the robot sees, as far as its driver can tell."""
        return self._scene()

    def render(self) -> np.ndarray:  # type: ignore[override]
        """uint8 [256, 256 * cameras, 3]: the newest frames side by side."""
        return np.hstack([cut(frame, (), _FILM_SIZE, _FILM_SIZE) for frame in self._film])

    def close(self) -> None:
        with contextlib.ExitStack() as closing:  # the arm first, each whatever becomes of others
            for reader in self._readers.values():
                closing.callback(reader.close)
            closing.callback(self._arm.close)

    def _require_sound(self) -> None:
        fault = self._fault("policy")
        if fault and self._arm.mode != ArmMode.DISABLED:
            raise HardwareError(
                f"the robot is stopped: {fault}. Remove the cause, then start the same command "
                "again (in a program: `recover`); what was recorded is kept."
            )

    def _fault(self, source: str) -> str:
        """Why `source` cannot move the robot any more; empty where it can."""
        if self._arm.mode in (ArmMode.FAULT, ArmMode.DISABLED):
            return f"the arm is in the mode {self._arm.mode}: {self._arm.reason}"
        latch = self.safety.latch
        return f"safety: {', '.join(map(str, latch.reasons))}" if latch.holds(source) else ""

    def _apply(self, action: np.ndarray, source: str) -> _Applied:
        reading = self._features.reading(self._arm.arm.state())
        wish = self._map.command(action, reading.position)
        now = Now.read()
        command = Command(values=wish, source=source, stamp_s=now.system_s)
        verdict = self.safety.apply(command, reading, now)
        taken = self._command(None if verdict.hold else verdict.applied)
        moved = taken and not _held(verdict)
        done = self._map.action(verdict.applied, reading.position)
        return _Applied(
            action=done if moved else self._map.hold(reading.position),
            source=source if moved else "nobody",
            safety=verdict.reasons,
            at_s=now.system_s,
        )

    def _command(self, command: Vector | None) -> bool:
        """False where the guarded arm refused it, or the driver failed at it."""
        try:
            return self._arm.command(command, self.safety.limits.duration_s)
        except HardwareError as error:
            self._arm.fault(str(error))
            return False

    def _observe(self, after_s: float) -> Observation:
        try:
            frames = {x: r.after(after_s, _FRAME_TIMEOUT_S) for x, r in self._readers.items()}
        except HardwareError as error:
            self._arm.fault(str(error))
            raise
        self._stamp_s = max(frame.stamp_s for frame in frames.values())
        obs: Observation = {field.key: fit(f.image, field) for field, f in frames.items()}
        self._film = list(obs.values())
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


def require_cameras(interface: Interface, names: Collection[str]) -> None:
    """Raise `HardwareError` that names the cameras of `interface` that a robot lacks."""
    missing = [camera.name for camera in interface.cameras if camera.name not in names]
    if missing:
        raise HardwareError(
            f"the policy needs the cameras {', '.join(missing)}; this robot has "
            f"{', '.join(names) or 'none'}."
        )


def _held(verdict: Verdict) -> bool:
    """Whether safety refused the command; to limit one to nothing is another matter."""
    return verdict.hold and not _HOLDING.isdisjoint(verdict.reasons)
