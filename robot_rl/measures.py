"""Which metrics a person is shown, and how they read: declared by whoever measures them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """A metric in words. A `share` lies in [0, 1] and reads as a percentage, a `count` is whole."""

    label: str
    form: Literal["number", "share", "count"] = "number"

    def text(self, value: float) -> str:
        if self.form == "share":
            return f"{100 * value:.0f} %"
        if self.form == "count":
            return f"{value:,.0f}"
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3f}"


# By the metric's name, in the order of the table.
Shown = Mapping[str, Measure]


def named(prefix: str, shown: Shown) -> dict[str, Measure]:
    """As they are logged: `critic_loss` of an agent is `train/critic_loss`."""
    return {prefix + name: measure for name, measure in shown.items()}
