"""How fast an arm moves, from where it was: for arms that report positions alone."""

from collections.abc import Sequence

from hardware.rotation import rotation_vector
from robot_rl.axes import Vector

_SMOOTHING_S = 0.05


class Rates:
    """Differences of successive positions, smoothed over about `_SMOOTHING_S`."""

    def __init__(self) -> None:
        self._before: tuple[float, Vector, Vector, Vector] | None = None
        self.joints: Vector = ()
        self.linear: Vector = (0.0, 0.0, 0.0)
        self.turn: Vector = (0.0, 0.0, 0.0)

    def update(self, stamp_s: float, joints: Vector, pos_m: Vector, quat: Vector) -> None:
        """A later measurement; `joints`, `linear` and `turn` are its rates from then on."""
        if self._before is None:
            self.joints = (0.0,) * len(joints)
        else:
            then_s, *then = self._before
            span_s = max(stamp_s - then_s, 1e-4)
            new = min(1.0, span_s / _SMOOTHING_S)
            self.joints = _blend(self.joints, joints, then[0], span_s, new)
            self.linear = _blend(self.linear, pos_m, then[1], span_s, new)
            turned = rotation_vector(quat, then[2])
            self.turn = _blend(self.turn, turned, (0.0, 0.0, 0.0), span_s, new)
        self._before = (stamp_s, joints, pos_m, quat)


def _blend(
    old: Vector, now: Sequence[float], then: Sequence[float], span_s: float, new: float
) -> Vector:
    return tuple(
        (1.0 - new) * rate + new * (b - a) / span_s
        for rate, a, b in zip(old, then, now, strict=True)
    )
