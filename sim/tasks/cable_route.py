"""arm/cable_route: lay a cable that is clamped at one end and held at the other into two clips."""

import math

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks.base import ArmTask, at_tool, closeness, drawn, toward, yaw_quat

_SEGMENTS, _SEGMENT_M, _RADIUS_M = 16, 0.018, 0.003
_LENGTH_M = _SEGMENTS * _SEGMENT_M
_CLAMP_Z_M = 0.012
_SLACK_M = 0.002
# Of each clip: the height of its posts, and how far it is from the clamp or from the clip before.
_HEIGHTS_M = 0.045, 0.03
_LEGS_M = 0.12, 0.11
_POST_M, _GAP_M = 0.005, 0.024  # radius of a post, and the room between two
_CLAMP_LOW, _CLAMP_HIGH = np.array([0.25, -0.13]), np.array([0.28, -0.10])
_FIRST_RAD = np.array([0.6, 0.9])  # the way to the first clip, from the world's x
_BEND_RAD = np.array([0.4, 0.8])  # by which the way to the second turns
_START_TURN_RAD, _START_RISE_RAD = 0.3, np.array([0.4, 0.55])
_CARRY_Z_M = (0.125, 0.062)  # above each clip, with the cable over its posts
_LAID_Z_M = 0.016
_OVER_M = 0.012


class CableRoute(ArmTask):
    """The first clip is passed with the cable taut, and is what it bends about to the second.

    Success: between the posts of both, below their tops.
    """

    name = "cable_route"
    summary = "lay a cable, clamped at its other end, into two clips with a bend between"
    cameras = ("front", "wrist")
    episode_s = 10.0
    state_fields = (
        ProprioField(name="tcp_to_clips", unit="m", size=6),
        ProprioField(name="clip_axes", unit="1", size=4),
        ProprioField(name="cable_to_clips", unit="m", size=6),
    )

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        for i, height_m in enumerate(_HEIGHTS_M):
            clip = spec.worldbody.add_body(name=f"clip{i}", mocap=True)
            for side in (-1, 1):
                clip.add_geom(
                    type=mujoco.mjtGeom.mjGEOM_CYLINDER,
                    size=[_POST_M, height_m / 2, 0],
                    pos=[0, side * (_GAP_M / 2 + _POST_M), height_m / 2],
                    rgba=(0.15, 0.3, 0.7, 1),
                )
        clamp = spec.worldbody.add_body(name="clamp", mocap=True)
        clamp.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.012, 0.012, 0.012],
            pos=[0, 0, 0.012],
            rgba=(0.2, 0.2, 0.22, 1),
            contype=0,
            conaffinity=0,
        )
        self._hold(spec, kind, self._add_cable(clamp))

    def _add_cable(self, clamp: mujoco.MjsBody) -> mujoco.MjsBody:
        """A chain that starts at the clamp; its last body."""
        body = clamp.add_body(name="cable0", pos=[0, 0, _CLAMP_Z_M])
        body.add_joint(name="cable0", type=mujoco.mjtJoint.mjJNT_BALL, damping=1e-3, armature=1e-5)
        for i in range(_SEGMENTS):
            if i > 0:
                body = body.add_body(name=f"cable{i}", pos=[_SEGMENT_M, 0, 0])
                for name, axis in (("y", [0, 1, 0]), ("z", [0, 0, 1])):
                    body.add_joint(
                        name=f"cable{i}{name}",
                        axis=axis,
                        stiffness=0.02,
                        damping=8e-4,
                        armature=1e-5,
                    )
            body.add_geom(
                name=f"cable{i}",
                type=mujoco.mjtGeom.mjGEOM_CAPSULE,
                fromto=[0, 0, 0, _SEGMENT_M, 0, 0],
                size=[_RADIUS_M, 0, 0],
                rgba=(0.9, 0.25, 0.1, 1),
                mass=0.002,
                friction=[0.3, 0.005, 0.0001],
                contype=2,  # the table and the posts, not itself and not the fingers
                conaffinity=0,
            )
        return body

    def _hold(self, spec: mujoco.MjSpec, kind: ArmModel, last: mujoco.MjsBody) -> None:
        """Its end between the fingers."""
        last.add_site(name="cable_end", pos=[_SEGMENT_M, 0, 0], rgba=[0, 0, 0, 0])
        tool, middle = spec.site("tcp"), np.array([0, kind.middle_m(_RADIUS_M), 0])
        tool.parent.add_site(name="held_end", pos=at_tool(tool, middle), rgba=[0, 0, 0, 0])
        held = spec.add_equality(
            type=mujoco.mjtEq.mjEQ_CONNECT, objtype=mujoco.mjtObj.mjOBJ_SITE, solref=[0.02, 1.0]
        )
        held.name1, held.name2 = "held_end", "cable_end"
        for geom in spec.geoms:
            if geom.name == "table" or geom.parent.name.startswith("clip"):
                geom.conaffinity = 3

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        clamp = drawn(arm, rng, _CLAMP_LOW, _CLAMP_HIGH)
        first_rad, bend_rad = rng.uniform(*_FIRST_RAD), rng.uniform(*_BEND_RAD)
        azimuth_rad = first_rad + rng.uniform(-_START_TURN_RAD, _START_TURN_RAD)
        rise_rad, side = rng.uniform(*_START_RISE_RAD), rng.choice((-1.0, 1.0))  # mirrored or not
        at = clamp * (1.0, side)
        self._stretch(arm, at, side * azimuth_rad, rise_rad)
        self._put(arm, "clamp", at, 0.0)
        for i, turn_rad in enumerate((side * first_rad, side * (first_rad + bend_rad))):
            at = at + _LEGS_M[i] * np.array([math.cos(turn_rad), math.sin(turn_rad)])
            self._put(arm, f"clip{i}", at, turn_rad)
        mujoco.mj_forward(arm.model, arm.data)

    def _put(self, arm: Arm, name: str, at: np.ndarray, turn_rad: float) -> None:
        mocap = arm.model.body(name).mocapid[0]
        arm.data.mocap_pos[mocap] = (*at, 0.0)
        arm.data.mocap_quat[mocap] = yaw_quat(turn_rad)

    def _stretch(self, arm: Arm, clamp: np.ndarray, azimuth_rad: float, rise_rad: float) -> None:
        """The cable in a straight line from the clamp to the hand."""
        level = math.cos(rise_rad) * np.array([math.cos(azimuth_rad), math.sin(azimuth_rad)])
        end = np.array([*(clamp + _LENGTH_M * level), _CLAMP_Z_M + _LENGTH_M * math.sin(rise_rad)])
        aside_m = arm.kind.middle_m(_RADIUS_M)  # the tool's y is the world's -y
        arm.reset(end + np.array([0.0, aside_m, 0.0]), gripper_opening=_RADIUS_M)
        turn, rise = np.zeros(4), np.zeros(4)
        mujoco.mju_axisAngle2Quat(turn, np.array([0.0, 0.0, 1.0]), azimuth_rad)
        mujoco.mju_axisAngle2Quat(rise, np.array([0.0, 1.0, 0.0]), -rise_rad)
        mujoco.mju_mulQuat(arm.data.joint("cable0").qpos, turn, rise)

    def state(self, arm: Arm) -> np.ndarray:
        clips = np.concatenate([self._clip(arm, i) - arm.tcp_pos for i in (0, 1)])
        axes = np.concatenate([self._axes(arm, i)[:2, 0] for i in (0, 1)])
        cable = np.concatenate([self.cable_to_clip(arm, i) for i in (0, 1)])
        return np.concatenate((clips, axes, cable))

    def _clip(self, arm: Arm, clip: int) -> np.ndarray:
        """[3] m: on the table, between its posts."""
        return arm.data.body(f"clip{clip}").xpos

    def _axes(self, arm: Arm, clip: int) -> np.ndarray:
        """[3, 3]: its columns are along the cable, across it, and up."""
        return arm.data.body(f"clip{clip}").xmat.reshape(3, 3)

    def _cable(self, arm: Arm) -> np.ndarray:
        """[segments, 3] m: the middles."""
        first = arm.model.geom("cable0").id  # a chain's geoms follow each other
        return arm.data.geom_xpos[first : first + _SEGMENTS]

    def cable_to_clip(self, arm: Arm, clip: int) -> np.ndarray:
        """[3] m in the clip's axes, from its foot to the cable where it passes by."""
        local = (self._cable(arm) - self._clip(arm, clip)) @ self._axes(arm, clip)
        return local[np.abs(local[:, 0]).argmin()]

    def laid(self, arm: Arm, clip: int) -> bool:
        """Whether the cable lies between the posts."""
        along, across, up = self.cable_to_clip(arm, clip)
        low = up < _HEIGHTS_M[clip] - _RADIUS_M
        return bool(abs(along) < 0.6 * _SEGMENT_M and abs(across) < _GAP_M / 2 and low)

    def at_goal(self, arm: Arm) -> bool:
        return self.laid(arm, 0) and self.laid(arm, 1)

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        return sum(0.45 * self._progress(arm, clip) for clip in (0, 1))

    def _progress(self, arm: Arm, clip: int) -> float:
        """1 for a cable that lies there, and a slope that leads to it, across first."""
        if self.laid(arm, clip):
            return 1.0
        _, across, up = np.abs(self.cable_to_clip(arm, clip))
        over = closeness(float(across), 0.1)
        return 0.4 * over + 0.3 * over * closeness(float(up), 0.1)

    def expert_action(self, arm: Arm) -> np.ndarray:
        if self.at_goal(arm):
            return np.zeros(3, np.float32)
        if not self.laid(arm, 0):
            start, clip, rest_m = arm.data.body("clamp").xpos, 0, _LENGTH_M
        else:
            start, clip, rest_m = self._clip(arm, 0), 1, _LENGTH_M - _LEGS_M[0]
        return self._lay(arm, start, clip, rest_m - _SLACK_M)

    def _lay(self, arm: Arm, start: np.ndarray, clip: int, rest_m: float) -> np.ndarray:
        """Action that draws the last `rest_m` of the cable over a clip, and lays it down."""
        grip = arm.grip_pos
        way = (self._clip(arm, clip) - start)[:2]
        way = way / np.linalg.norm(way)
        level_m = math.sqrt(rest_m**2 - min(grip[2] - _CLAMP_Z_M, 0.9 * rest_m) ** 2)
        aim = start[:2] + level_m * way
        ready = abs(self.cable_to_clip(arm, clip)[1]) < 0.7 * _GAP_M / 2
        over = ready and np.linalg.norm(grip[:2] - aim) < _OVER_M
        return toward(arm, np.array([*aim, _LAID_Z_M if over else _CARRY_Z_M[clip]]))
