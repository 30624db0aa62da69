"""Any arm that `ros2_control` or MoveIt Servo drives, as an `Arm`: states and commands are topics.

`interface` says what its controller takes: `trajectory` (joint_trajectory_controller; each message
has several points, which it can upsample), `forward` (forward_command_controller of positions),
`twist` (MoveIt Servo) or `pose` (a Cartesian controller). None of them is told to move for longer
than a command lasts, and positions hold by themselves.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import PoseStamped, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from hardware.arm import ArmFeatures, ArmState
from hardware.arms.following import Following, joint_axes, tcp_axes
from hardware.arms.polled import PolledArm
from hardware.arms.rates import Rates
from hardware.kinematics import Kinematics
from hardware.ros_messages import to_seconds
from robot_rl.errors import ConfigError, HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_time
from robot_rl_nodes.own_node import OwnNode

_TOPICS = {
    "trajectory": "/joint_trajectory_controller/joint_trajectory",
    "forward": "/forward_position_controller/commands",
    "twist": "/servo_node/delta_twist_cmds",
    "pose": "/target_pose",
}
_POINTS = 4  # of a trajectory, a driver's period apart
_FIRST_STATE_S = 10.0
_OLDEST_S = 0.2  # either way: a stamp from the future is no better
_NS = 1_000_000_000


class Ros2ControlArm(PolledArm):
    """`model` is the arm of `robot-rl list sim_arms` that it is: its kinematics and joint names,
    which `joints` renames. `gripper` has `topic`, `joint`, `closed` and `open` of a second
    trajectory controller; without it the gripper's axis moves nothing.
    """

    def __init__(
        self,
        interface: str,
        model: str,
        topic: str = "",
        joints: Sequence[str] = (),
        states: str = "/joint_states",
        control: str = "tcp",
        gripper: Mapping[str, Any] | None = None,
        frame: str = "base_link",
        rate_hz: float = 50.0,
    ) -> None:
        if interface not in _TOPICS or control not in ("tcp", "joints"):
            raise ConfigError(
                f"interface is {interface} and control {control}; choose of "
                f"{', '.join(_TOPICS)}, and of tcp and joints."
            )
        if control == "joints" and interface in ("twist", "pose"):
            raise ConfigError(f"interface={interface} moves the tool alone: control=tcp.")
        super().__init__(f"ros2_control_{interface}", rate_hz)
        self._kinematics = Kinematics(model)
        self._names = tuple(joints) or self._kinematics.arm.joints
        if len(self._names) != len(self._kinematics.arm.joints):
            raise ConfigError(
                f"{model} has {len(self._kinematics.arm.joints)} joints, and these are "
                f"{len(self._names)}: {', '.join(self._names)}."
            )
        self._interface, self._topic = interface, topic or _TOPICS[interface]
        self._states, self._frame, self._gripper = states, frame, dict(gripper or {})
        self._following = Following(self._kinematics, by_joints=control == "joints")
        self.features = ArmFeatures(
            name=self._name,
            axes=joint_axes(self._names) if control == "joints" else tcp_axes(),
            joint_names=self._names,
            joint_low_rad=self._kinematics.joint_low_rad,
            joint_high_rad=self._kinematics.joint_high_rad,
            gripper_max_m=self._kinematics.arm.gripper_max_m,
            base_frame=frame,
            rest_quat=(0.0, 1.0, 0.0, 0.0),
        )
        self._twist: tuple[float, ...] = (0.0,) * 6
        self._twist_until_s = 0.0
        self._heard: JointState | None = None
        self._at: dict[str, float] = {}  # every joint that was ever told of
        self._arrived = threading.Condition()
        self._rates = Rates()
        self._before: list[float] = []  # targets a period ago
        self._own: OwnNode | None = None

    def command(self, command: Sequence[float], duration_s: float) -> None:
        self.require_sound()
        self._following.command(command, duration_s)
        if self._interface == "twist":
            self._twist = tuple(command[:6])
            self._twist_until_s = time.monotonic() + duration_s

    def stop(self) -> None:
        self._following.stop()
        self._twist = (0.0,) * 6

    def _stand(self) -> None:
        """The last word: no rate, and the places where the joints are."""
        self.stop()
        self._before = []
        self._out.publish(self._message([self._at[name] for name in self._names]))

    # ------------------------------------------------------------------------- the graph

    def _open(self) -> None:
        self._own = OwnNode(self._name)
        node = self._own.node
        node.create_subscription(JointState, self._states, self._hear, graph.STATE)
        kind, self._message = {
            "trajectory": (JointTrajectory, self._trajectory),
            "forward": (Float64MultiArray, self._positions),
            "twist": (TwistStamped, self._twist_now),
            "pose": (PoseStamped, self._pose),
        }[self._interface]
        self._out = node.create_publisher(kind, self._topic, graph.COMMAND)
        if self._gripper:
            self._jaw = node.create_publisher(
                JointTrajectory, self._gripper["topic"], graph.COMMAND
            )
        self._own.start()
        with self._arrived:
            if not self._arrived.wait_for(self._all_told, _FIRST_STATE_S):
                missing = {*self._names, *self._finger()} - self._at.keys()
                raise HardwareError(
                    f"{self._states} did not tell of {', '.join(sorted(missing))} within "
                    f"{_FIRST_STATE_S:g} s. Is the joint_state_broadcaster active, and "
                    "ROS_DOMAIN_ID the robot's?"
                )
        self._rates, self._before = Rates(), []

    def _begin(self, state: ArmState) -> None:
        self._following.begin(state.joint_pos_rad, state.gripper_m)

    def _finger(self) -> tuple[str, ...]:
        return (self._gripper["joint"],) if self._gripper else ()

    def _all_told(self) -> bool:
        return self._heard is not None and {*self._finger()} <= self._at.keys()

    def _hear(self, message: JointState) -> None:
        """The fingers may have a broadcaster of their own."""
        if len(message.name) != len(message.position):
            return
        with self._arrived:
            self._at = {**self._at, **dict(zip(message.name, message.position, strict=True))}
            if set(self._names) <= set(message.name):
                self._heard = message
            self._arrived.notify_all()

    def _measure(self) -> ArmState:
        """Raises `HardwareError` where the newest state is old, as its stamp says."""
        message = self._heard
        assert message is not None
        stamp_s = to_seconds(message.header.stamp)
        age_s = time.time() - stamp_s
        if abs(age_s) > _OLDEST_S:
            raise HardwareError(
                f"the newest of {self._states} is {age_s:.2f} s old: is the robot's driver alive, "
                "and are the clocks of both machines the same?"
            )
        joints = tuple(self._at[name] for name in self._names)
        tool = self._kinematics.tool(joints, (0.0,) * len(joints))
        self._rates.update(stamp_s, joints, tool.pos_m, tool.quat)
        return ArmState(
            joint_pos_rad=joints,
            joint_vel_rad_s=self._rates.joints,
            tcp_pos_m=tool.pos_m,
            tcp_quat=tool.quat,
            tcp_vel_m_s=self._rates.linear,
            tcp_rot_vel_rad_s=self._rates.turn,
            gripper_m=self._opening_m(self._at),
            stamp_s=stamp_s,
        )

    def _measured(self, state: ArmState) -> None:
        joints, gripper_m = self._following.next(state.joint_pos_rad, self._period_s)
        self._out.publish(self._message(joints.tolist()))
        self._before = joints.tolist()
        if self._gripper:
            closed, opened = self._gripper["closed"], self._gripper["open"]
            share = gripper_m / self._kinematics.arm.gripper_max_m
            at = closed + share * (opened - closed)
            self._jaw.publish(_trajectory_of([self._gripper["joint"]], [[at]], self._period_s))

    def _opening_m(self, at: Mapping[str, float]) -> float:
        if self._gripper.get("joint") not in at:
            return 0.0
        closed, opened = self._gripper["closed"], self._gripper["open"]
        share = (at[self._gripper["joint"]] - closed) / (opened - closed)
        return share * self._kinematics.arm.gripper_max_m

    def _shut(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None
        self._heard = None

    # ---------------------------------------------------------------- what is published

    def _trajectory(self, joints: list[float]) -> JointTrajectory:
        """The target, and where it goes on to for a few periods, though no longer than the command
        lasts: a controller joins such points smoothly, and stands at the last."""
        left_s, features = self._following.left_s, self.features
        limits = features.joint_low_rad, features.joint_high_rad
        before = self._before if left_s > 0.0 and self._before else joints
        step = [now - then for now, then in zip(joints, before, strict=True)]
        points = []
        for place in range(_POINTS):
            periods = min(place, int(left_s / self._period_s))
            ahead = [at + periods * more for at, more in zip(joints, step, strict=True)]
            points.append(_within(ahead, joints, *limits))
        return _trajectory_of(self._names, points, self._period_s)

    def _positions(self, joints: list[float]) -> Float64MultiArray:
        return Float64MultiArray(data=joints)

    def _twist_now(self, joints: list[float]) -> TwistStamped:
        """Rates while a command lasts, then zero: Servo keeps what it was told for a moment."""
        if time.monotonic() > self._twist_until_s:
            self._twist = (0.0,) * 6
        message = TwistStamped()
        message.header.frame_id, message.header.stamp = self._frame, to_time(time.time())
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = self._twist
        return message

    def _pose(self, joints: list[float]) -> PoseStamped:
        """Where the tool is when the joints are at their targets, from the arm's own base."""
        tool = self._kinematics.tool(joints, (0.0,) * len(joints))
        mount_m = self._kinematics.arm.mount_m
        message = PoseStamped()
        message.header.frame_id, message.header.stamp = self._frame, to_time(time.time())
        at, turned = message.pose.position, message.pose.orientation
        at.x, at.y, at.z = (a - b for a, b in zip(tool.pos_m, mount_m, strict=True))
        turned.w, turned.x, turned.y, turned.z = tool.quat
        return message


def _within(
    ahead: Sequence[float], now: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> list[float]:
    """Not beyond a limit, unless `now` is."""
    rows = zip(ahead, now, low, high, strict=True)
    return [min(max(a, min(least, n)), max(most, n)) for a, n, least, most in rows]


def _trajectory_of(
    names: Sequence[str], points: Sequence[Sequence[float]], period_s: float
) -> JointTrajectory:
    """From now on; without a stamp a controller begins at once."""
    made = []
    for place, point in enumerate(points, 1):
        due = Duration(nanosec=round(place * period_s * _NS))
        made.append(JointTrajectoryPoint(positions=list(map(float, point)), time_from_start=due))
    return JointTrajectory(joint_names=list(names), points=made)
