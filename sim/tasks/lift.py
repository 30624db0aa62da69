"""arm/lift: grasp a cube and lift it 8 cm above the table."""

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import GRIPPER_MAX_M, Arm
from sim.tasks.base import ArmTask, add_cube, closeness, held, place_cube, toward

_HALF_M = 0.02
_LOW, _HIGH = np.array([0.30, -0.12]), np.array([0.44, 0.12])
_MAX_YAW_RAD = 0.2
_START_LOW, _START_HIGH = np.array([0.32, -0.08, 0.10]), np.array([0.42, 0.08, 0.18])
_HOVER_M = 0.06


class Lift(ArmTask):
    """Success is the height of the cube alone."""

    name = "lift"
    summary = "grasp a cube and lift it 8 cm above the table"
    gripper = True
    cameras = ("front", "wrist")
    episode_s = 6.0
    height_m = 0.08
    state_fields = (ProprioField(name="tcp_to_cube", unit="m", size=3),)

    def build(self, spec: mujoco.MjSpec) -> None:
        add_cube(spec, _HALF_M, (0.88, 0.16, 0.12, 1))

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        arm.reset(rng.uniform(_START_LOW, _START_HIGH), gripper_opening=GRIPPER_MAX_M)
        yaw = rng.uniform(-_MAX_YAW_RAD, _MAX_YAW_RAD)
        place_cube(arm, rng.uniform(_LOW, _HIGH), yaw, _HALF_M)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        return arm.data.body("cube").xpos - arm.tcp_pos

    def height(self, arm: Arm) -> float:
        """Of the cube's lower side above the table, m."""
        return float(arm.data.body("cube").xpos[2]) - _HALF_M

    def at_goal(self, arm: Arm) -> bool:
        return self.height(arm) > self.height_m

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        distance = float(np.linalg.norm(arm.data.body("cube").xpos - arm.tcp_pos))
        lifted = min(max(self.height(arm) / self.height_m, 0.0), 1.0)
        grasp = held(arm, "cube")
        return 0.25 * closeness(distance, 0.3) + 0.2 * grasp + 0.4 * lifted * grasp

    def expert_action(self, arm: Arm) -> np.ndarray:
        cube, tcp = arm.data.body("cube").xpos, arm.tcp_pos
        if held(arm, "cube") and arm.gripper_opening < 0.03:
            return toward(arm, np.array([*tcp[:2], 0.16]), 1.0)
        across = np.linalg.norm(tcp[:2] - cube[:2])
        if across < 0.012 and tcp[2] < cube[2] + 0.008:
            return toward(arm, cube, 1.0)
        if across < 0.012 or (across < 0.02 and tcp[2] < _HOVER_M - 0.02):
            return toward(arm, cube, -1.0)
        return toward(arm, np.array([*cube[:2], max(cube[2] + _HOVER_M, 0.0)]), -1.0)
