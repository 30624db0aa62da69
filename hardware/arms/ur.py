"""Universal Robots' arms: `ur-rtde` tells where they are, programs of one line move them.

Each such program moves the arm for its duration and ends: where no other follows, the controller
stops the arm, whatever became of this process or the cable. (`RTDEControlInterface` of the same
package moves it on for ever, and takes its whole process down where the connection breaks.)
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from hardware.arm import ArmFeatures, ArmState
from hardware.arms.following import joint_axes, tcp_axes
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
# Of `safety_mode`: in the first two it moves.
_SAFETY = {
    3: "a protective stop",
    4: "recovery mode",
    5: "a safeguard stop",
    6: "an emergency stop of the system",
    7: "its emergency stop",
    8: "a violation",
    9: "a fault",
}
_GRIPPER_LEAST_M = 0.0005


class UniversalRobot(PolledArm):
    """`address` is the controller's. `control` chooses the axes: `tcp` or `joints`.

    `gripper_m` is how far each finger of a Robotiq opens from the middle; 0 has none.
    """

    def __init__(
        self,
        address: str,
        control: str = "tcp",
        gripper_m: float = 0.0425,
        rate_hz: float = 125.0,
        acceleration_m_s2: float = 1.5,
        acceleration_rad_s2: float = 4.0,
    ) -> None:
        if control not in ("tcp", "joints"):
            raise ConfigError(f"control of a UR is '{control}'; it is tcp or joints.")
        super().__init__("ur", rate_hz)
        self._address = address
        self._verb, self._acceleration = "speedl", acceleration_m_s2
        if control == "joints":
            self._verb, self._acceleration = "speedj", acceleration_rad_s2
        self._gripper = Robotiq(address, gripper_m) if gripper_m else None
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
        self._stamp = self._fresh_s = 0.0
        self._wished_m = self._sent_m = 0.0
        self._gripper_rate, self._gripper_until_s = 0.0, 0.0

    def command(self, command: Sequence[float], duration_s: float) -> None:
        *motion, gripper_rate = command
        rates = ",".join(f"{rate:.6f}" for rate in motion)
        self._run(f"{self._verb}([{rates}],{self._acceleration:g},{duration_s:.3f})")
        self._gripper_rate = gripper_rate
        self._gripper_until_s = time.monotonic() + duration_s

    def stop(self) -> None:
        self._gripper_rate = 0.0
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
        try:
            import rtde_receive
        except ImportError as error:
            raise MissingPackageError("ur-rtde", "pip install 'robot-rl[ur]'") from error
        try:
            with self._lock:
                self._programs = socket.create_connection((self._address, _PROGRAMS), _CONNECT_S)
            self._receive = rtde_receive.RTDEReceiveInterface(
                self._address, 1.0 / self._period_s, _VARIABLES
            )
        except (OSError, RuntimeError) as error:
            self._shut()
            raise HardwareError(
                f"no controller of a UR answers at {self._address} ({error}). Is it switched on, "
                "in this network, and in remote control?"
            ) from error
        if self._gripper is not None:
            self._gripper.open()
            self._wished_m = self._sent_m = self._gripper.opening_m()
        self._stamp, self._fresh_s = 0.0, time.monotonic()

    def _measure(self) -> ArmState:
        source = self._receive
        stamp_s = time.time()
        self._require_fresh(source)
        safety, mode = source.getSafetyMode(), source.getRobotMode()
        if safety in _SAFETY or mode != _RUNNING:
            what = _SAFETY.get(safety, f"robot mode {mode} (7 is running)")
            raise HardwareError(
                f"the UR at {self._address} stands still: {what}. Remove the cause, then recover "
                "it."
            )
        pose, speed = source.getActualTCPPose(), source.getActualTCPSpeed()
        return ArmState(
            joint_pos_rad=tuple(source.getActualQ()),
            joint_vel_rad_s=tuple(source.getActualQd()),
            tcp_pos_m=tuple(pose[:3]),
            tcp_quat=from_rotation_vector(pose[3:]),
            tcp_vel_m_s=tuple(speed[:3]),
            tcp_rot_vel_rad_s=tuple(speed[3:]),
            gripper_m=self._sent_m,
            force_n=math.dist(source.getActualTCPForce()[:3], (0.0, 0.0, 0.0)),
            stamp_s=stamp_s,
        )

    def _require_fresh(self, source: Any) -> None:
        """The package goes on telling the last values of a controller that has gone."""
        now_s, stamp = time.monotonic(), source.getTimestamp()
        if stamp != self._stamp:
            self._stamp, self._fresh_s = stamp, now_s
        if not source.isConnected() or now_s - self._fresh_s > _SILENCE_S:
            raise HardwareError(f"the UR at {self._address} went away.")

    def _measured(self, state: ArmState) -> None:
        """The gripper is told where to be: its rate moves that place on."""
        if self._gripper is None:
            return
        if time.monotonic() < self._gripper_until_s:
            moved = self._wished_m + self._gripper_rate * self._period_s
            self._wished_m = min(max(moved, 0.0), self.features.gripper_max_m)
        if abs(self._wished_m - self._sent_m) > _GRIPPER_LEAST_M:
            self._gripper.move(self._wished_m)
            self._sent_m = self._wished_m

    def _release(self) -> None:
        """Raises `HardwareError` where the controller does not let go of a protective stop yet."""
        try:
            import dashboard_client
        except ImportError as error:
            raise MissingPackageError("ur-rtde", "pip install 'robot-rl[ur]'") from error
        board = dashboard_client.DashboardClient(self._address)
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
