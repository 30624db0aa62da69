"""The simulated arm: Cartesian delta control through damped inverse kinematics.

This is the action interface of a real arm: small displacements of the tool centre point (tcp)
with the tool pointing down, turns of the tool about the vertical where a task asks for them, and a
gripper that opens and closes at a limited rate.
"""

import math
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np

from robot_rl.axes import GRIPPER, TCP_ANGULAR, TCP_LINEAR, Axis
from robot_rl.types import ProprioField
from sim.arm_config import ArmConfig
from sim.servo import RateServo

ASSET = Path(__file__).parent / "assets" / "arm.xml"
JOINTS = ("base_yaw", "shoulder", "elbow", "forearm_roll", "wrist_pitch", "tool_roll")
FINGERS = ("left_finger", "right_finger")
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
GRIPPER_MAX_M = 0.04
_BORDER_M = 0.05
TOOL_DOWN_QUAT = (0.0, 1.0, 0.0, 0.0)
_TOOL_DOWN = np.diag([1.0, -1.0, -1.0])
_SEED_POSTURE = np.array([0.0, 0.3, 1.6, 0.0, 1.2, 0.0])
# Of an arm that turns: in the middle of its free range, and not half a turn away.
_SQUARE_POSTURE = np.array([0.0, 0.3, 1.6, 0.0, 1.2, np.pi])
_FREE_ROLL_RAD = (-2 * np.pi, 2 * np.pi)


def free_tool_roll(spec: mujoco.MjSpec) -> None:
    """The arm's own range ends where the tool points down squarely; let it turn either way."""
    spec.joint("tool_roll").range = _FREE_ROLL_RAD
    spec.actuator("tool_roll").ctrlrange = _FREE_ROLL_RAD


class Arm:
    """One compiled scene with the arm in it; `furnish` adds a task's objects to the model.

    Where it `turns` the yaw of its tool is an axis, and a part of proprio.
    """

    def __init__(
        self,
        config: ArmConfig,
        furnish: Callable[[mujoco.MjSpec], None],
        turns: bool = False,
        gripper: bool = True,
    ) -> None:
        self.config = config
        self.action_fields = config.action_fields(turns, gripper)
        self.proprio_fields: tuple[ProprioField, ...] = PROPRIO + TURN_PROPRIO * turns
        self.turns, self._grips = turns, gripper
        spec = mujoco.MjSpec.from_file(str(ASSET))
        for body in spec.bodies:
            body.gravcomp = 1.0  # industrial arms compensate their own weight
        spec.option.timestep = config.physics_dt_s
        furnish(spec)
        if turns:
            free_tool_roll(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._tcp = self.model.site("tcp").id
        self._qpos = np.array([self.model.joint(name).qposadr[0] for name in JOINTS])
        self._dof = np.array([self.model.joint(name).dofadr[0] for name in JOINTS])
        self._ctrl = np.array([self.model.actuator(name).id for name in JOINTS])
        self._joint_range = self.model.actuator_ctrlrange[self._ctrl].T
        self._gripper_ctrl = np.array([self.model.actuator(name).id for name in FINGERS])
        self._fingers = np.array([self.model.joint(name).qposadr[0] for name in FINGERS])
        self._low = np.array(config.workspace_low)
        self._high = np.array(config.workspace_high)
        self._jac = np.zeros((6, self.model.nv))
        self._velocity = np.zeros(6)
        self._damping = config.ik_damping**2 * np.eye(6)
        self._solution = np.zeros(6)
        self._target = np.zeros(3)
        self._yaw_target = 0.0
        self._error = np.zeros(6)
        self._aimed, self._joint_rates, self._linear = np.zeros(6), np.zeros(6), np.zeros(3)
        self._turning = self._lead_s = self._clear_s = 0.0
        # The fingers are an axis of every arm; a task may leave them out of its actions.
        axes = config.action_fields(turns, gripper=True)
        self.axes = tuple(Axis(name=field.name, unit=field.unit) for field in axes)
        self._rates = config.control_rate_hz * np.array([f.scale for f in self.action_fields])
        self.servo = RateServo(self, [axis.name for axis in self.axes])

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
        """[6] rad, in the order of `JOINTS`."""
        return self.data.qpos[self._qpos]

    @property
    def joint_vel(self) -> np.ndarray:
        """[6] rad/s."""
        return self.data.qvel[self._dof]

    @property
    def joint_range(self) -> np.ndarray:
        """[2, 6] rad, low and high."""
        return self._joint_range

    @property
    def gripper_opening(self) -> float:
        """Distance of one finger from the middle, 0 (closed) to `GRIPPER_MAX_M`."""
        return float(self.data.qpos[self._fingers[0]])

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
        self.data.qpos[self._qpos] = _SQUARE_POSTURE if self.turns else _SEED_POSTURE
        self.data.qpos[self._fingers] = gripper_opening
        self._target[:] = tcp_pos
        self._yaw_target = 0.0
        for _ in range(50):
            mujoco.mj_kinematics(self.model, self.data)
            mujoco.mj_comPos(self.model, self.data)
            joints, _ = self._solve(self._target, self._yaw_target)
            step = joints - self.data.qpos[self._qpos]
            self.data.qpos[self._qpos] = joints
            if np.abs(step).max() < 1e-5:
                break
        self.data.ctrl[self._ctrl] = self.data.qpos[self._qpos]
        self.data.ctrl[self._gripper_ctrl] = gripper_opening
        mujoco.mj_forward(self.model, self.data)
        self.servo.begin()

    def apply(self, action: np.ndarray) -> None:
        """Move for one control period. `action` in [-1, 1], as `action_fields`; 1 closes."""
        rates = self._rates * action
        fingers = () if self._grips else (0.0,)
        self.servo.command((*rates.tolist(), *fingers), 1.0 / self.config.control_rate_hz)
        for _ in range(self.config.ticks):
            self.tick()

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
        joints, self._joint_rates = self._solve(
            aim, self._bounded_yaw(self._yaw_target + turn_rad_s * lead_s)
        )
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
            self.data.ctrl[self._gripper_ctrl] = min(max(opening_m, 0.0), GRIPPER_MAX_M)

    def _time_to_border(self, aim: np.ndarray) -> float:
        """s until the aim leaves the workspace at the rates of now."""
        left = [math.inf]
        bounds = zip(aim.tolist(), self._linear.tolist(), self._low, self._high, strict=True)
        for at, rate, low, high in bounds:
            if rate:
                left.append(((high if rate > 0.0 else low) - at) / rate)
        if self._turning:
            yaw = self._yaw_target + self._turning * self._lead_s
            left.append(
                (math.copysign(self.config.max_yaw_rad, self._turning) - yaw) / self._turning
            )
        return min(left)

    def _leashed_yaw(self, delta_rad: float) -> float:
        leash_rad = self.config.leash_rad
        ahead = math.remainder(self._yaw_target + delta_rad - self.yaw, math.tau)
        return self._bounded_yaw(self.yaw + min(max(ahead, -leash_rad), leash_rad))

    def _bounded_yaw(self, yaw_rad: float) -> float:
        top = self.config.max_yaw_rad
        return min(max(yaw_rad, -top), top)

    def hold(self) -> None:
        """Stand still here: the measured pose becomes the target."""
        self._target, self._yaw_target = self.tcp_pos.copy(), self.yaw if self.turns else 0.0
        self.data.ctrl[self._ctrl] = self.joint_pos

    def _solve(self, aim: np.ndarray, yaw_rad: float) -> tuple[np.ndarray, np.ndarray]:
        """Joints [6] rad a damped least squares step nearer a tcp pose (Nakamura 1986).

        And the joint rates [6] rad/s at which the tool moves as `steer` was told.
        """
        mujoco.mj_jacSite(self.model, self.data, self._jac[:3], self._jac[3:], self._tcp)
        jac = self._jac[:, self._dof]
        rotation = self.data.site_xmat[self._tcp].reshape(3, 3)
        # Rotation from the tool's axes to the wanted ones: half the antisymmetric part (vee) of
        # R_want R^T, in the world frame.
        (_, xy, xz), (yx, _, yz), (zx, zy, _) = (self._tool_down(yaw_rad) @ rotation.T).tolist()
        self._error[:3] = aim - self.tcp_pos
        self._error[3:] = 0.5 * (zy - yz), 0.5 * (xz - zx), 0.5 * (yx - xy)
        # Positive definite; numpy's solver costs ten times as much on a matrix this small.
        factor = jac @ jac.T + self._damping
        mujoco.mju_cholFactor(factor, 0.0)
        mujoco.mju_cholSolve(self._solution, factor, self._error)
        joints = self.data.qpos[self._qpos] + jac.T @ self._solution
        self._error[:3], self._error[3:5], self._error[5] = self._linear, 0.0, self._turning
        mujoco.mju_cholSolve(self._solution, factor, self._error)
        return joints, jac.T @ self._solution

    def _tool_down(self, yaw_rad: float) -> np.ndarray:
        """Wanted rotation [3, 3]: pointing down, turned by `yaw_rad`."""
        if not self.turns:
            return _TOOL_DOWN
        sine, cosine = math.sin(yaw_rad), math.cos(yaw_rad)
        return np.array([[cosine, sine, 0.0], [sine, -cosine, 0.0], [0.0, 0.0, -1.0]])


def _bound(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    # np.clip costs several times as much on arrays this small.
    return np.minimum(np.maximum(x, low), high)
