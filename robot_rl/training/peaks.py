"""What a simulation measures of every step (`info["motion"]`), over episodes."""

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
    """The largest and the mean of each measure, over the `steps` that have it."""

    largest: dict[str, float] = field(default_factory=dict)
    total: dict[str, float] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    def add(self, measured: Mapping[str, float]) -> None:
        """Of one step."""
        for name, value in measured.items():
            self._count(name, value, value, 1)

    def metrics(self) -> dict[str, float]:
        """`<measure>_max` and `<measure>_mean`."""
        largest = {f"{name}_max": value for name, value in self.largest.items()}
        means = {f"{name}_mean": sum_ / self.steps[name] for name, sum_ in self.total.items()}
        return largest | means

    @classmethod
    def together(cls, episodes: Iterable["Peaks"]) -> "Peaks":
        """Of the steps of all of them."""
        every = cls()
        for peaks in episodes:
            for name, value in peaks.largest.items():
                every._count(name, value, peaks.total[name], peaks.steps[name])
        return every

    def _count(self, name: str, largest: float, total: float, steps: int) -> None:
        self.largest[name] = max(self.largest.get(name, largest), largest)
        self.total[name] = self.total.get(name, 0.0) + total
        self.steps[name] = self.steps.get(name, 0) + steps
