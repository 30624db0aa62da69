"""arm/stack: put one cube on another and let go."""

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import GRIPPER_MAX_M, Arm
from sim.tasks.base import ArmTask, add_cube, closeness, held, place_cube, toward

_HALF_M = 0.02
_LOW, _HIGH = np.array([0.30, -0.12]), np.array([0.44, 0.12])
_APART_M = 0.085  # an open gripper has room between the cubes
_MAX_YAW_RAD = 0.2
_START_LOW, _START_HIGH = np.array([0.32, -0.08, 0.14]), np.array([0.42, 0.08, 0.20])
_ON_TOP_M = np.array([0.0, 0.0, 2 * _HALF_M])
_HOVER_M = 0.06
_CARRY_M = 0.13  # of the tcp: the carried cube clears the other by 5 cm
_BESIDE_M = 0.015
_LEVEL_M = 0.006
_AWAY_M = 0.05


class Stack(ArmTask):
    """Success: the red cube lies on the blue one, and no finger touches it."""

    name = "stack"
    summary = "put the red cube on the blue one and let go"
    gripper = True
    cameras = ("front", "wrist")
    episode_s = 10.0
    state_fields = (
        ProprioField(name="tcp_to_red", unit="m", size=3),
        ProprioField(name="red_to_place", unit="m", size=3),
    )

    def build(self, spec: mujoco.MjSpec) -> None:
        add_cube(spec, _HALF_M, (0.88, 0.16, 0.12, 1), "red")
        add_cube(spec, _HALF_M, (0.15, 0.35, 0.85, 1), "blue")

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        red, blue = rng.uniform(_LOW, _HIGH), rng.uniform(_LOW, _HIGH)
        while np.linalg.norm(red - blue) < _APART_M:
            blue = rng.uniform(_LOW, _HIGH)
        arm.reset(rng.uniform(_START_LOW, _START_HIGH), gripper_opening=GRIPPER_MAX_M)
        for name, xy in (("red", red), ("blue", blue)):
            place_cube(arm, xy, rng.uniform(-_MAX_YAW_RAD, _MAX_YAW_RAD), _HALF_M, name)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        return np.concatenate((self.red(arm) - arm.tcp_pos, self.red_to_place(arm)))

    def red(self, arm: Arm) -> np.ndarray:
        """[3] m: the middle of the cube that is carried."""
        return arm.data.body("red").xpos

    def red_to_place(self, arm: Arm) -> np.ndarray:
        """[3] m, to where it lies on the blue one."""
        return arm.data.body("blue").xpos + _ON_TOP_M - self.red(arm)

    def placed(self, arm: Arm) -> bool:
        """Whether the red cube is where it belongs, held or not."""
        gap = self.red_to_place(arm)
        return bool(np.linalg.norm(gap[:2]) < _BESIDE_M and abs(gap[2]) < _LEVEL_M)

    def at_goal(self, arm: Arm) -> bool:
        return self.placed(arm) and not held(arm, "red", fingers=1)

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        if self.placed(arm):
            return 0.8 + 0.1 * arm.gripper_opening / GRIPPER_MAX_M
        gap, grasp = self.red_to_place(arm), held(arm, "red")
        reach = closeness(float(np.linalg.norm(self.red(arm) - arm.tcp_pos)), 0.3)
        # Up first, then across: a cube that is dragged along the table topples the other.
        height_m = self.red(arm)[2] - _HALF_M
        lifted = min(max(height_m / (2 * _HALF_M + 0.01), 0.0), 1.0)
        carried = closeness(float(np.linalg.norm(gap)), 0.25) * (lifted > 0.9)
        return 0.2 * reach + grasp * (0.1 + 0.15 * lifted + 0.3 * carried)

    def expert_action(self, arm: Arm) -> np.ndarray:
        tcp, red = arm.tcp_pos, self.red(arm)
        if self.placed(arm):
            up = np.array([*tcp[:2], red[2] + _AWAY_M])
            opened = arm.gripper_opening > 0.9 * GRIPPER_MAX_M
            return toward(arm, up if opened else tcp, -1.0)
        if held(arm, "red") and arm.gripper_opening < 0.03:
            return toward(arm, self._carry(arm), 1.0)
        across_m = np.linalg.norm(tcp[:2] - red[:2])
        if across_m < 0.012 and tcp[2] < red[2] + 0.008:
            return toward(arm, red, 1.0)
        if across_m < 0.012 or (across_m < 0.02 and tcp[2] < red[2] + _HOVER_M - 0.02):
            return toward(arm, red, -1.0)
        return toward(arm, np.array([*red[:2], max(red[2] + _HOVER_M, tcp[2])]), -1.0)

    def _carry(self, arm: Arm) -> np.ndarray:
        """Up, across, down: where the tcp goes next with the cube in hand."""
        tcp, gap = arm.tcp_pos, self.red_to_place(arm)
        over = tcp[:2] + gap[:2]
        if np.linalg.norm(gap[:2]) < 0.006:
            return np.array([*over, tcp[2] + gap[2]])
        high = tcp[2] > _CARRY_M - 0.015
        return np.array([*(over if high else tcp[:2]), _CARRY_M])
