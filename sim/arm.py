"""The simulated arm: Cartesian delta control through damped inverse kinematics.

This is the action interface of a real arm: small displacements of the tool centre point (tcp)
with the tool pointing down, turns of the tool about the vertical where a task asks for them, and a
gripper that opens and closes at a limited rate.
"""

import math
from collections.abc import Callable

import mujoco
import numpy as np

from robot_rl.axes import GRIPPER, TCP_ANGULAR, TCP_LINEAR, Axis
from robot_rl.types import ProprioField
from sim.arm_config import ArmConfig
from sim.arms.model import ArmModel
from sim.ik import ToolDown
from sim.scene import with_arm
from sim.servo import RateServo

PROPRIO = (
    ProprioField(name="tcp_pos", unit="m", size=3),
    ProprioField(name="tcp_vel", unit="m/s", size=3),
    ProprioField(name="gripper_opening", unit="m", size=1),
)
# Sine and cosine, so that nothing jumps where the angle wraps.
TURN_PROPRIO = (
    ProprioField(name="tcp_yaw", unit="1", size=2),
    ProprioField(name="tcp_yaw_vel", unit="rad/s", size=1),
)
_BORDER_M = 0.05
TOOL_DOWN_QUAT = (0.0, 1.0, 0.0, 0.0)


class Arm:
    """One compiled scene with an arm of a `kind` in it; `furnish` adds a task's objects.

    Where it `turns` the yaw of its tool is an axis, and a part of proprio.
    """

    def __init__(
        self,
        kind: ArmModel,
        config: ArmConfig,
        furnish: Callable[[mujoco.MjSpec, ArmModel], None],
        turns: bool = False,
        gripper: bool = True,
    ) -> None:
        self.kind, self.config = kind, config
        self.action_fields = config.action_fields(turns, gripper)
        self.proprio_fields: tuple[ProprioField, ...] = PROPRIO + TURN_PROPRIO * turns
        self.turns, self._grips = turns, gripper
        spec = with_arm(kind)
        spec.option.timestep = config.physics_dt_s
        furnish(spec, kind)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._tcp = self.model.site("tcp").id
        self._qpos = np.array([self.model.joint(name).qposadr[0] for name in kind.joints])
        self._dof = np.array([self.model.joint(name).dofadr[0] for name in kind.joints])
        self._ctrl = np.array([self.model.actuator(name).id for name in kind.joints])
        self._joint_range = self.model.actuator_ctrlrange[self._ctrl].T
        self._gripper_ctrl = np.array([self.model.actuator(f.joint).id for f in kind.fingers])
        self._fingers = np.array([self.model.joint(f.joint).qposadr[0] for f in kind.fingers])
        self._low, self._high = np.array(kind.workspace_low), np.array(kind.workspace_high)
        self._ik = ToolDown(self.model, self.data, self._dof, kind.home_rad, config.ik_damping)
        self._side = _sides(self.model, kind.sides)
        self._velocity = np.zeros(6)
        self._target = np.zeros(3)
        self._yaw_target = 0.0
        joints = len(kind.joints)
        self._aimed, self._joint_rates, self._linear = (
            np.zeros(joints),
            np.zeros(joints),
            np.zeros(3),
        )
        self._turning = self._lead_s = self._clear_s = 0.0
        # The fingers are an axis of every arm; a task may leave them out of its actions.
        axes = config.action_fields(turns, gripper=True)
        self.axes = tuple(Axis(name=field.name, unit=field.unit) for field in axes)
        self._rates = config.control_rate_hz * np.array([f.scale for f in self.action_fields])
        self.servo = RateServo(self, [axis.name for axis in self.axes], kind.lag_s)

    @property
    def tcp_pos(self) -> np.ndarray:
        """[3] m."""
        return self.data.site_xpos[self._tcp]

    @property
    def yaw(self) -> float:
        """Of the tool about the vertical, rad in [-pi, pi]."""
        rotation = self.data.site_xmat[self._tcp]
        return math.atan2(rotation[3], rotation[0])

    @property
    def tool_axis(self) -> np.ndarray:
        """[3]: where the tool points, straight down but for what presses against it."""
        return self.data.site_xmat[self._tcp][2::3]

    @property
    def tcp_quat(self) -> np.ndarray:
        """[4] (w, x, y, z)."""
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, self.data.site_xmat[self._tcp])
        return quat

    @property
    def tcp_rot_vel(self) -> np.ndarray:
        """[3] rad/s in the world frame."""
        return self._tcp_velocity()[:3]

    @property
    def joint_pos(self) -> np.ndarray:
        """[joints] rad, in the order of `kind.joints`."""
        return self.data.qpos[self._qpos]

    @property
    def joint_vel(self) -> np.ndarray:
        """[joints] rad/s."""
        return self.data.qvel[self._dof]

    @property
    def joint_range(self) -> np.ndarray:
        """[2, joints] rad, low and high."""
        return self._joint_range

    @property
    def gripper_opening(self) -> float:
        """Distance of one finger from the middle, m, 0 (closed) to `kind.gripper_max_m`."""
        return self.kind.opening(float(self.data.qpos[self._fingers[0]]))

    @property
    def grip_pos(self) -> np.ndarray:
        """[3] m: the middle between the fingers, which is `tcp_pos` where both of them move."""
        across = self.data.site_xmat[self._tcp][1::3]
        return self.tcp_pos + self.kind.middle_m(self.gripper_opening) * across

    @property
    def tool_axes(self) -> np.ndarray:
        """[3, 3]: columns x, y (the way the fingers close) and z (out of the tool)."""
        return self.data.site_xmat[self._tcp].reshape(3, 3)

    def side_of(self, body: int) -> int | None:
        """Which of `kind.sides` a body belongs to, None for one that is not of the fingers."""
        return self._side[body]

    def proprio(self) -> np.ndarray:
        """float32, laid out as `proprio_fields`."""
        velocity = self._tcp_velocity()
        parts = [self.tcp_pos, velocity[3:], [self.gripper_opening]]
        if self.turns:
            parts.append([math.sin(self.yaw), math.cos(self.yaw), velocity[2]])
        return np.concatenate(parts).astype(np.float32)

    def measured(self) -> dict[str, float]:
        """Where each of its axes stands, by name."""
        at = dict(zip(TCP_LINEAR, self.tcp_pos.tolist(), strict=True))
        return {**at, TCP_ANGULAR[2]: self.yaw, GRIPPER: self.gripper_opening}

    def _tcp_velocity(self) -> np.ndarray:
        """[6], rotation first, in the world frame."""
        mujoco.mj_objectVelocity(
            self.model, self.data, mujoco.mjtObj.mjOBJ_SITE, self._tcp, self._velocity, 0
        )
        return self._velocity

    def nearness_to_border(self) -> float:
        """0 where the tcp is 5 cm or more inside the sides and top of its workspace, 1 there."""
        inside = np.minimum(self.tcp_pos - self._low, self._high - self.tcp_pos)
        inside[2] = self._high[2] - self.tcp_pos[2]  # work is done near the table
        return float(np.clip(1.0 - inside.min() / _BORDER_M, 0.0, 1.0))

    def reset(self, tcp_pos: np.ndarray, gripper_opening: float) -> None:
        """Put the tcp at `tcp_pos` [3] m, tool down and at rest. Objects go to their defaults."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self._qpos] = self.kind.home_rad
        driven = (*self.kind.fingers, *self.kind.linkage)
        at = self.kind.gripper_joints(gripper_opening, driven)
        self.data.qpos[[self.model.joint(f.joint).qposadr[0] for f in driven]] = at
        self._target[:] = tcp_pos
        self._yaw_target = 0.0
        for _ in range(50):
            mujoco.mj_kinematics(self.model, self.data)
            mujoco.mj_comPos(self.model, self.data)
            joints, _ = self._ik.step(self._target, 0.0, np.zeros(3), 0.0)
            step = joints - self.data.qpos[self._qpos]
            self.data.qpos[self._qpos] = joints
            if np.abs(step).max() < 1e-5:
                break
        self.data.ctrl[self._ctrl] = self.data.qpos[self._qpos]
        self._grip(gripper_opening)
        mujoco.mj_forward(self.model, self.data)
        self.servo.begin()

    def apply(self, action: np.ndarray) -> None:
        """Move for one control period. `action` in [-1, 1], as `action_fields`; 1 closes."""
        self.command(action)
        for _ in range(self.config.ticks):
            self.tick()

    def command(self, action: np.ndarray) -> None:
        """What the ticks of one control period from now on shall carry out."""
        rates = self._rates * action
        fingers = () if self._grips else (0.0,)
        self.servo.command((*rates.tolist(), *fingers), 1.0 / self.config.control_rate_hz)

    def tick(self) -> None:
        """`tick_s` of the servo and of physics."""
        self.servo.tick(self.config.tick_s)
        mujoco.mj_step(self.model, self.data, self.config.substeps)

    def steer(
        self, linear_m_s: np.ndarray, turn_rad_s: float, dt_s: float, lead_s: float = 0.0
    ) -> None:
        """Move the targets of the tcp and its yaw at these rates for `dt_s`, and aim the joints.

        They aim `lead_s` ahead, inside the workspace. `coast` goes on in the same way.
        """
        self._linear, self._turning, self._lead_s = linear_m_s, turn_rad_s, lead_s
        leash_m = self.config.leash_m
        moved = self._target + linear_m_s * dt_s
        leashed = _bound(moved, self.tcp_pos - leash_m, self.tcp_pos + leash_m)
        self._target = _bound(leashed, self._low, self._high)
        if self.turns:
            self._yaw_target = self._leashed_yaw(turn_rad_s * dt_s)
        aim = _bound(self._target + linear_m_s * lead_s, self._low, self._high)
        yaw_rad = self._bounded_yaw(self._yaw_target + turn_rad_s * lead_s)
        joints, self._joint_rates = self._ik.step(aim, yaw_rad, linear_m_s, turn_rad_s)
        self._aimed = _bound(joints, *self._joint_range)
        self.data.ctrl[self._ctrl] = self._aimed
        self._clear_s = self._time_to_border(aim)

    def coast(self, dt_s: float) -> None:
        """`dt_s` more, by the Jacobian of the last `steer`; that anew where the workspace ends."""
        self._clear_s -= dt_s
        if self._clear_s < 0.0:
            self.steer(self._linear, self._turning, dt_s, self._lead_s)
            return
        self._target = self._target + self._linear * dt_s
        self._yaw_target += self._turning * dt_s
        self._aimed = self._aimed + self._joint_rates * dt_s
        self.data.ctrl[self._ctrl] = self._aimed

    def open_to(self, opening_m: float) -> None:
        """Where the fingers shall go; an arm whose task leaves them out keeps them still."""
        if self._grips:
            self._grip(min(max(opening_m, 0.0), self.kind.gripper_max_m))

    def _grip(self, opening_m: float) -> None:
        self.data.ctrl[self._gripper_ctrl] = self.kind.gripper_joints(opening_m, self.kind.fingers)

    def _time_to_border(self, aim: np.ndarray) -> float:
        """s until the aim leaves the workspace at the rates of now."""
        left = [math.inf]
        bounds = zip(aim.tolist(), self._linear.tolist(), self._low, self._high, strict=True)
        for at, rate, low, high in bounds:
            if rate:
                left.append(((high if rate > 0.0 else low) - at) / rate)
        if self._turning:
            yaw = self._yaw_target + self._turning * self._lead_s
            left.append((math.copysign(self.kind.max_yaw_rad, self._turning) - yaw) / self._turning)
        return min(left)

    def _leashed_yaw(self, delta_rad: float) -> float:
        leash_rad = self.config.leash_rad
        ahead = math.remainder(self._yaw_target + delta_rad - self.yaw, math.tau)
        return self._bounded_yaw(self.yaw + min(max(ahead, -leash_rad), leash_rad))

    def _bounded_yaw(self, yaw_rad: float) -> float:
        top = self.kind.max_yaw_rad
        return min(max(yaw_rad, -top), top)

    def hold(self) -> None:
        """Stand still here: the measured pose becomes the target."""
        self._target, self._yaw_target = self.tcp_pos.copy(), self.yaw if self.turns else 0.0
        self.data.ctrl[self._ctrl] = self.joint_pos


def _bound(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    # np.clip costs several times as much on arrays this small.
    return np.minimum(np.maximum(x, low), high)


def _sides(model: mujoco.MjModel, roots: tuple[str, str]) -> list[int | None]:
    """For every body the place in `roots` of the nearest one that it hangs on, or is."""
    side: list[int | None] = [None] * model.nbody
    for body in range(1, model.nbody):  # parents come first
        name = model.body(body).name
        side[body] = roots.index(name) if name in roots else side[model.body_parentid[body]]
    return side
