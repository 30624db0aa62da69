"""A served page with a picture, a state and one button."""

import time
from collections.abc import Callable

import cv2
import numpy as np

from robot_rl.interventions.device import Moment
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.web import TeleopPage
from robot_rl.types import ActionField, Interface, ProprioField, Scene

STATE = {
    "source": "policy",
    "reasons": ["camera frozen"],
    "counts": {"workspace box": "3"},
    "actions": [
        {"name": "x", "requested": 0.3, "applied": 0.15, "bound": 0.3, "unit": "m/s"},
    ],
    "joints": [{"name": "elbow", "position": 1.25, "unit": "rad"}],
    "latencies_ms": {"policy inference": 2.5},
    "guarded": True,
}


class Served:
    def __init__(self) -> None:
        self.operator = OperatorState(silence_s=0.15)
        self.pressed: list[str] = []
        picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        self.jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        actions = {"estop": lambda: self.pressed.append("estop") or "stopped by hand"}
        self.page = TeleopPage(
            self.operator,
            [field.name for field in arm_interface().actions],
            lambda: STATE,
            lambda: self.jpeg,
            actions,
            port=0,
            token="secret",
        )
        self.page.start()


def interface_of(*actions: ActionField) -> Interface:
    """Of an arm that tells where its tool is."""
    return Interface(
        task="test/arm",
        control_rate_hz=10.0,
        cameras=(),
        proprio=(
            ProprioField(name="tcp_pos", unit="m", size=3),
            ProprioField(name="gripper_opening", unit="m", size=1),
        ),
        actions=actions,
    )


def arm_interface() -> Interface:
    """The arm suite's actions."""
    names = (("tcp_x", 0.03), ("tcp_y", 0.03), ("tcp_z", 0.03), ("gripper", -0.02))
    return interface_of(
        *(
            ActionField(name=name, unit="m", scale=scale, kind="displacement", hold=0.0)
            for name, scale in names
        )
    )


# A drone with an arm: of every kind one. 12 N keep it in the air.
MIXED = interface_of(
    ActionField(name="tcp_rz", unit="rad", kind="displacement", scale=0.15, hold=0.0),
    ActionField(name="tcp_x", unit="m", kind="velocity", scale=0.2, hold=0.0),
    ActionField(name="joint/elbow", unit="rad", kind="position", scale=-2.0, offset=0.5, hold=None),
    ActionField(name="thrust", unit="N", kind="position", scale=10.0, offset=10.0, hold=0.2),
)


def moment(
    interface: Interface, measured: dict[str, float] | None = None, autonomous: str = "policy"
) -> Moment:
    """A policy that wants 0.5 everywhere, and where the axes stand."""
    return Moment(
        obs={},
        policy_action=np.full(interface.action_size, 0.5, np.float32),
        autonomous=autonomous,
        scene=Scene(measured=measured),
    )


def until(condition: Callable[[], bool], timeout_s: float = 3.0) -> bool:
    """Whether `condition` came true in time."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(0.01)
    return False
