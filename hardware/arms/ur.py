"""Universal Robots' arms: `ur-rtde` tells where they are, programs of one line move them.

Each such program moves the arm for its duration and ends: where no other follows, the controller
stops the arm, whatever became of this process or the cable. (`RTDEControlInterface` of the same
package moves it on for ever, and takes its whole process down where the connection breaks.)
"""

import contextlib
import importlib
import math
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

from hardware.arm import ArmFeatures, ArmState
from hardware.arms.following import joint_axes, tcp_axes
from hardware.arms.gripper_rate import GripperByRate
from hardware.arms.polled import PolledArm
from hardware.arms.robotiq import Robotiq
from hardware.rotation import from_rotation_vector
from robot_rl.errors import ConfigError, HardwareError, MissingPackageError

JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
_PROGRAMS, _CONNECT_S = 30003, 2.0
_UNHEARD_MS = 200
_VARIABLES = [
    "timestamp",
    "actual_q",
    "actual_qd",
    "actual_TCP_pose",
    "actual_TCP_speed",
    "actual_TCP_force",
    "robot_mode",
    "safety_mode",
]
_SILENCE_S = 0.15
_RUNNING = 7
# Of `safety_mode`: where it may move, and the others by name.
_SOUND = (1, 2)
_SAFETY = {
    3: "a protective stop",
    4: "recovery mode",
    5: "a safeguard stop",
    6: "an emergency stop of the system",
    7: "its emergency stop",
    8: "a violation",
    9: "a fault",
}


class UniversalRobot(PolledArm):
    """`address` is the controller's. `control` chooses the axes: `tcp` or `joints`.

    `gripper_m` is how far each finger of a Robotiq opens from the middle; 0 has none. `mount_m` is
    where its base stands in the task's frame (task.arm=ur5e has it at -0.2, 0, 0).
    """

    def __init__(
        self,
        address: str,
        control: str = "tcp",
        gripper_m: float = 0.0425,
        rate_hz: float = 125.0,
        acceleration_m_s2: float = 1.5,
        acceleration_rad_s2: float = 4.0,
        mount_m: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        if control not in ("tcp", "joints"):
            raise ConfigError(f"control of a UR is '{control}'; it is tcp or joints.")
        super().__init__("ur", rate_hz)
        self._address = address
        self._verb, self._acceleration = "speedl", acceleration_m_s2
        if control == "joints":
            self._verb, self._acceleration = "speedj", acceleration_rad_s2
        self._gripper = Robotiq(address, gripper_m) if gripper_m else None
        self._fingers = GripperByRate(gripper_m, self._gripper.move if self._gripper else _nothing)
        self._mount_m = tuple(mount_m)
        self.features = ArmFeatures(
            name="ur",
            axes=tcp_axes() if control == "tcp" else joint_axes(JOINTS),
            joint_names=JOINTS,
            joint_low_rad=(-2 * math.pi,) * 6,
            joint_high_rad=(2 * math.pi,) * 6,
            gripper_max_m=gripper_m,
            reports_force=True,
            base_frame="base",
            rest_quat=(0.0, 1.0, 0.0, 0.0),
        )
        self._receive: Any = None
        self._programs: socket.socket | None = None
        self._lock = threading.Lock()
        self._stamp = self._fresh_s = self._stamp_s = 0.0

    def command(self, command: Sequence[float], duration_s: float) -> None:
        self.require_sound()
        *motion, gripper_rate = command
        rates = ",".join(f"{rate:.6f}" for rate in motion)
        self._fingers.command(gripper_rate, duration_s)
        self._run(f"{self._verb}([{rates}],{self._acceleration:g},{duration_s:.3f})")

    def stop(self) -> None:
        self._fingers.stop()
        self._run(f"stop{self._verb[-1]}({2 * self._acceleration:g})")

    def recover(self) -> None:
        """Also releases a protective stop, as a person would on the pendant."""
        if self._error is not None:
            self._release()
        super().recover()

    # ---------------------------------------------------------------------- the controller

    def _run(self, program: str) -> None:
        with self._lock:
            try:
                if self._programs is None:
                    raise OSError("it is not connected")
                self._programs.sendall(program.encode() + b"\n")
            except OSError as error:
                raise HardwareError(f"the UR at {self._address} went away ({error}).") from error

    def _open(self) -> None:
        rtde_receive = _module("rtde_receive")
        try:
            with self._lock:
                self._programs = _prompt(
                    socket.create_connection((self._address, _PROGRAMS), _CONNECT_S)
                )
            self._receive = rtde_receive.RTDEReceiveInterface(
                self._address, 1.0 / self._period_s, _VARIABLES
            )
        except (OSError, RuntimeError) as error:
            raise HardwareError(
                f"no controller of a UR answers at {self._address} ({error}). Is it switched on, "
                "in this network, and in remote control?"
            ) from error
        if self._gripper is not None:
            self._gripper.open()
            self._fingers.begin(self._gripper.opening_m())
        self._stamp, self._fresh_s, self._stamp_s = 0.0, time.monotonic(), time.time()

    def _measure(self) -> ArmState:
        source = self._receive
        self._require_fresh(source)
        safety, mode = source.getSafetyMode(), source.getRobotMode()
        if safety not in _SOUND or mode != _RUNNING:
            told = f"safety mode {safety}, robot mode {mode} (7 is running)"
            what = _SAFETY.get(safety, told)
            raise HardwareError(
                f"the UR at {self._address} stands still: {what}. Remove the cause, then recover "
                "it."
            )
        pose, speed = source.getActualTCPPose(), source.getActualTCPSpeed()
        return ArmState(
            joint_pos_rad=tuple(source.getActualQ()),
            joint_vel_rad_s=tuple(source.getActualQd()),
            tcp_pos_m=tuple(a + b for a, b in zip(pose[:3], self._mount_m, strict=True)),
            tcp_quat=from_rotation_vector(pose[3:]),
            tcp_vel_m_s=tuple(speed[:3]),
            tcp_rot_vel_rad_s=tuple(speed[3:]),
            gripper_m=self._fingers.opening_m,
            force_n=math.dist(source.getActualTCPForce()[:3], (0.0, 0.0, 0.0)),
            stamp_s=self._stamp_s,
        )

    def _require_fresh(self, source: Any) -> None:
        """The package goes on telling the last values of a controller that has gone."""
        now_s, stamp = time.monotonic(), source.getTimestamp()
        if stamp != self._stamp:
            self._stamp, self._fresh_s, self._stamp_s = stamp, now_s, time.time()
        if not source.isConnected() or now_s - self._fresh_s > _SILENCE_S:
            raise HardwareError(f"the UR at {self._address} went away.")

    def _measured(self, state: ArmState) -> None:
        self._fingers.advance(self._period_s)

    def _release(self) -> None:
        """Raises `HardwareError` where the controller does not let go of a protective stop yet."""
        board = _module("dashboard_client").DashboardClient(self._address)
        try:
            board.connect()
            if "PROTECTIVE" in board.safetystatus():
                board.closeSafetyPopup()
                board.unlockProtectiveStop()
        except RuntimeError as error:
            raise HardwareError(
                f"the UR at {self._address} stays stopped ({error}). It lets go 5 s after the stop "
                "at the earliest."
            ) from error
        finally:
            with contextlib.suppress(RuntimeError):
                board.disconnect()

    def _shut(self) -> None:
        if self._gripper is not None:
            self._gripper.close()
        if self._receive is not None:
            self._receive.disconnect()
            self._receive = None
        with self._lock:
            if self._programs is not None:
                self._programs.close()
                self._programs = None


def _module(name: str) -> Any:
    """One of those that the package `ur-rtde` brings."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError("ur-rtde", "pip install 'robot-rl[ur]'") from error


def _prompt(link: socket.socket) -> socket.socket:
    """Nothing waits in it: a program that did not go out at once must never arrive."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return link


def _nothing(opening_m: float) -> None:
    """No gripper."""
