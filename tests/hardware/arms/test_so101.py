"""The SO-101's driver against a bus that speaks its protocol, to the maker's own client, too."""

import json
import math
import time

import numpy as np
import pytest
import scservo_sdk as scservo

from hardware.arms.feetech import FeetechBus
from hardware.arms.following import LEAD_RAD
from hardware.arms.so101 import JOINTS, SO101, open_leader, read_calibration
from hardware.drivers import ARMS, load_driver
from hardware.guarded_arm import ArmMode, GuardedArm
from robot_rl.errors import ConfigError, CorruptFileError, HardwareError
from sim.arms.so101 import SO101 as SO101_MODEL
from tests.hardware.arms.servo_bus import ServoBus

CALIBRATION = {
    name: {
        "id": place + 1,
        "drive_mode": 0,
        "homing_offset": offset,
        "range_min": low,
        "range_max": high,
    }
    for place, (name, offset, low, high) in enumerate(
        [
            ("shoulder_pan", -1365, 746, 3477),
            ("shoulder_lift", -1200, 822, 3211),
            ("elbow_flex", 986, 901, 3110),
            ("wrist_flex", -1696, 849, 3216),
            ("wrist_roll", -375, 0, 4095),
            ("gripper", 1871, 1975, 3565),
        ]
    )
}


@pytest.fixture
def bus(monkeypatch):
    """Its servos answer by a thread of this process, which a busy machine may keep waiting."""
    monkeypatch.setattr("hardware.arms.feetech._REPLY_S", 0.4)
    made = ServoBus(CALIBRATION)
    yield made
    made.unplug()


@pytest.fixture
def settings(bus, tmp_path):
    path = tmp_path / "arm.json"
    path.write_text(json.dumps(CALIBRATION))
    return {"port": bus.path, "calibration": str(path)}


@pytest.fixture
def connect(settings):
    made = []

    def opened(**more):
        arm = SO101(**{**settings, **more})
        made.append(arm)
        arm.connect()
        return arm

    yield opened
    for arm in made:
        try:
            arm.disconnect()
        except HardwareError:
            arm._bus.close()


def until(holds, within_s=10.0):
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(0.005)


def test_it_stands_where_it_stood_when_its_torque_comes_on(bus, connect):
    before = {number: servo.position for number, servo in bus.servos.items()}
    arm = connect()
    assert set(bus.torque().values()) == {1}
    time.sleep(0.2)
    for number, servo in bus.servos.items():
        assert abs(servo.position - before[number]) < 3, "it jumped to an old goal"
    state = arm.state()
    np.testing.assert_allclose(state.joint_pos_rad, 0.0, atol=2e-3)
    # Half way of its travel the jaw stands at 0.785 rad of the model.
    assert state.gripper_m == pytest.approx(0.04 * (0.7854 + 0.06) / (1.11 + 0.06), abs=2e-4)


def test_angles_are_counted_from_the_middle_of_the_range(bus, connect):
    arm = connect(zero_rad={"elbow_flex": 0.1}, flipped=["shoulder_pan"])
    bus.servos[1].blocked = bus.servos[3].blocked = True
    bus.servos[1].position += 1024
    bus.servos[3].position -= 512
    until(lambda: abs(arm.state().joint_pos_rad[0] + math.pi / 2) < 2e-3)
    assert arm.state().joint_pos_rad[2] == pytest.approx(0.1 - math.pi / 4, abs=2e-3)


def test_the_tool_moves_as_it_is_told_and_no_further(bus, connect):
    for number, rad in enumerate(SO101_MODEL.home_rad, 1):  # the tool points down
        bus.servos[number].position += rad * 4096 / (2 * math.pi)
    arm = connect()
    start = np.array(arm.state().tcp_pos_m)
    for _ in range(20):
        arm.command((0.0, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0), 0.15)
        time.sleep(0.05)
    until(lambda: max(map(abs, arm.state().tcp_vel_m_s)) < 1e-3)
    went = np.array(arm.state().tcp_pos_m) - start
    assert 0.04 < went[1] < 0.07, went
    assert np.abs(went[[0, 2]]).max() < 0.01, went
    time.sleep(0.3)
    there = np.array(arm.state().tcp_pos_m)
    time.sleep(0.3)
    np.testing.assert_allclose(arm.state().tcp_pos_m, there, atol=1e-4)


def test_joints_and_jaw_by_rate(bus, connect):
    arm = connect(control="joints")
    assert [axis.name for axis in arm.features.axes] == [*(f"joint/{n}" for n in JOINTS), "gripper"]
    opened = arm.state().gripper_m
    for _ in range(10):
        arm.command((0.0, 0.0, 0.4, 0.0, 0.0, -0.02), 0.2)
        time.sleep(0.05)
    until(lambda: arm.state().joint_pos_rad[2] > 0.18)
    assert arm.state().gripper_m < opened - 0.008


def test_what_it_could_not_follow_is_not_made_up_for(bus, connect):
    arm = connect(control="joints")
    bus.servos[1].blocked = True
    for _ in range(20):
        arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.2)
        time.sleep(0.05)
    time.sleep(0.3)  # the last command is over
    bus.servos[1].blocked = False
    time.sleep(0.5)
    assert arm.state().joint_pos_rad[0] <= LEAD_RAD + 0.02


def test_a_stop_ends_the_motion_where_it_is(bus, connect):
    arm = connect(control="joints")
    arm.command((2.0, 0.0, 0.0, 0.0, 0.0, 0.0), 2.0)
    until(lambda: arm.state().joint_pos_rad[0] > 0.3)
    arm.stop()
    at = arm.state().joint_pos_rad[0]
    time.sleep(0.3)
    assert arm.state().joint_pos_rad[0] < at + 0.1


def test_an_arm_that_hangs_below_its_targets_does_not_sink_at_every_stop(bus, connect):
    arm = connect(control="joints")
    servo = bus.servos[2]
    servo.blocked = True
    servo.position -= 20  # 0.03 rad
    for _ in range(10):
        arm.stop()
        time.sleep(0.03)
    assert servo.word(42) >= servo.position + 19


@pytest.mark.parametrize("trouble", ["damaged", "late", "split"])
def test_replies_that_come_badly_are_asked_for_again(bus, connect, trouble):
    arm = connect()
    if trouble == "damaged":
        bus.damaged = 2
    elif trouble == "late":
        bus.late_s = 0.02
    else:
        bus.split = True
    for _ in range(10):
        time.sleep(0.02)
        np.testing.assert_allclose(arm.state().joint_pos_rad, 0.0, atol=2e-3)


def test_an_overload_stops_it_and_recovers_where_it_stands(bus, connect):
    arm = connect(control="joints")
    bus.servos[3].error = 0x20
    with pytest.raises(HardwareError, match=r"servo 3 \(elbow_flex\) stopped: it is overloaded"):
        until(lambda: arm.state() is None)
    with pytest.raises(HardwareError, match="overloaded"):
        arm.recover()
    bus.servos[3].error, bus.servos[3].blocked = 0, True
    bus.servos[3].position = 1500.0  # a hand freed it
    arm.recover()
    assert set(bus.torque().values()) == {1}
    bus.servos[3].blocked = False
    time.sleep(0.1)
    assert abs(bus.servos[3].position - 1500.0) < 3


def test_nothing_moves_on_after_an_error(bus, connect):
    """A joint that lags behind its target when another one fails stays where it is."""
    arm = connect(control="joints")
    bus.servos[1].blocked = True
    arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1.0)
    until(lambda: bus.servos[1].word(42) > bus.servos[1].position + 50)
    bus.servos[3].error = 0x20
    until(lambda: arm._error is not None)
    at = bus.servos[1].position
    bus.servos[1].blocked = False
    time.sleep(0.3)
    assert abs(bus.servos[1].position - at) < 3
    with pytest.raises(HardwareError, match="overloaded"):
        arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1.0)


def test_joints_beyond_the_models_limits_and_a_jaw_at_its_end_do_not_leap(bus, connect):
    """Real ranges are wider than the model's: who stands there is only kept from going on."""
    bus.servos[5].position = 4000.0  # 3.0 rad of wrist roll; the model ends at 2.84
    bus.servos[6].position = 3565.0  # wide open
    before = {number: servo.position for number, servo in bus.servos.items()}
    arm = connect(control="joints")
    arm.command((0.01, 0.0, 0.0, 0.0, 0.2, 0.0), 0.2)
    time.sleep(0.4)
    for number, servo in bus.servos.items():
        assert abs(servo.position - before[number]) < 6, number
    arm.command((0.0, 0.0, 0.0, 0.0, -0.5, 0.0), 0.3)
    until(lambda: bus.servos[5].position < 3960)


def test_a_stop_does_not_let_go_of_what_is_held(bus, connect):
    arm = connect(control="joints")
    bus.servos[6].blocked = True  # on something
    for _ in range(10):
        arm.command((0.0, 0.0, 0.0, 0.0, 0.0, -0.05), 0.2)
        time.sleep(0.03)
    squeezed = bus.servos[6].word(42)
    assert squeezed < bus.servos[6].position - 50
    arm.stop()
    time.sleep(0.1)
    assert bus.servos[6].word(42) <= squeezed + 5


def test_a_servo_that_would_turn_by_itself_is_refused(bus, settings):
    bus.servos[2].table[33] = 1
    with pytest.raises(HardwareError, match=r"servo 2 \(shoulder_lift\) is not in position mode"):
        SO101(**settings).connect()
    assert set(bus.torque().values()) == {0}
    bus.servos[2].table[33] = 0
    other = SO101(**settings)
    other.connect()  # the port was not left open
    other.disconnect()


def test_an_unplugged_bus_is_told_and_the_guard_faults(bus, settings, connect):
    arm = connect()
    bus.unplug()
    began_s = time.monotonic()
    with pytest.raises(HardwareError, match=r"the serial port .* went away"):
        until(lambda: arm.state() is None)
    assert time.monotonic() - began_s < 2.0
    with pytest.raises(HardwareError, match="cannot be opened"):
        arm.recover()


def test_it_comes_back_when_it_is_plugged_in_again(bus, tmp_path, connect):
    link = tmp_path / "so101"  # a name that stays, as udev gives
    link.symlink_to(bus.path)
    arm = connect(port=str(link))
    bus.unplug()
    with pytest.raises(HardwareError, match="went away"):
        until(lambda: arm.state() is None)
    other = ServoBus(CALIBRATION)
    try:
        link.unlink()
        link.symlink_to(other.path)
        arm.recover()
        assert arm.state().joint_pos_rad == pytest.approx((0.0,) * 5, abs=2e-3)
        assert set(other.torque().values()) == {1}
    finally:
        arm.disconnect()
        other.unplug()


def test_behind_the_guard_silence_holds_it(bus, settings):
    arm = GuardedArm(SO101(**settings, control="joints"), 0.1)
    arm.start()
    arm.enable()
    arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 10.0)
    until(lambda: arm.mode == ArmMode.FAULT)
    at = arm.arm.state().joint_pos_rad[0]
    time.sleep(0.3)
    assert arm.arm.state().joint_pos_rad[0] < at + 0.1
    arm.recover()
    assert arm.mode == ArmMode.HOLDING
    arm.close()


def test_a_leader_is_limp_and_takes_no_commands(bus, settings):
    arm = open_leader(**settings)
    arm.connect()
    assert set(bus.torque().values()) == {0}
    bus.servos[5].position = 3000.0
    until(lambda: abs(arm.state().joint_pos_rad[4] - (3000 - 2047.5) * 2 * math.pi / 4096) < 2e-3)
    with pytest.raises(HardwareError, match="moved by hand"):
        arm.command((0.0,) * 7, 0.1)
    arm.disconnect()


def test_a_silent_servo_and_another_arms_calibration_are_refused(bus, settings, tmp_path):
    bus.servos[4].silent = True
    with pytest.raises(HardwareError, match=r"4 is silent.*power supply"):
        SO101(**settings).connect()
    bus.servos[4].silent = False
    bus.servos[2].set_word(9, 800)
    with pytest.raises(HardwareError, match=r"servo 2 \(shoulder_lift\) holds .* 800 to 3211"):
        SO101(**settings).connect()
    assert set(bus.torque().values()) == {0}


def test_bad_settings(tmp_path, settings):
    with pytest.raises(CorruptFileError, match="lerobot-calibrate"):
        read_calibration(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="tcp or joints"):
        SO101(**{**settings, "control": "torque"})
    with pytest.raises(HardwareError, match="cannot be opened"):
        SO101(**{**settings, "port": str(tmp_path / "ttyACM0")}).connect()
    with pytest.raises(ConfigError, match="unexpected keyword argument 'colour'"):
        load_driver(ARMS, "so101", {**settings, "colour": "black"})


def test_a_port_has_one_reader(bus, settings, connect):
    connect()
    with pytest.raises(HardwareError, match="free"):
        SO101(**settings).connect()


def test_the_makers_client_reads_the_same_bus(bus):
    """The bus of these tests is what the protocol says, and not what our driver believes."""
    port = scservo.PortHandler(bus.path)
    assert port.openPort()
    assert port.setBaudRate(1_000_000)
    packets = scservo.PacketHandler(0)
    model, result, error = packets.read2ByteTxRx(port, 3, 3)
    assert (model, result, error) == (777, 0, 0)
    group = scservo.GroupSyncRead(port, packets, 56, 2)
    for number in bus.servos:
        group.addParam(number)
    assert group.txRxPacket() == 0
    theirs = [group.getData(number, 56, 2) for number in bus.servos]
    port.closePort()
    ours = FeetechBus(bus.path, list(bus.servos))
    ours.open()
    assert [state.position for state in ours.states().values()] == theirs
    ours.close()
