"""The Adroit hand of gymnasium-robotics as `Simulation`s: door, hammer, pen, relocate."""

import mujoco
import numpy as np

from robot_rl.types import ActionField, ProprioField, Scene
from sim.env import Outcome
from sim.packages import ADROIT as PACKAGE

REWARDS = ("dense", "sparse")
HAS_STATE = False
_TASKS = {
    "door": ("AdroitHandDoorEnv", "undo the latch and swing the door open"),
    "hammer": ("AdroitHandHammerEnv", "pick up a hammer and drive a nail into a board"),
    "pen": ("AdroitHandPenEnv", "turn a pen in the hand to a given orientation"),
    "relocate": ("AdroitHandRelocateEnv", "carry a ball to a place in the air"),
}
_HORIZON = 200
_MODULE = "gymnasium_robotics.envs.adroit_hand"


class AdroitSimulation:
    """A hand of 24 joints, on an arm where the task needs one, at 100 Hz; 200 steps.

    `dense` is the package's own reward, `sparse` 1 in every step of success. Proprio is every
    joint that has an actuator; the objects are only in the pictures.
    """

    hidden_geom_groups = ()

    def __init__(self, name: str, reward: str) -> None:
        self._env = getattr(PACKAGE.load(_MODULE), _TASKS[name][0])(reward_type="dense")
        self.name = f"adroit/{name}"
        self.control_rate_hz = 1.0 / self._env.dt
        self.max_episode_steps = _HORIZON
        joints = self.model.actuator_trnid[:, 0]
        self._qpos = self.model.jnt_qposadr[joints]
        low, high = self.model.actuator_ctrlrange.T
        self.action_fields = tuple(
            ActionField(
                name=self.model.joint(joint).name,
                unit="rad",
                kind="position",
                scale=float(half),
                offset=float(middle),
                hold=0.0,
            )
            for joint, half, middle in zip(joints, (high - low) / 2, (high + low) / 2, strict=True)
        )
        self.proprio_fields = (ProprioField(name="hand_qpos", unit="rad", size=len(joints)),)
        self._sparse = reward == "sparse"

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.model

    @property
    def data(self) -> mujoco.MjData:
        return self._env.data

    def reset(self, rng: np.random.Generator) -> None:
        self._env.reset(seed=int(rng.integers(2**31)))

    def step(self, action: np.ndarray) -> Outcome:
        _, reward, _, _, info = self._env.step(action)
        success = bool(np.all(info["success"]))
        return Outcome(float(success) if self._sparse else float(np.sum(reward)), False, success)

    def proprio(self) -> np.ndarray:
        return self.data.qpos[self._qpos].astype(np.float32)

    def scene(self) -> Scene:
        """The package has no scripted experts."""
        return Scene()

    def close(self) -> None:
        self._env.close()


def make(name: str, reward: str) -> AdroitSimulation:
    return AdroitSimulation(name, reward)


def tasks() -> list[tuple[str, str]]:
    """Empty where gymnasium-robotics is not installed."""
    known = _TASKS if PACKAGE.installed else {}
    return [(name, f"Adroit hand: {summary}") for name, (_, summary) in known.items()]


def film_camera(name: str) -> str:
    return "vil_camera"
