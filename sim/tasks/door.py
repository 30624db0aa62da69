"""arm/door: turn the handle of a cabinet down, hook it and pull the door open."""

import math

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks.base import ArmTask, closeness, drawn, toward, yaw_quat

# In the cabinet's frame x leads into it and y along its front; the hinge is at +y.
_HALF_WIDE_M, _HIGH_M = 0.1, 0.12
_PIVOT_M = np.array([0.0, -0.05, 0.09])  # of the handle
_OUT_M, _LEVER_M, _BOLT_M, _POST_M = 0.075, 0.06, 0.065, 0.012
# Where a finger goes behind the lever that is turned down.
_HOOK_M = _PIVOT_M + np.array([-0.04, 0.027, -0.032])
# Where the handle is once the door is open, and how far from the front that is.
_LOW, _HIGH = np.array([0.23, -0.06]), np.array([0.29, 0.06])
_PULLED_M = 0.15
_MAX_YAW_RAD = 0.15
_START_LOW, _START_HIGH = np.array([0.25, -0.10, 0.18]), np.array([0.30, 0.10, 0.25])
_TURNED_RAD = 0.85  # the bolt is free from 0.7 on
_CLEAR_M = 0.145  # above the handle
_OVER_M = 0.012
_LEAD_RAD = 0.25
_BOX, _CAPSULE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE
_WOOD, _PANEL, _METAL = (0.62, 0.55, 0.45, 1), (0.9, 0.87, 0.78, 1), (0.85, 0.2, 0.12, 1)


class Door(ArmTask):
    """A bolt that turns with the handle keeps the door shut: no pulling opens it before.

    Success is the angle of the door alone.
    """

    name = "door"
    summary = "turn the handle of a cabinet down, then pull its door open by 35 degrees"
    cameras = ("front", "wrist")
    episode_s = 10.0
    open_rad = 0.6
    state_fields = (
        ProprioField(name="tcp_to_lever", unit="m", size=3),
        ProprioField(name="tcp_to_hook", unit="m", size=3),
        ProprioField(name="handle_angle", unit="rad", size=1),
        ProprioField(name="door_angle", unit="rad", size=1),
    )

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        cabinet = spec.worldbody.add_body(name="cabinet", mocap=True)
        for side in (-1, 1):  # the bolt reaches behind the post at the free edge
            middle = [0, side * (_HALF_WIDE_M + _POST_M + 0.002), _HIGH_M / 2]
            cabinet.add_geom(type=_BOX, size=[0.008, _POST_M, _HIGH_M / 2], pos=middle, rgba=_WOOD)
        door = cabinet.add_body(name="door", pos=[0, _HALF_WIDE_M, 0])
        door.add_joint(name="door", range=[-1.4, 0.0], damping=0.1, frictionloss=0.05)
        door.add_geom(
            type=_BOX,
            # Not quite to its hinge, so that its edge turns clear of the post.
            size=[0.006, _HALF_WIDE_M - 0.004, _HIGH_M / 2 - 0.004],
            pos=[0, -_HALF_WIDE_M - 0.004, _HIGH_M / 2 + 0.004],
            mass=0.3,
            rgba=_PANEL,
        )
        hinge = np.array([0, _HALF_WIDE_M, 0])
        door.add_site(name="hook", pos=_HOOK_M - hinge, rgba=[0, 0, 0, 0])
        self._add_handle(door.add_body(name="handle", pos=_PIVOT_M - hinge, gravcomp=1.0))

    def _add_handle(self, handle: mujoco.MjsBody) -> None:
        # It stays where it is turned to, as a cabinet's lock does.
        handle.add_joint(
            name="handle",
            axis=[-1, 0, 0],
            range=[0.0, 1.0],
            damping=0.02,
            frictionloss=0.05,
            armature=0.002,
        )
        for kind, size, pos, quat in (
            (_CAPSULE, [0.006, 0.045, 0], [-0.03, 0, 0], [1, 0, 1, 0]),
            (_BOX, [0.005, _LEVER_M / 2, 0.008], [-_OUT_M, _LEVER_M / 2 - 0.008, 0], [1, 0, 0, 0]),
            (_BOX, [0.004, _BOLT_M / 2, 0.006], [0.02, -_BOLT_M / 2, 0], [1, 0, 0, 0]),
        ):
            handle.add_geom(type=kind, size=size, pos=pos, quat=quat, rgba=_METAL, mass=0.02)
        handle.add_site(name="lever", pos=[-_OUT_M, 0.75 * _LEVER_M, 0], rgba=[0, 0, 0, 0])

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        arm.reset(drawn(arm, rng, _START_LOW, _START_HIGH), gripper_opening=0.0)
        x, y = drawn(arm, rng, _LOW, _HIGH)
        yaw_rad = rng.uniform(-_MAX_YAW_RAD, _MAX_YAW_RAD)
        arm.data.mocap_pos[0] = (x + _PULLED_M, y, 0.0)
        arm.data.mocap_quat[0] = yaw_quat(yaw_rad)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        lever, hook = (arm.data.site(name).xpos - arm.tcp_pos for name in ("lever", "hook"))
        return np.concatenate((lever, hook, [self.turned(arm), self.opened(arm)]))

    def turned(self, arm: Arm) -> float:
        """The handle, rad from level."""
        return float(arm.data.joint("handle").qpos[0])

    def opened(self, arm: Arm) -> float:
        """The door, rad."""
        return -float(arm.data.joint("door").qpos[0])

    def at_goal(self, arm: Arm) -> bool:
        return self.opened(arm) > self.open_rad

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        turned = min(self.turned(arm) / _TURNED_RAD, 1.0)
        free = turned == 1.0 or self.opened(arm) > 0.05
        aim = arm.data.site("hook" if free else "lever").xpos
        near = closeness(float(np.linalg.norm(aim - arm.grip_pos)), 0.2)
        if not free:
            return 0.15 * near + 0.2 * turned
        return 0.35 + 0.2 * near + 0.4 * min(self.opened(arm) / self.open_rad, 1.0)

    def expert_action(self, arm: Arm) -> np.ndarray:
        if self.opened(arm) > self.open_rad + 0.05:
            return np.zeros(3, np.float32)
        if self.turned(arm) < _TURNED_RAD and self.opened(arm) < 0.02:
            lever = arm.data.site("lever").xpos
            return self._press(arm, lever, lever[2] - 0.04, 0.02)
        if self._hooked(arm):
            return toward(arm, self._hook_at(arm, self.opened(arm) + _LEAD_RAD))
        return self._press(arm, self._hook_at(arm, self.opened(arm)), _HOOK_M[2], 0.0)

    def _press(self, arm: Arm, over: np.ndarray, down_to_m: float, loose_m: float) -> np.ndarray:
        """Above `over`, then down. Under way a finger may slip by `loose_m`."""
        grip = arm.grip_pos
        across_m = np.linalg.norm(grip[:2] - over[:2])
        if across_m < _OVER_M + loose_m * (grip[2] < _PIVOT_M[2] + 0.03):
            return toward(arm, np.array([*over[:2], down_to_m]))
        travel = over if grip[2] > _CLEAR_M - 0.02 else grip  # rise before travelling
        return toward(arm, np.array([*travel[:2], _CLEAR_M]))

    def _hook_at(self, arm: Arm, opened_rad: float) -> np.ndarray:
        """[3] m: where the hook is when the door is so far open."""
        hinge = arm.data.body("door").xpos
        arm_m, turn = arm.data.site("hook").xpos - hinge, self.opened(arm) - opened_rad
        sine, cosine = math.sin(turn), math.cos(turn)
        return hinge + np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ arm_m

    def _hooked(self, arm: Arm) -> bool:
        """Whether the finger is down behind the lever."""
        axes = arm.data.body("door").xmat.reshape(3, 3)
        away = np.abs(axes.T @ (arm.grip_pos - arm.data.site("hook").xpos))
        return bool((away < (0.025, 0.025, 0.015)).all())
