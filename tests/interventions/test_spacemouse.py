"""A SpaceMouse played from recorded HID reports, decoded by pyspacemouse itself."""

import struct

import numpy as np
import pyspacemouse
import pytest

from robot_rl.errors import HardwareError
from robot_rl.interventions.device import Moment
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from robot_rl.interventions.spacemouse import SpaceMouse, open_spacemouse
from tests.interventions.served import arm_interface, until


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


@pytest.fixture
def played():
    hid = RecordedHid()
    spec = pyspacemouse.get_device_specs()["SpaceMouseCompact"]
    mouse = pyspacemouse.SpaceMouseDevice(spec)
    mouse._device = hid
    operator = OperatorState()
    device = OperatorDevice(operator, SpaceMouse(operator, lambda: mouse), arm_interface())
    device.start()
    yield hid, device
    device.close()


def read(device: OperatorDevice):
    return device.read(Moment(obs={}, policy_action=np.zeros(4, np.float32)))


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
