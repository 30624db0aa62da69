"""arm/push: push a cube onto a disc with the closed gripper."""

from collections.abc import Callable
from functools import partial

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks import cubes
from sim.tasks.base import ArmTask, closeness, drawn, toward

_LOW, _HIGH = np.array([0.30, -0.13]), np.array([0.44, 0.13])
_START_LOW, _START_HIGH = np.array([0.28, -0.12, 0.05]), np.array([0.46, 0.12, 0.12])
_PUSH_HEIGHT_M = 0.02
_TRAVEL_HEIGHT_M = 0.075
_CLEAR_HEIGHT_M = 0.05
_BEHIND_M = 0.038
_CLEAR_BEHIND_M = 0.052  # corner to corner the closed fingers come down beside the cube
_ASIDE_M, _FUNNEL_M = 0.01, 0.03  # within the first it is down, beyond both it travels
_MIN_PUSH_M, _MAX_PUSH_M = 0.08, 0.16


class Push(ArmTask):
    """The dense reward leads over the cube, down behind it as seen from the goal, and pays most for
    the cube's way."""

    Options = cubes.CubeOptions
    name = "push"
    summary = "push a cube to within 4 cm of a disc, 8 to 16 cm away"
    episode_s = 6.0
    tolerance_m = 0.04
    state_fields = (
        ProprioField(name="tcp_to_cube", unit="m", size=3),
        ProprioField(name="cube_to_goal", unit="m", size=2),
    )

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        cubes.add(spec, cubes.BLUE)
        if self.options.present:
            cubes.add(spec, cubes.RED, cubes.DECOY)
        goal = spec.worldbody.add_body(name="goal", mocap=True)
        goal.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[self.tolerance_m, 0.001, 0],
            rgba=(0.1, 0.7, 0.25, 1),
            contype=0,
            conaffinity=0,
        )

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        place = partial(drawn, arm, rng, _LOW, _HIGH, _CLEAR_BEHIND_M)
        cube, goal = _drawn_task(place)
        occupied = [cube]
        if self.options.present:
            decoy = place()
            while not _pushable(decoy, goal) or np.linalg.norm(decoy - cube) < cubes.APART_M:
                (cube, goal), decoy = _drawn_task(place), place()
            occupied = list(self.options.order(cube, decoy))
        start = drawn(arm, rng, _START_LOW, _START_HIGH)
        while min(np.linalg.norm(start[:2] - xy) for xy in occupied) < 0.05:
            start = drawn(arm, rng, _START_LOW, _START_HIGH)
        arm.reset(start, gripper_opening=0.0)
        yaw_rad = rng.uniform(-np.pi, np.pi)
        for name, xy in zip(("cube", cubes.DECOY), occupied, strict=False):
            cubes.place(arm, xy, yaw_rad, name)
        arm.data.mocap_pos[0] = (*goal, 0.0)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        to_cube = arm.data.body("cube").xpos - arm.tcp_pos
        return np.concatenate((to_cube, self.cube_to_goal(arm)))

    def cube_to_goal(self, arm: Arm) -> np.ndarray:
        """[2] m."""
        return (arm.data.mocap_pos[0] - arm.data.body("cube").xpos)[:2]

    def at_goal(self, arm: Arm) -> bool:
        return float(np.linalg.norm(self.cube_to_goal(arm))) < self.tolerance_m

    def pushing_point(self, arm: Arm, behind_m: float = _BEHIND_M) -> np.ndarray:
        """[3] m: behind the cube as seen from the goal."""
        way = self.cube_to_goal(arm)
        behind = arm.data.body("cube").xpos[:2] - behind_m * way / (np.linalg.norm(way) + 1e-6)
        return np.array([*behind, _PUSH_HEIGHT_M])

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        gap_m = self.way_to_push_m(arm)
        progress = closeness(float(np.linalg.norm(self.cube_to_goal(arm))), 0.2)
        return 0.15 * closeness(gap_m, 0.3) + 0.15 * closeness(gap_m, 0.06) + 0.55 * progress

    def way_to_push_m(self, arm: Arm) -> float:
        """To the pushing point along a funnel, over the cube and down behind it: the straight way
        would push the cube off.
        """
        off = arm.grip_pos - self.pushing_point(arm)
        aside = float(np.linalg.norm(off[:2]))
        over = float(np.clip((aside - _ASIDE_M) / _FUNNEL_M, 0.0, 1.0))
        return aside + abs(off[2] - over * (_TRAVEL_HEIGHT_M - _PUSH_HEIGHT_M))

    def expert_action(self, arm: Arm) -> np.ndarray:
        way, grip = self.cube_to_goal(arm), arm.grip_pos
        distance = float(np.linalg.norm(way))
        if distance < 0.5 * self.tolerance_m:
            return np.zeros(3, np.float32)
        heading = way / distance
        offset = grip[:2] - arm.data.body("cube").xpos[:2]
        along = float(offset @ heading)
        across = float(np.linalg.norm(offset - along * heading))
        behind = self.pushing_point(arm, _CLEAR_BEHIND_M)
        if across < 0.015 and along < -0.015 and grip[2] < 0.04:
            # Lean towards the line so that the cube does not turn away.
            ahead = grip[:2] + min(0.03, distance) * heading - (offset - along * heading)
            return toward(arm, np.array([*ahead, _PUSH_HEIGHT_M]))
        if np.linalg.norm(grip[:2] - behind[:2]) < 0.010:
            return toward(arm, behind)
        over = behind if grip[2] > _CLEAR_HEIGHT_M else grip  # rise before travelling
        return toward(arm, np.array([*over[:2], _TRAVEL_HEIGHT_M]))


def _drawn_task(place: Callable[[], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """[2] m each: the cube, and where it shall go."""
    cube, goal = place(), place()
    while not _pushable(cube, goal):
        goal = place()
    return cube, goal


def _pushable(cube: np.ndarray, goal: np.ndarray) -> bool:
    """Neither there already nor out of reach within an episode."""
    return bool(_MIN_PUSH_M < np.linalg.norm(goal - cube) < _MAX_PUSH_M)
