"""arm/reach: bring the tool to a ball on a post of random place and height."""

import math

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks.base import ArmTask, closeness, drawn, toward

_LOW, _HIGH = np.array([0.26, -0.18, 0.04]), np.array([0.48, 0.18, 0.16])
_START_LOW, _START_HIGH = np.array([0.30, -0.12, 0.16]), np.array([0.44, 0.12, 0.26])
_MIN_START_DISTANCE_M = 0.06


class Reach(ArmTask):
    """The post makes height visible to one camera."""

    name = "reach"
    summary = "bring the tool within 3 cm of a ball on a post of random place and height"
    episode_s = 4.0
    physics_dt_s = 0.01
    tolerance_m = 0.03
    state_fields = (ProprioField(name="tcp_to_goal", unit="m", size=3),)

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        # Nothing here can touch: without constraints, which a linkage needs, a step costs half.
        off = mujoco.mjtDisableBit
        spec.option.disableflags |= off.mjDSBL_CONTACT if kind.linkage else off.mjDSBL_CONSTRAINT
        red, grey = (0.9, 0.12, 0.1, 1), (0.25, 0.27, 0.3, 1)
        target = spec.worldbody.add_body(name="target", mocap=True)
        passive = {"contype": 0, "conaffinity": 0}
        target.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.018, 0, 0], rgba=red, **passive)
        target.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[0.006, 0.1, 0],
            pos=[0, 0, -0.1],
            rgba=grey,
            **passive,
        )

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        start = drawn(arm, rng, _START_LOW, _START_HIGH)
        goal = drawn(arm, rng, _LOW, _HIGH)
        while np.linalg.norm(goal - start) < _MIN_START_DISTANCE_M:
            goal = drawn(arm, rng, _LOW, _HIGH)
        arm.reset(start, gripper_opening=0.0)
        arm.data.mocap_pos[0] = goal
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        return arm.data.mocap_pos[0] - arm.tcp_pos

    def distance(self, arm: Arm) -> float:
        gap = arm.data.mocap_pos[0] - arm.grip_pos
        return math.sqrt(gap @ gap)

    def at_goal(self, arm: Arm) -> bool:
        return self.distance(arm) < self.tolerance_m

    def dense_reward(self, arm: Arm) -> float:
        return 0.5 * closeness(self.distance(arm), 0.4) + 0.5 * self.at_goal(arm)

    def expert_action(self, arm: Arm) -> np.ndarray:
        return toward(arm, arm.data.mocap_pos[0])
