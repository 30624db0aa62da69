"""What a simulation measures of every step (`info["safety"]`), over episodes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from robot_rl.measures import Measure, Shown

SHOWN: Shown = {
    "joint_speed_max": Measure("largest joint speed (rad/s)"),
    "joint_jerk_mean": Measure("mean of the largest joint jerk (rad/s³)"),
    "contact_force_n_max": Measure("largest contact force (N)"),
}


@dataclass
class Peaks:
    """The largest and the mean of each measure, over `steps`."""

    largest: dict[str, float] = field(default_factory=dict)
    total: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    def add(self, measured: Mapping[str, float]) -> None:
        """Of one step; a step of which nothing is known counts nothing."""
        self.steps += bool(measured)
        for name, value in measured.items():
            self.largest[name] = max(self.largest.get(name, value), value)
            self.total[name] = self.total.get(name, 0.0) + value

    def metrics(self) -> dict[str, float]:
        """`<measure>_max` and `<measure>_mean`."""
        largest = {f"{name}_max": value for name, value in self.largest.items()}
        return largest | {f"{name}_mean": value / self.steps for name, value in self.total.items()}

    @classmethod
    def together(cls, episodes: Iterable["Peaks"]) -> "Peaks":
        """Of the steps of all of them."""
        every = cls()
        for peaks in episodes:
            every.steps += peaks.steps
            for name, value in peaks.largest.items():
                every.largest[name] = max(every.largest.get(name, value), value)
                every.total[name] = every.total.get(name, 0.0) + peaks.total[name]
        return every
