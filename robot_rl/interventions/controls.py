"""What an operator calls an axis and which keys move it: the same at a terminal and on the page."""

from collections.abc import Iterable
from dataclasses import dataclass

from robot_rl.axes import GRIPPER, JOINT_PREFIX, TCP_ANGULAR, TCP_LINEAR

_KEYS = {
    **dict(zip(TCP_LINEAR, ("ws", "ad", "rf"), strict=True)),
    GRIPPER: "oc",
    **dict(zip(TCP_ANGULAR, ("tg", "ik", "jl"), strict=True)),
}
_ORDER = {axis: place for place, axis in enumerate(_KEYS)}
_NAMES: dict[str, str] = dict(
    zip((*TCP_LINEAR, *TCP_ANGULAR), ("x", "y", "z", "roll", "pitch", "yaw"), strict=True)
)
# For joints and whatever else a driver declares, first come, first served.
_FREE_KEYS = ("12", "34", "56", "78", "90", "uh", "pm", "vb", "ez")


@dataclass(frozen=True, kw_only=True)
class Control:
    """One axis: its name for people, and the keys that move it towards higher and lower numbers.

    `keys` is empty where none were left.
    """

    axis: str
    name: str
    keys: str

    @property
    def words(self) -> tuple[str, str]:
        """What the two keys do."""
        if self.axis == GRIPPER:
            return "open", "close"
        return f"{self.name} +", f"{self.name} \N{MINUS SIGN}"


def controls(axes: Iterable[str]) -> list[Control]:
    """One for each of `axes`, the tool's first."""
    free = iter(_FREE_KEYS)
    return [
        Control(
            axis=axis,
            name=_NAMES.get(axis, axis.removeprefix(JOINT_PREFIX)),
            keys=_KEYS.get(axis) or next(free, ""),
        )
        for axis in sorted(axes, key=lambda axis: _ORDER.get(axis, len(_ORDER)))
    ]
