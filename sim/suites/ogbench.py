"""OGBench's visual manipulation tasks as `Simulation`s: `ogbench/visual-cube-single-...`."""

import gymnasium as gym
import mujoco
import numpy as np

from robot_rl.plugins import attribute
from robot_rl.types import ActionField, ProprioField, Scene
from sim.env import Outcome
from sim.packages import OGBENCH as PACKAGE
from sim.suites.ogbench_experts import Expert, Plan, next_button, next_cube, next_of_scene

REWARDS = ("dense", "sparse")
HAS_STATE = False
_GOALS = range(1, 6)
_SCENES = {
    **{f"cube-{count}": "cubes to their places" for count in ("single", "double", "triple")},
    "cube-quadruple": "cubes to their places",
    "scene": "a cube, a drawer, a window and two locks",
    **{f"puzzle-{size}": "buttons that toggle each other" for size in ("3x3", "4x4", "4x5", "4x6")},
}
_STEPS = (0.05, 0.05, 0.05, 0.3, 1.0)
_AXES = (
    ("tcp_x", "m"),
    ("tcp_y", "m"),
    ("tcp_z", "m"),
    ("tcp_rz", "rad"),
    ("gripper_closing", "1"),
)


class OgbenchSimulation:
    """A UR5e along x, y, z, about the vertical, and a gripper, at 20 Hz; one fixed goal a task.

    `dense` is OGBench's reward: for each object that is not in place -1 a step. `sparse` pays 1 on
    success. Success ends the episode.
    """

    hidden_geom_groups = ()

    def __init__(self, name: str, reward: str) -> None:
        PACKAGE.load("ogbench.manipspace")  # registers its environments
        spec = gym.spec(name)
        assert isinstance(spec.entry_point, str)
        self._env = attribute(spec.entry_point)(**spec.kwargs)
        # Built for pictures, with the colours of that, and then run without its own renderer.
        self._env._mjcf_model = self._env.build_mjcf_model()
        self._env._ob_type = "states"
        self.name = f"ogbench/{name}"
        self.control_rate_hz = 1.0 / self._env.control_timestep()
        self.max_episode_steps = spec.max_episode_steps or 1000
        self.action_fields = tuple(
            ActionField(name=axis, unit=unit, kind="displacement", scale=step, hold=0.0)
            for (axis, unit), step in zip(_AXES, _STEPS, strict=True)
        )
        self.proprio_fields = (
            ProprioField(name="joint_pos", unit="rad", size=6),
            ProprioField(name="joint_vel", unit="rad/s", size=6),
            ProprioField(name="tcp_pos", unit="m", size=3),
            ProprioField(name="tcp_yaw", unit="1", size=2),
            ProprioField(name="gripper", unit="1", size=2),
        )
        self._sparse = reward == "sparse"
        self._expert = Expert(self._env, _plan(name))
        self.reset(np.random.default_rng(0))

    @property
    def model(self) -> mujoco.MjModel:
        return self._env._model

    @property
    def data(self) -> mujoco.MjData:
        return self._env._data

    def reset(self, rng: np.random.Generator) -> None:
        self._env.reset(seed=int(rng.integers(2**31)))
        # It looked at the goal with a few unseeded actions, whose forces would warm-start ours.
        self.data.qacc_warmstart[:] = 0.0
        self.data.ctrl[:] = 0.0
        mujoco.mj_forward(self.model, self.data)
        self._expert.reset()

    def step(self, action: np.ndarray) -> Outcome:
        self._env.step(action)
        success = bool(self._env._success)
        reward = float(success) if self._sparse else float(self._env.compute_reward())
        return Outcome(reward, success, success)

    def proprio(self) -> np.ndarray:
        told = self._env.compute_ob_info()
        yaw = told["proprio/effector_yaw"]
        return np.concatenate(
            (
                told["proprio/joint_pos"],
                told["proprio/joint_vel"],
                told["proprio/effector_pos"],
                np.sin(yaw),
                np.cos(yaw),
                told["proprio/gripper_opening"],
                told["proprio/gripper_contact"],
            )
        ).astype(np.float32)

    def scene(self) -> Scene:
        return Scene(expert_action=self._expert.action().astype(np.float32))

    def close(self) -> None:
        self._env.close()


def _plan(name: str) -> Plan:
    if "puzzle" in name:
        return next_button
    return next_cube if "cube" in name else next_of_scene


def make(name: str, reward: str) -> OgbenchSimulation:
    return OgbenchSimulation(name, reward)


def tasks() -> list[tuple[str, str]]:
    """Empty where OGBench is not installed."""
    scenes = _SCENES if PACKAGE.installed else {}
    return [
        (f"visual-{scene}-singletask-task{goal}-v0", f"OGBench: {text}, goal {goal}")
        for scene, text in scenes.items()
        for goal in _GOALS
    ]


def film_camera(name: str) -> str:
    return "front_pixels"
