"""UFACTORY's xArm 5, 6, 7 and Lite 6, over `xarm-python-sdk`.

Velocities are sent with a duration: where no other follows, the controller itself stops the arm,
whatever became of this process or the cable.
"""

import contextlib
import io
import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from hardware.arm import ArmFeatures, ArmState
from hardware.arms.following import joint_axes, tcp_axes
from hardware.arms.gripper_rate import GripperByRate
from hardware.arms.polled import PolledArm
from hardware.arms.rates import Rates
from hardware.rotation import from_roll_pitch_yaw
from robot_rl.errors import ConfigError, HardwareError, MissingPackageError

_JOINTS = tuple(f"joint{place}" for place in range(1, 8))
_MODES = {"tcp": 5, "joints": 4}  # the controller's: Cartesian and joint velocity
_ANSWER_S = 0.2
_CONNECT_S = 5.0
# The gripper counts from 0 (closed) to 850, and opens 86 mm.
_GRIPPER_FULL, _GRIPPER_M = 850.0, 0.043
_READY, _PAUSED = 0, 3


class XArm(PolledArm):
    """`address` is the controller's, in numbers. `control` chooses the axes: `tcp` or `joints`.

    `mount_m` is where its base stands in the task's frame.
    """

    def __init__(
        self,
        address: str,
        control: str = "tcp",
        joints: int = 6,
        gripper: bool = True,
        rate_hz: float = 50.0,
        joint_limit_rad: float = 2 * math.pi,
        mount_m: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        if control not in _MODES or joints not in (5, 6, 7):
            raise ConfigError(f"an xArm has 5, 6 or 7 joints ({joints}), and {control} is no mode.")
        super().__init__("xarm", rate_hz)
        self._address, self._mode, self._gripper = address, _MODES[control], gripper
        names = _JOINTS[:joints]
        self.features = ArmFeatures(
            name="xarm",
            axes=tcp_axes() if control == "tcp" else joint_axes(names),
            joint_names=names,
            joint_low_rad=(-joint_limit_rad,) * joints,
            joint_high_rad=(joint_limit_rad,) * joints,
            gripper_max_m=_GRIPPER_M if gripper else 0.0,
            rest_quat=(0.0, 1.0, 0.0, 0.0),
        )
        self._api: Any = None
        self._lock = threading.Lock()
        self._rates = Rates()
        self._fingers = GripperByRate(_GRIPPER_M, self._grip)
        self._mount_m = tuple(mount_m)
        self._clears = False

    def command(self, command: Sequence[float], duration_s: float) -> None:
        self.require_sound()
        *motion, gripper_rate = command
        self._fingers.command(gripper_rate, duration_s)
        self._send(motion, duration_s)

    def stop(self) -> None:
        self._fingers.stop()
        self._send([0.0] * (len(self.features.axes) - 1), 0.0)

    # ---------------------------------------------------------------------- the controller

    def _send(self, motion: Sequence[float], duration_s: float) -> None:
        with self._lock:
            if self._api is None:
                raise HardwareError(f"the xArm at {self._address} is not connected.")
            # With a duration of 0 it would go on for ever: zero speeds may.
            if self._mode == _MODES["tcp"]:
                speeds = [*(1000.0 * rate for rate in motion[:3]), *motion[3:]]
                code = self._api.vc_set_cartesian_velocity(
                    speeds, is_radian=True, duration=duration_s
                )
            else:
                code = self._api.vc_set_joint_velocity(
                    list(motion), is_radian=True, duration=duration_s
                )
        self._require(code, "a velocity")

    def recover(self) -> None:
        """Also clears the controller's error, which nothing else does."""
        self._clears = True
        try:
            super().recover()
        finally:
            self._clears = False

    def _open(self) -> None:
        self._api = self._connected()
        self._require_sound()
        with self._lock:
            for what, code in (
                ("switching its motors on", self._api.motion_enable(True)),
                ("velocity control", self._api.set_mode(self._mode)),
                ("getting ready", self._api.set_state(_READY)),
                ("its gripper", self._gripper_on()),
            ):
                if code != 0:
                    raise HardwareError(
                        f"the xArm at {self._address} refused {what} (code {code}). Is its "
                        "emergency stop released, and no other program in control?"
                    )
        self._rates = Rates()
        self._fingers.begin(self._opening_m())

    def _require_sound(self) -> None:
        with self._lock:
            if self._clears:
                self._api.clean_error()
            code, (error, _) = self._api.get_err_warn_code()
            if code or error:
                raise HardwareError(_stopped(error))

    def _connected(self) -> Any:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints
                from xarm.core.utils.log import logger, origin_logger
                from xarm.wrapper import XArmAPI
        except ImportError as error:
            raise MissingPackageError("xarm-python-sdk", "pip install 'robot-rl[xarm]'") from error
        for each in (logger, origin_logger):
            each.setLevel(logging.CRITICAL + 1)
        before = socket.getdefaulttimeout()
        # Nothing but TCP: it would prefer a file that anybody may put into /tmp.
        api = XArmAPI(
            self._address, is_radian=True, do_not_open=True, forbid_uds=True, enable_report=False
        )
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                _within(api.connect, _CONNECT_S)
        except Exception as error:  # the package raises nothing narrower
            api.disconnect()
            raise HardwareError(
                f"no xArm controller answers at {self._address} ({error}). Is it switched on and "
                "in this network?"
            ) from error
        finally:
            socket.setdefaulttimeout(before)  # the package sets it for the whole process
        api.set_timeout(_ANSWER_S)
        return api

    def _gripper_on(self) -> int:
        if not self._gripper:
            return 0
        return self._api.set_gripper_enable(True) or self._api.set_gripper_mode(0)

    def _opening_m(self) -> float:
        if not self._gripper:
            return 0.0
        with self._lock:
            code, counts = self._api.get_gripper_position()
        self._require(code, "to tell of its gripper")
        return _GRIPPER_M * float(counts) / _GRIPPER_FULL

    def _measure(self) -> ArmState:
        stamp_s = time.time()
        state = self._ask("get_state")
        error, _ = self._ask("get_err_warn_code")
        if error or state >= _PAUSED:
            raise HardwareError(_stopped(error))
        pose = self._ask("get_position", is_radian=True)
        angles = self._ask("get_servo_angle", is_radian=True)
        joints = tuple(angles[: len(self.features.joint_names)])
        metres = (0.001 * part for part in pose[:3])
        pos_m = tuple(a + b for a, b in zip(metres, self._mount_m, strict=True))
        quat = from_roll_pitch_yaw(*pose[3:])
        self._rates.update(stamp_s, joints, pos_m, quat)
        return ArmState(
            joint_pos_rad=joints,
            joint_vel_rad_s=self._rates.joints,
            tcp_pos_m=pos_m,
            tcp_quat=quat,
            tcp_vel_m_s=self._rates.linear,
            tcp_rot_vel_rad_s=self._rates.turn,
            gripper_m=self._fingers.opening_m,
            stamp_s=stamp_s,
        )

    def _ask(self, what: str, **how: Any) -> Any:
        """One question: a stop waits for no more than one. Raises at the first that is not
        answered."""
        with self._lock:
            if self._api is None or not self._api.connected:
                raise HardwareError(f"the xArm at {self._address} went away.")
            code, answer = getattr(self._api, what)(**how)
        self._require(code, "to tell where it is")
        return answer

    def _measured(self, state: ArmState) -> None:
        if self._gripper:
            self._fingers.advance(self._period_s)

    def _grip(self, opening_m: float) -> None:
        counts = _GRIPPER_FULL * opening_m / _GRIPPER_M
        with self._lock:
            code = self._api.set_gripper_position(counts, wait=False, wait_motion=False)
        self._require(code, "to move its gripper")

    def _require(self, code: int, what: str) -> None:
        """1 says that it is in an error, which `_measure` tells of; 2 warns."""
        if code not in (0, 1, 2):
            raise HardwareError(f"the xArm at {self._address} refused {what} (code {code}).")

    def _shut(self) -> None:
        with self._lock:
            self._shut_api()

    def _shut_api(self) -> None:
        if self._api is not None:
            self._api.disconnect()
            self._api = None


def _stopped(error: int) -> str:
    return (
        f"the xArm stopped (error {error}; its manual lists them, 0 is a stop from outside). "
        "Remove the cause, then recover it."
    )


def _within(work: Any, limit_s: float) -> None:
    """A controller that is mute would keep the package waiting for minutes."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise TimeoutError(f"it said nothing for {limit_s:g} s")
    if raised:
        raise raised[0]
