"""Actors apart from the learner: how many, who starts them, and where they find it."""

from dataclasses import dataclass
from typing import Literal

from robot_rl.config.resume import resumable
from robot_rl.errors import ConfigError
from robot_rl.training.apart.wire import parsed


@dataclass(frozen=True, kw_only=True)
class ActorsConfig:
    """`count` 0: the learner's own process collects, and every step waits for its updates.

    Each actor has an environment of its own, or the robot. `where`: this command starts them here,
    or as tasks of a Ray cluster; `elsewhere` you do (`robot-rl act`). An actor that is lost is
    started anew.
    """

    count: int = 0
    where: Literal["here", "ray", "elsewhere"] = resumable("here")
    # Where the learner listens. Port 0: any free one, the same again when the run continues.
    address: str = resumable("127.0.0.1:0")
    publish_every_s: float = resumable(1.0)  # weights
    # Simulations wait where the learner is more steps behind; a robot never does.
    ahead_steps: int = resumable(200)
    patience_s: float = resumable(600.0)  # without a learner, then an actor gives up
    ray_address: str = resumable("")  # of a running cluster; empty starts one on this machine
    cpus: float = resumable(1.0)  # that an actor takes of the cluster

    def __post_init__(self) -> None:
        least = {"count": 0, "publish_every_s": 0.05, "ahead_steps": 1, "patience_s": 1.0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"actors.{name} is {getattr(self, name)}; at least {low}.")
        parsed(self.address)
