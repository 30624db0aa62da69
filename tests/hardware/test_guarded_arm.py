"""The watchdog: silence after motion is a fault, silence after a hold is peace."""

import threading
import time

import pytest

from hardware.arm import ArmFeatures, ArmState
from hardware.guarded_arm import ArmMode, GuardedArm
from robot_rl.axes import GRIPPER, TCP_LINEAR, Axis
from robot_rl.errors import ConfigError, HardwareError

GO, STILL = (0.1, 0.0, 0.0, 0.0), (0.0,) * 4


class PaperArm:
    """The smallest arm: it remembers what it was told and when."""

    features = ArmFeatures(
        name="paper",
        axes=tuple(Axis(name=n, unit="m") for n in (*TCP_LINEAR, GRIPPER)),
        joint_names=("a",),
        joint_low_rad=(-1.0,),
        joint_high_rad=(1.0,),
    )

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []
        self.hang = threading.Event()
        self.hang.set()

    def connect(self) -> None:
        self._note("connect")

    def state(self) -> ArmState:
        return ArmState(
            joint_pos_rad=(0.0,),
            joint_vel_rad_s=(0.0,),
            tcp_pos_m=(0.3, 0, 0.1),
            tcp_quat=(1.0, 0.0, 0.0, 0.0),
            tcp_vel_m_s=(0, 0, 0),
            stamp_s=time.time(),
        )

    def command(self, velocity, period_s) -> None:
        self._note("command")
        self.hang.wait(2.0)

    def stop(self) -> None:
        self._note("stop")

    def recover(self) -> None:
        self._note("recover")

    def disconnect(self) -> None:
        self._note("disconnect")

    def _note(self, what: str) -> None:
        self.told.append((what, time.monotonic()))

    def calls(self) -> list[str]:
        return [what for what, _ in self.told]


@pytest.fixture
def guarded():
    seen = []
    arm = GuardedArm(PaperArm(), 0.1, lambda mode, reason, mono_s: seen.append((mode, reason)))
    arm.seen = seen
    arm.start()
    yield arm
    arm.close()


def test_commands_are_refused_until_enabled_and_enabling_seeds_the_target(guarded):
    assert not guarded.command(GO, 0.1)
    guarded.enable()
    assert guarded.arm.calls() == ["connect", "stop"]
    assert guarded.command(GO, 0.1)
    assert guarded.mode == ArmMode.MOVING


def test_the_watchdog_stops_within_its_time_and_latches(guarded):
    guarded.enable()
    guarded.command(GO, 0.1)
    started = guarded.arm.told[-1][1]
    time.sleep(0.25)
    what, stopped = guarded.arm.told[-1]
    assert what == "stop"
    assert 0.1 <= stopped - started < 0.2
    assert guarded.mode == ArmMode.FAULT
    assert not guarded.command(GO, 0.1)
    guarded.recover()
    assert guarded.command(GO, 0.1)
    assert ("fault", "watchdog: commands ceased in motion") in guarded.seen


def test_silence_after_a_hold_is_no_fault(guarded):
    guarded.enable()
    guarded.command(GO, 0.1)
    guarded.command(STILL, 0.1)
    time.sleep(0.25)
    assert guarded.mode == ArmMode.HOLDING
    assert guarded.arm.calls().count("stop") == 2


def test_a_driver_that_hangs_in_a_command_is_stopped_all_the_same(guarded):
    guarded.enable()
    guarded.arm.hang.clear()
    threading.Thread(target=guarded.command, args=(GO, 0.1), daemon=True).start()
    time.sleep(0.05)
    guarded.mode = ArmMode.MOVING  # what the hung call would have set
    time.sleep(0.25)
    assert guarded.arm.calls()[-1] == "stop"
    guarded.arm.hang.set()


def test_closing_holds_first(guarded):
    guarded.enable()
    guarded.command(GO, 0.1)
    guarded.close()
    assert guarded.arm.calls()[-2:] == ["stop", "disconnect"]


def test_a_watchdog_outside_its_range_is_refused():
    with pytest.raises(ConfigError, match=r"\[0.1, 0.2\]"):
        GuardedArm(PaperArm(), 0.5)


def test_an_arm_that_cannot_hear_a_stop_is_refused_commands_and_watched_on():
    """Its line is gone: the mode says so, the watchdog lives, and recovery ends in holding."""
    arm = PaperArm()
    guarded = GuardedArm(arm, 0.1)
    guarded.start()
    guarded.enable()
    arm.stop = deaf
    guarded.command((0.1, 0.0, 0.0, 0.0), 1.0)
    deadline_s = time.monotonic() + 10.0
    while guarded.mode != ArmMode.FAULT:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert not guarded.command((0.1, 0.0, 0.0, 0.0), 1.0)
    del arm.stop
    guarded.recover()
    assert guarded.mode == ArmMode.HOLDING
    assert guarded.command((0.1, 0.0, 0.0, 0.0), 1.0)
    while guarded.mode != ArmMode.FAULT:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    closed = []
    arm.stop, arm.disconnect = deaf, lambda: closed.append(True)
    guarded.close()
    assert closed == [True]


def deaf():
    raise HardwareError("the cable is out")
