"""A SpaceMouse played from recorded HID reports, decoded by pyspacemouse itself."""

import struct

import numpy as np
import pyspacemouse
import pytest

from robot_rl.errors import HardwareError
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from robot_rl.interventions.spacemouse import SpaceMouse, open_spacemouse
from robot_rl.types import ActionField, Interface
from tests.interventions.served import arm_interface, interface_of, moment, until

SIX = interface_of(
    *(
        ActionField(name=f"tcp_{axis}", unit=unit, kind="velocity", scale=1.0, hold=0.0)
        for axis, unit in (("x", "m"), ("y", "m"), ("z", "m"), *((f"r{a}", "rad") for a in "xyz"))
    )
)


class RecordedHid:
    """What hidapi offers of a device: `read`, `close`."""

    def __init__(self) -> None:
        self.reports: list[bytes] = []
        self.unplugged = False

    def read(self, size: int) -> bytes:
        if self.unplugged:
            raise RuntimeError("read error")
        return self.reports.pop(0) if self.reports else b""

    def close(self) -> None:
        pass


def opened(hid: RecordedHid, interface: Interface) -> OperatorDevice:
    spec = pyspacemouse.get_device_specs()["SpaceMouseCompact"]
    spec = pyspacemouse.apply_axis_convention(spec, pyspacemouse.AxisConvention.ROS)
    mouse = pyspacemouse.SpaceMouseDevice(spec)
    mouse._device = hid
    operator, wanted = OperatorState(), [field.name for field in interface.actions]
    device = OperatorDevice(operator, SpaceMouse(operator, wanted, lambda: mouse), interface)
    device.start()
    return device


@pytest.fixture
def played():
    hid = RecordedHid()
    device = opened(hid, arm_interface())
    yield hid, device
    device.close()


def read(device: OperatorDevice, interface: Interface | None = None):
    return device.read(moment(interface or arm_interface()))


def translation(x: int, y: int, z: int) -> bytes:
    return struct.pack("<Bhhh", 1, x, y, z) + bytes(6)


def test_pushing_the_cap_takes_over_and_letting_go_hands_back(played):
    hid, device = played
    assert not read(device).held
    hid.reports.append(translation(0, -350, 0))  # the device's y points towards the operator
    assert until(lambda: read(device).held)
    np.testing.assert_allclose(read(device).action, [1.0, 0.0, 0.0, 0.0], atol=1e-6)
    hid.reports.append(translation(350, 0, 0))
    assert until(lambda: read(device).action is not None and read(device).action[1] == -1.0)
    hid.reports.append(translation(3, 0, 0))
    assert until(lambda: not read(device).held)


def rotation(rx: int, ry: int, rz: int) -> bytes:
    """About the device's axes: right, towards the operator, down."""
    return struct.pack("<Bhhh", 2, rx, ry, rz) + bytes(6)


def test_the_cap_turns_the_tool_about_the_same_axes():
    hid = RecordedHid()
    device = opened(hid, SIX)
    for report, wanted in (
        (rotation(0, 0, 350), [0, 0, 0, 0, 0, -1]),  # clockwise from above
        (rotation(-350, 0, 0), [0, 0, 0, 0, 1, 0]),  # tipped ahead
        (rotation(0, -350, 0), [0, 0, 0, 1, 0, 0]),  # tipped to the right
    ):
        hid.reports.append(report)
        assert until(lambda wanted=wanted: np.array_equal(read(device, SIX).action, wanted))
    device.close()


def test_turning_what_the_robot_cannot_turn_takes_over_nothing(played):
    hid, device = played
    hid.reports.append(rotation(0, 0, 350))
    hid.reports.append(translation(0, 0, 0))
    assert until(lambda: not hid.reports)
    assert not read(device).held


def test_a_button_closes_the_gripper(played):
    hid, device = played
    hid.reports.append(struct.pack("<BBB", 3, 1, 0) + bytes(10))
    assert until(lambda: read(device).held)
    assert read(device).action[3] == 1.0


def test_unplugged_in_the_middle_is_one_clear_error(played):
    hid, device = played
    hid.unplugged = True
    with pytest.raises(HardwareError, match="the SpaceMouse was unplugged"):
        until(lambda: read(device) is None)


def test_without_one_the_remedy_is_told():
    with pytest.raises(HardwareError, match="idVendor"):
        open_spacemouse()
