"""Watches one camera for what a policy cannot see: no frames, one frame for ever, no picture."""

import zlib
from dataclasses import dataclass

from robot_rl.deploy.verdicts import Reason

_SAMPLES = 1024


@dataclass(frozen=True, kw_only=True)
class CameraLimits:
    """A frame may be `max_age_s` old.

    Identical frames count as frozen once the tcp has moved `frozen_travel_m` under them: a
    camera that looks at a still scene may rightly repeat itself. A frame whose grey levels span
    less than `blank_span` shows nothing.
    """

    max_age_s: float = 0.15
    future_tolerance_s: float = 0.05
    frozen_travel_m: float = 0.005
    blank_span: int = 8


class CameraWatch:
    """Fed with every frame and asked at any time. Stamps are system time."""

    def __init__(self, limits: CameraLimits | None = None) -> None:
        self.limits = limits or CameraLimits()
        self._stamp_s: float | None = None
        self._digest: int | None = None
        self._anchor: tuple[float, ...] = ()
        self._repeats = 0
        self._travel_m = 0.0
        self._blank = False
        self._malformed = False

    def see(self, frame: memoryview, stamp_s: float, tcp_pos: tuple[float, ...]) -> None:
        """`frame` is the raw bytes of one image; `tcp_pos` [3] m is where the arm was then."""
        digest = zlib.crc32(frame)
        self._stamp_s = stamp_s
        self._malformed = False
        self._blank = _span(frame) < self.limits.blank_span
        if digest != self._digest:
            self._digest, self._anchor, self._repeats = digest, tcp_pos, 0
            self._travel_m = 0.0
            return
        self._repeats += 1
        moved = (abs(a - b) for a, b in zip(tcp_pos, self._anchor, strict=False))
        self._travel_m = max(self._travel_m, max(moved, default=0.0))

    def refuse(self) -> None:
        """A picture came that cannot be read: a fault until one comes that can."""
        self._malformed = True

    def fault(self, now_s: float) -> Reason | None:
        """What is wrong with the camera now, or None.

        Frozen ends with a frame that differs, however long that takes and wherever the arm stands.
        """
        if self._malformed:
            return Reason.CAMERA_MALFORMED
        if self._stamp_s is None or now_s - self._stamp_s > self.limits.max_age_s:
            return Reason.STALE_OBSERVATION
        if self._stamp_s - now_s > self.limits.future_tolerance_s:
            return Reason.CLOCK_JUMP
        if self._blank:
            return Reason.CAMERA_BLANK
        if self._repeats and self._travel_m > self.limits.frozen_travel_m:
            return Reason.CAMERA_FROZEN
        return None


def _span(frame: memoryview) -> int:
    sample = frame[:: max(1, len(frame) // _SAMPLES)].tobytes()
    return max(sample) - min(sample) if sample else 0
