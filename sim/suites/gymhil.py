"""gym-hil's Panda as a `Simulation`: `gymhil/PandaPickCube`, LeRobot's own task for HIL-SERL."""

import mujoco
import numpy as np

from robot_rl.types import ActionField, ProprioField, Scene
from sim.env import Outcome
from sim.packages import GYM_HIL as PACKAGE

REWARDS = ("dense", "sparse")
HAS_STATE = False
_NAME = "PandaPickCube"
_HORIZON = 100
_STEP_M = 0.025  # of gym-hil's own wrapper
_BLOCK_LOW, _BLOCK_HIGH = (0.3, -0.15), (0.5, 0.15)


class GymHilSimulation:
    """Operational-space control along x, y, z and a gripper at 10 Hz; the block starts at random.

    Both rewards are gym-hil's. An episode ends on success, and where the block leaves its area.
    """

    hidden_geom_groups = ()

    def __init__(self, reward: str) -> None:
        self._env = PACKAGE.load("gym_hil.envs").PandaPickCubeGymEnv(reward_type=reward)
        self._env._viewer.close()  # its own renderer, which would draw at each step
        self._env._viewer = None
        self.name = f"gymhil/{_NAME}"
        self.control_rate_hz = 1.0 / self._env.control_dt
        self.max_episode_steps = _HORIZON
        tool = (
            ActionField(name=f"tcp_{axis}", unit="m", kind="displacement", scale=_STEP_M, hold=0.0)
            for axis in "xyz"
        )
        closing = ActionField(
            name="gripper_closing", unit="1", kind="displacement", scale=1.0, hold=0.0
        )
        self.action_fields = (*tool, closing)
        self.proprio_fields = (
            ProprioField(name="joint_pos", unit="rad", size=7),
            ProprioField(name="joint_vel", unit="rad/s", size=7),
            ProprioField(name="gripper_command", unit="1", size=1),
            ProprioField(name="tcp_pos", unit="m", size=3),
        )

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.model

    @property
    def data(self) -> mujoco.MjData:
        return self._env.data

    def reset(self, rng: np.random.Generator) -> None:
        self._env.reset()
        # gym-hil draws from numpy's global generator.
        self.data.joint("block").qpos[:2] = rng.uniform(_BLOCK_LOW, _BLOCK_HIGH)
        self.data.ctrl[self._env._gripper_ctrl_id] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: np.ndarray) -> Outcome:
        command = np.concatenate((_STEP_M * action[:3], np.zeros(3), action[3:]))
        _, reward, terminated, _, info = self._env.step(command)
        return Outcome(float(reward), terminated, bool(info["succeed"]))

    def proprio(self) -> np.ndarray:
        state = self._env.get_robot_state().astype(np.float32)
        state[14] /= 255.0
        return state

    def scene(self) -> Scene:
        """gym-hil has no scripted experts."""
        return Scene()

    def close(self) -> None:
        self._env.close()


def make(name: str, reward: str) -> GymHilSimulation:
    return GymHilSimulation(reward)


def tasks() -> list[tuple[str, str]]:
    """Empty where gym-hil is not installed."""
    known = [(_NAME, "gym-hil: grasp a block and lift it 10 cm, Panda arm")]
    return known if PACKAGE.installed else []


def film_camera(name: str) -> str:
    return "front"
