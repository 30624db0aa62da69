"""Deflections of axes as actions, whatever kind the policy's fields are of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from tests.interventions.served import MIXED, arm_interface, moment


class Levers:
    """Moves `axes`; the test writes the operator itself."""

    def __init__(self, *axes: str) -> None:
        self.axes = axes

    def start(self) -> None: ...
    def close(self) -> None: ...


class Driven:
    """The mixed robot under a hand."""

    def __init__(self) -> None:
        self._operator = OperatorState(silence_s=1.0)
        levers = Levers("gripper", *(field.name for field in MIXED.actions))
        self.device = OperatorDevice(self._operator, levers, MIXED)

    def push(self, elbow_rad: float, held: bool = True, **axes: float):
        """The action, where the elbow stands there."""
        self._operator.set(held, {name.replace("_elbow", "/elbow"): x for name, x in axes.items()})
        return self.device.read(moment(MIXED, {"joint/elbow": elbow_rad})).action


def test_deflection_is_a_share_of_the_greatest_action_and_still_is_hold():
    driven = Driven()
    still = driven.push(0.5)
    np.testing.assert_allclose(still, [0.0, 0.0, 0.0, 0.2], atol=1e-6)
    # From what holds the drone, 0.2, it is 0.8 up to full thrust and 1.2 down to none.
    np.testing.assert_allclose(driven.push(0.5, thrust=0.5, tcp_rz=-1.0)[[0, 3]], [-1.0, 0.6])
    np.testing.assert_allclose(driven.push(0.5, thrust=-0.5, tcp_x=0.25)[[1, 3]], [0.25, -0.4])
    np.testing.assert_allclose(driven.push(0.5, thrust=-1.0)[3], -1.0)


def test_a_set_point_goes_on_from_where_the_axis_stands():
    driven = Driven()
    # The elbow is turned by -2 rad per unit around 0.5 rad: at -0.5 rad the action is 0.5.
    assert driven.push(-0.5)[2] == pytest.approx(0.5)
    assert driven.push(-0.6)[2] == pytest.approx(0.5)  # it sags, and stays where it was told
    # Through the whole range in 4 s, at 10 Hz: 0.05 a step, and towards greater angles.
    assert driven.push(-0.5, joint_elbow=1.0)[2] == pytest.approx(0.45)
    assert driven.push(-0.5, joint_elbow=-0.5)[2] == pytest.approx(0.475)
    assert driven.push(-0.5)[2] == pytest.approx(0.475)


def test_a_set_point_waits_for_an_axis_that_is_blocked():
    driven = Driven()
    for _ in range(40):
        last = driven.push(-0.5, joint_elbow=1.0)
    assert last[2] == pytest.approx(0.5 - 0.25)


@pytest.mark.parametrize("between", ["let go", "new episode"])
def test_the_next_takeover_starts_from_there(between):
    driven = Driven()
    driven.push(-0.5)
    if between == "let go":
        assert driven.push(1.5, held=False) is None
    else:
        driven.device.begin_episode()
    assert driven.push(1.5)[2] == pytest.approx(-0.5)


@given(elbow_rad=st.floats(-1.5, 2.5))
def test_a_takeover_jumps_nowhere(elbow_rad):
    found = Driven().push(elbow_rad)
    held = MIXED.hold_action({"joint/elbow": elbow_rad})
    np.testing.assert_allclose(found, held, atol=1e-6)


def test_what_the_device_cannot_move_is_refused_with_both_lists():
    with pytest.raises(
        InterfaceMismatchError,
        match=r"acts on tcp_x, tcp_y, tcp_z, gripper; the device moves tcp_x, tcp_rz",
    ):
        OperatorDevice(OperatorState(), Levers("tcp_x", "tcp_rz"), arm_interface())
