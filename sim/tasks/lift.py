"""arm/lift: grasp a cube and lift it 8 cm above the table."""

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks import cubes
from sim.tasks.base import ArmTask, closeness, drawn, toward

_START_LOW, _START_HIGH = np.array([0.32, -0.08, 0.10]), np.array([0.42, 0.08, 0.18])


class Lift(ArmTask):
    """Success is the height of the cube alone."""

    Options = cubes.CubeOptions
    name = "lift"
    summary = "grasp a cube and lift it 8 cm above the table"
    gripper = True
    cameras = ("front", "wrist")
    episode_s = 6.0
    height_m = 0.08
    state_fields = (ProprioField(name="tcp_to_cube", unit="m", size=3),)

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        cubes.add(spec, cubes.RED)
        if self.options.present:
            cubes.add(spec, cubes.BLUE, cubes.DECOY)

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        arm.reset(drawn(arm, rng, _START_LOW, _START_HIGH), arm.kind.gripper_max_m)
        yaw = cubes.draw_yaw_rad(rng)
        cube = cubes.draw_xy(arm, rng)
        if self.options.present:
            decoy = cubes.draw_xy(arm, rng)
            while np.linalg.norm(decoy - cube) < cubes.APART_M:
                decoy = cubes.draw_xy(arm, rng)
            cube, decoy = self.options.order(cube, decoy)
            cubes.place(arm, decoy, yaw, cubes.DECOY)
        cubes.place(arm, cube, yaw)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        return arm.data.body("cube").xpos - arm.tcp_pos

    def height(self, arm: Arm) -> float:
        """Of the cube's lower side above the table, m."""
        return float(arm.data.body("cube").xpos[2]) - cubes.HALF_M

    def at_goal(self, arm: Arm) -> bool:
        return self.height(arm) > self.height_m

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        distance = float(np.linalg.norm(arm.data.body("cube").xpos - arm.grip_pos))
        lifted = min(max(self.height(arm) / self.height_m, 0.0), 1.0)
        grasp = cubes.held(arm, "cube")
        return 0.25 * closeness(distance, 0.3) + 0.2 * grasp + 0.4 * lifted * grasp

    def expert_action(self, arm: Arm) -> np.ndarray:
        if cubes.in_hand(arm, "cube"):
            return toward(arm, np.array([*arm.grip_pos[:2], 0.16]), 1.0)
        return cubes.pick_up(arm, arm.data.body("cube").xpos)
