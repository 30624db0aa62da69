"""The operator's web page as a device for a simulation or a `RobotEnv` in this process."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from robot_rl.interventions.device import Moment, Reading
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from robot_rl.interventions.web import TeleopPage, sayings
from robot_rl.types import IMAGE_PREFIX, PROPRIO, Interface

_SIZE = 384


class WebDevice(OperatorDevice):
    """Shows the cameras side by side, proprio, and the policy's wish beside what is done."""

    def __init__(self, operator: OperatorState, interface: Interface, port: int = 8090) -> None:
        self._interface = interface
        self._jpeg: bytes | None = None
        self._state: Mapping[str, Any] = _page_state("nobody", [], [])
        axes = [field.name for field in interface.actions]
        self.page = TeleopPage(
            operator,
            axes,
            lambda: self._state,
            lambda: self._jpeg,
            sayings(operator),
            port=port,
        )
        super().__init__(operator, self.page, interface)

    def start(self) -> None:
        super().start()
        print(f"operator's page: {self.page.url}", flush=True)

    def read(self, moment: Moment) -> Reading:
        reading = super().read(moment)
        self._jpeg = _picture(moment)
        source = "human" if reading.held else "nobody" if reading.lost else moment.autonomous
        applied = moment.policy_action if reading.action is None else reading.action
        if reading.lost:
            applied = self._interface.hold_action(moment.measured)
        self._state = _page_state(
            source, self._actions(moment.policy_action, applied), self._joints(moment)
        )
        return reading

    def _actions(self, requested: np.ndarray, applied: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "name": field.name,
                "requested": float(wish),
                "applied": float(done),
                "bound": 1.0,
                "unit": "",
            }
            for field, wish, done in zip(self._interface.actions, requested, applied, strict=True)
        ]

    def _joints(self, moment: Moment) -> list[dict[str, Any]]:
        """Proprio, number by number."""
        names = [
            (field.name if field.size == 1 else f"{field.name} {i}", field.unit)
            for field in self._interface.proprio
            for i in range(field.size)
        ]
        numbers = moment.obs.get(PROPRIO, np.zeros(0))
        return [
            {"name": name, "position": float(number), "unit": unit}
            for (name, unit), number in zip(names, numbers, strict=True)
        ]


def _picture(moment: Moment) -> bytes | None:
    """JPEG of all cameras side by side, each at its own shape."""
    frames = [image for key, image in moment.obs.items() if key.startswith(IMAGE_PREFIX)]
    if not frames:
        return None
    scaled = [cv2.resize(f, (_SIZE, _SIZE), interpolation=cv2.INTER_NEAREST) for f in frames]
    return cv2.imencode(".jpg", cv2.cvtColor(np.hstack(scaled), cv2.COLOR_RGB2BGR))[1].tobytes()


def _page_state(
    source: str, actions: list[dict[str, Any]], joints: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "source": source,
        "reasons": [],
        "counts": {},
        "actions": actions,
        "joints": joints,
        "latencies_ms": {},
        "guarded": False,
    }
