"""Schedules over environment steps."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class LinearSchedule:
    """From `start` to `end` over `steps` environment steps, then constant.

    `steps` 0 takes `share` of the run's.
    """

    start: float = 1.0
    end: float = 0.1
    steps: int = 0
    share: float = 0.5

    def over(self, run_steps: int) -> "LinearSchedule":
        """The same with its length settled for a run of `run_steps`."""
        return self if self.steps else replace(self, steps=max(1, round(self.share * run_steps)))

    def __call__(self, step: float) -> float:
        progress = min(max(step / self.steps, 0.0), 1.0)
        return self.start + progress * (self.end - self.start)
