"""A served page with a picture, a state and one button."""

import cv2
import numpy as np

from robot_rl.teleop.operator import OperatorState
from robot_rl.teleop.web import TeleopPage

STATE = {
    "source": "policy", "reasons": ["camera frozen"], "counts": {"workspace box": "3"},
    "actions": [
        {"name": "x", "requested": 0.3, "applied": 0.15, "bound": 0.3, "unit": "m/s"},
    ],
    "joints": [{"name": "elbow", "position": 1.25, "unit": "rad"}],
    "latencies_ms": {"policy inference": 2.5},
}  # fmt: skip


class Served:
    def __init__(self) -> None:
        self.operator = OperatorState(silence_s=0.15)
        self.pressed: list[str] = []
        picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        self.jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        actions = {"stop": lambda: self.pressed.append("stop") or "stopped by hand"}
        self.page = TeleopPage(
            self.operator, lambda: STATE, lambda: self.jpeg, actions, port=0, token="secret"
        )
        self.page.start()
