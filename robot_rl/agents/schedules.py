"""Schedules over environment steps."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LinearSchedule:
    """From `start` to `end` over `steps` environment steps, then constant."""

    start: float = 1.0
    end: float = 0.1
    steps: int = 100_000

    def __call__(self, step: float) -> float:
        progress = min(max(step / self.steps, 0.0), 1.0)
        return self.start + progress * (self.end - self.start)
