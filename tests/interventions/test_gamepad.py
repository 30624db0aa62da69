"""A gamepad played from a recorded event stream, through a real pipe."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from robot_rl.errors import HardwareError, InterfaceMismatchError
from robot_rl.interventions import gamepad as gamepad_module
from robot_rl.interventions.gamepad import (
    ABS_HAT0X,
    ABS_HAT0Y,
    ABS_RX,
    ABS_RY,
    ABS_X,
    ABS_Y,
    BTN_EAST,
    BTN_NORTH,
    BTN_SOUTH,
    DEADMAN,
    EV_ABS,
    EV_KEY,
    EVENT,
    AxisRange,
    Gamepad,
    open_gamepad,
)
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from robot_rl.types import ActionField
from tests.interventions.served import arm_interface, interface_of, moment, until

RANGES = {code: AxisRange(-32768, 32767) for code in (ABS_X, ABS_Y, ABS_RY)}
CROSS = {code: AxisRange(-1, 1) for code in (ABS_HAT0X, ABS_HAT0Y)}
ROTATIONS = interface_of(
    *(
        ActionField(name=name, unit="rad", kind="velocity", scale=1.0, hold=0.0)
        for name in ("tcp_rx", "tcp_ry", "tcp_rz")
    )
)


@pytest.fixture
def played():
    """(write an event, the device it drives)."""
    source, sink = os.pipe()
    operator = OperatorState()
    pad = Gamepad(operator, source, RANGES, "the test pad")
    device = OperatorDevice(operator, pad, arm_interface())
    device.start()

    def write(kind: int, code: int, value: int) -> None:
        os.write(sink, EVENT.pack(0, 0, kind, code, value))

    write.sink = sink
    yield write, device
    device.close()


def read(device: OperatorDevice):
    return device.read(moment(arm_interface()))


def test_axes_count_while_the_deadman_is_held(played):
    write, device = played
    write(EV_ABS, ABS_Y, -32768)  # forward
    write(EV_ABS, ABS_X, 3000)  # inside the dead zone
    time.sleep(0.06)
    assert not read(device).held
    write(EV_KEY, DEADMAN, 1)
    assert until(lambda: read(device).held)
    np.testing.assert_allclose(read(device).action, [1.0, 0.0, 0.0, 0.0], atol=1e-3)
    write(EV_KEY, BTN_SOUTH, 1)
    assert until(lambda: read(device).action[3] == 1.0)  # an action of 1 closes
    write(EV_KEY, BTN_SOUTH, 0)
    write(EV_KEY, BTN_EAST, 1)
    assert until(lambda: read(device).action[3] == -1.0)
    write(EV_KEY, DEADMAN, 0)
    assert until(lambda: not read(device).held)


def test_the_right_stick_and_the_cross_turn_the_tool():
    source, sink = os.pipe()
    operator = OperatorState()
    ranges = {**RANGES, ABS_RX: AxisRange(0, 255), **CROSS}
    device = OperatorDevice(operator, Gamepad(operator, source, ranges, "a pad"), ROTATIONS)
    device.start()
    for kind, code, value in (
        (EV_KEY, DEADMAN, 1),
        (EV_ABS, ABS_RX, 255),  # right: clockwise
        (EV_ABS, ABS_HAT0X, 1),
        (EV_ABS, ABS_HAT0Y, -1),  # ahead
    ):
        os.write(sink, EVENT.pack(0, 0, kind, code, value))
    wanted = [1.0, 1.0, -1.0]
    assert until(lambda: np.array_equal(device.read(moment(ROTATIONS)).action, wanted))
    device.close()
    os.close(sink)


def test_a_pad_without_the_sticks_is_refused_with_both_lists(played):
    _, device = played
    with pytest.raises(
        InterfaceMismatchError,
        match="acts on tcp_rx, tcp_ry, tcp_rz; the device moves tcp_x, tcp_y, tcp_z, gripper",
    ):
        OperatorDevice(OperatorState(), device._driver, ROTATIONS)


def test_a_button_is_said_once(played):
    write, device = played
    write(EV_KEY, BTN_NORTH, 1)
    assert until(lambda: read(device).events == {"success"})
    assert read(device).events == frozenset()


def test_what_was_said_between_episodes_is_not_for_the_next_one(played):
    write, device = played
    write(EV_KEY, BTN_NORTH, 1)
    time.sleep(0.1)
    device.begin_episode()
    assert read(device).events == frozenset()


def test_unplugged_in_the_middle_is_one_clear_error(played):
    write, device = played
    write(EV_KEY, DEADMAN, 1)
    assert until(lambda: read(device).held)
    os.close(write.sink)
    with pytest.raises(HardwareError, match=r"the test pad was unplugged\. What was recorded is"):
        until(lambda: read(device) is None)


def test_without_a_gamepad_it_says_where_it_looked(monkeypatch, tmp_path):
    monkeypatch.setattr(gamepad_module, "_NODES", tmp_path)
    with pytest.raises(HardwareError, match="no gamepad found"):
        open_gamepad(OperatorState())


def test_without_permission_the_udev_rule_is_told(tmp_path):
    node = tmp_path / "event7"
    node.touch()
    node.chmod(0)
    tmp_path.chmod(0o755)
    code = (
        "import os, sys, evdev\n"
        "from pathlib import Path\n"
        "from robot_rl.interventions import gamepad\n"
        "os.getuid() or os.setuid(65534)\n"  # root may read everything
        "gamepad._NODES = Path(sys.argv[1])\n"
        "gamepad._first_gamepad()"
    )
    for parent in tmp_path.parents:
        if parent != Path("/") and parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "no permission to read" in run.stderr
    assert 'SUBSYSTEM=="input", TAG+="uaccess"' in run.stderr
