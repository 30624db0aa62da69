"""arm/golf: putt a ball into a hole that the arm does not reach."""

import math

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks.base import ArmTask, closeness, drawn, hold_box, toward

_BALL_M = 0.017  # radius
_GREEN_M = 0.03  # thickness: the hole goes down to the table
_HOLE_HALF_M = 0.034
_GRASS_LOW, _GRASS_HIGH = np.array([-0.38, -0.34]), np.array([0.12, 0.34])  # about the hole
_HOLE_LOW, _HOLE_HIGH = np.array([0.555, -0.04]), np.array([0.58, 0.04])
_BALL_LOW, _BALL_HIGH = np.array([0.34, -0.06]), np.array([0.39, 0.06])
_START_LOW, _START_HIGH = np.array([0.24, -0.10, 0.13]), np.array([0.28, 0.10, 0.18])
_MAX_YAW_RAD = 0.6
# The putter in the hand: a blade across the tool's x, on a shaft.
_BLADE_HALF_M = np.array([0.006, 0.028, 0.012])
_BLADE_BELOW_TCP_M = 0.05
_SHAFT_HALF_M = np.array([0.006, 0.006, 0.03])
_GRIP_M = 0.006
_HIT_Z_M = _GREEN_M + 0.016 + _BLADE_BELOW_TCP_M  # of the tool
_TRAVEL_Z_M = _HIT_Z_M + 0.03
_BEHIND_M, _OVER_M, _ALIGNED_RAD = 0.05, 0.008, 0.03
_ROLLS_M_S = 0.02
_GRASS, _METAL = (0.22, 0.5, 0.25, 1), (0.75, 0.75, 0.8, 1)


class Golf(ArmTask):
    """One stroke: the ball is out of reach before it is in the hole.

    Success is a ball at the bottom of the hole.
    """

    name = "golf"
    summary = "putt a ball into a hole that the arm does not reach"
    cameras = ("front", "wrist")
    episode_s = 6.0
    turns_rad = _MAX_YAW_RAD
    state_fields = (
        ProprioField(name="tcp_to_ball", unit="m", size=3),
        ProprioField(name="ball_to_hole", unit="m", size=2),
        ProprioField(name="ball_vel", unit="m/s", size=2),
    )

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        self._add_green(spec.worldbody.add_body(name="green", mocap=True))
        ball = spec.worldbody.add_body(name="ball", pos=[0.4, 0, _GREEN_M + _BALL_M])
        ball.add_freejoint(name="ball")
        ball.add_geom(
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=[_BALL_M, 0, 0],
            rgba=(1, 1, 1, 1),
            mass=0.03,
            condim=6,
            friction=[0.6, 0.002, 0.0002],  # the last one is what slows it, 0.09 m/s^2
            priority=1,
        )
        middle = kind.middle_m(_GRIP_M)
        blade, shaft = (np.array([0.0, middle, below]) for below in (_BLADE_BELOW_TCP_M, 0.01))
        hold_box(spec, blade, _BLADE_HALF_M, rgba=_METAL, mass=0.03)
        hold_box(spec, shaft, _SHAFT_HALF_M, rgba=_METAL, mass=0.01, contype=0, conaffinity=0)

    def _add_green(self, green: mujoco.MjsBody) -> None:
        """Four boxes, which leave a square hole at the body's origin."""
        (x0, y0), (x1, y1), hole = _GRASS_LOW, _GRASS_HIGH, _HOLE_HALF_M
        for low, high in (
            ((x0, y0), (-hole, y1)),
            ((hole, y0), (x1, y1)),
            ((-hole, y0), (hole, -hole)),
            ((-hole, hole), (hole, y1)),
        ):
            half, middle = (np.array(high) - low) / 2, (np.array(high) + low) / 2
            green.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[*half, _GREEN_M / 2],
                pos=[*middle, _GREEN_M / 2],
                rgba=_GRASS,
            )
        green.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[_HOLE_HALF_M, _HOLE_HALF_M, 0.001],
            rgba=(0.05, 0.05, 0.05, 1),
            contype=0,
            conaffinity=0,
        )

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        arm.reset(drawn(arm, rng, _START_LOW, _START_HIGH), gripper_opening=_GRIP_M)
        arm.data.mocap_pos[0] = (*rng.uniform(_HOLE_LOW, _HOLE_HIGH), 0.0)
        ball = arm.data.joint("ball")
        ball.qpos[:] = (*drawn(arm, rng, _BALL_LOW, _BALL_HIGH), _GREEN_M + _BALL_M, 1, 0, 0, 0)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        to_ball = arm.data.body("ball").xpos - arm.tcp_pos
        return np.concatenate((to_ball, self.ball_to_hole(arm), self.ball_vel(arm)))

    def ball_to_hole(self, arm: Arm) -> np.ndarray:
        """[2] m."""
        return (arm.data.mocap_pos[0] - arm.data.body("ball").xpos)[:2]

    def ball_vel(self, arm: Arm) -> np.ndarray:
        """[2] m/s."""
        return arm.data.joint("ball").qvel[:2]

    def at_goal(self, arm: Arm) -> bool:
        inside = bool((np.abs(self.ball_to_hole(arm)) < _HOLE_HALF_M).all())
        return inside and arm.data.body("ball").xpos[2] < _GREEN_M

    def _stroke(self, arm: Arm) -> tuple[np.ndarray, float]:
        """The way of the ball to the hole, a unit vector [2], and the yaw of a blade across it."""
        way = self.ball_to_hole(arm)
        way = way / (np.linalg.norm(way) + 1e-6)
        yaw_rad = math.atan2(way[1], way[0])
        return way, min(max(yaw_rad, -_MAX_YAW_RAD), _MAX_YAW_RAD)

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        way, yaw_rad = self._stroke(arm)
        ball = arm.data.body("ball").xpos
        behind = np.array([*(ball[:2] - _BEHIND_M * way), _HIT_Z_M])
        ready = closeness(float(np.linalg.norm(behind - arm.grip_pos)), 0.25)
        turned = closeness(abs(arm.yaw - yaw_rad), _MAX_YAW_RAD)
        near = closeness(float(np.linalg.norm(self.ball_to_hole(arm))), 0.3)
        # A ball under way needs nobody behind it.
        rolling = float(np.linalg.norm(self.ball_vel(arm))) > _ROLLS_M_S
        return (0.3 if rolling else 0.2 * ready + 0.1 * ready * turned) + 0.5 * near

    def expert_action(self, arm: Arm) -> np.ndarray:
        if self.at_goal(arm) or np.linalg.norm(self.ball_vel(arm)) > _ROLLS_M_S:
            return np.zeros(4, np.float32)
        way, yaw_rad = self._stroke(arm)
        turn = float(np.clip((yaw_rad - arm.yaw) / arm.config.max_delta_rad, -1.0, 1.0))
        grip = arm.grip_pos
        offset = grip[:2] - arm.data.body("ball").xpos[:2]
        along = float(offset @ way)
        aside = float(np.linalg.norm(offset - along * way))
        straight = aside < _OVER_M and abs(arm.yaw - yaw_rad) < _ALIGNED_RAD
        if straight and along < 0.0 and grip[2] < _HIT_Z_M + 0.008:
            ahead = grip[:2] - (offset - along * way) + 0.05 * way
            return toward(arm, np.array([*ahead, _HIT_Z_M]), turn)
        behind = arm.data.body("ball").xpos[:2] - _BEHIND_M * way
        there = np.linalg.norm(grip[:2] - behind) < _OVER_M
        return toward(arm, np.array([*behind, _HIT_Z_M if there else _TRAVEL_Z_M]), turn)
