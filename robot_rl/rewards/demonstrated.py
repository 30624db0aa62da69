"""How an episode compares with demonstrations: by optimal transport, or frame by nearest frame
(Papagiannis and Li 2020; Haldar et al. 2022, ROT; 2506.06793)."""

from typing import Literal

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import FrameEncoder, digest, unit
from robot_rl.rewards.encoders.registry import make_encoder
from robot_rl.rewards.goal_picture import demonstrated
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.rewards.transport import sinkhorn
from robot_rl.types import Interface

Way = Literal["nearest", "transport"]


class Demonstrated(RewardModel):
    """Compares each picture with `demos`, a folder of successes, by C, the cosine distance.

    `way` nearest pays progress: how late the nearest picture of any demonstration comes, times
    1 - C, so that waiting where one begins pays less than getting on. `transport` pays
    r_t = -T sum_t' C[t, t'] mu*[t, t'], with the entropic plan mu* to the demonstration that is
    cheapest as a whole; it needs the whole episode, and progress is the mean place that a picture
    is carried to.
    """

    def __init__(
        self,
        interface: Interface,
        demos: str,
        way: Way = "nearest",
        encoder: str = "effnet_lite0_map",
        camera: str = "",
    ) -> None:
        if way not in ("nearest", "transport"):
            raise ConfigError(
                f"task.reward_model.settings.way is '{way}'; choose nearest or transport."
            )
        self.sees = "observation" if way == "nearest" else "episode"  # type: ignore[misc]
        self._way, self._key = way, camera_key(interface, camera)
        self._encoder: FrameEncoder = make_encoder(encoder)
        self._encode = self._encoder.remembered
        shown = [self._encode(frames) for frames in demonstrated(demos, self._key)]
        self._mean = np.concatenate(shown).mean(0)
        self._demos = [self._centred(episode) for episode in shown]
        self._all = np.concatenate(self._demos)
        self._place = np.concatenate([np.linspace(0.0, 1.0, len(d)) for d in self._demos])
        marked = digest(self._all).hex()
        self._identity = f"demonstrated/{way}/{self._key}/{self._encoder.identity}/{marked}"

    @property
    def identity(self) -> str:
        return self._identity

    def score(self, clip: Clip, task: str) -> Scores:
        encoded = self._centred(self._encode(frames_of(clip, self._key)))
        return self._nearest(encoded) if self._way == "nearest" else self._transported(encoded)

    def _centred(self, encoded: np.ndarray) -> np.ndarray:
        """What all pictures share tells none of them apart."""
        return unit(encoded - self._mean)

    def _nearest(self, encoded: np.ndarray) -> Scores:
        cost = 1.0 - encoded @ self._all.T
        nearest = cost.argmin(1)
        late = self._place[nearest]
        near = 1.0 - np.clip(cost[np.arange(len(cost)), nearest], 0.0, 1.0)
        progress = (late * near).astype(np.float32)
        return Scores(progress, progress, progress)

    def _transported(self, encoded: np.ndarray) -> Scores:
        costs = [1.0 - encoded @ demo.T for demo in self._demos]
        plans = [sinkhorn(cost) for cost in costs]
        best = int(np.argmin([(c * p).sum() for c, p in zip(costs, plans, strict=True)]))
        cost, plan = costs[best], plans[best]
        paid = -len(cost) * (cost * plan).sum(1)
        place = plan @ np.linspace(0.0, 1.0, cost.shape[1]) * len(cost)
        near = np.clip(1.0 + paid, 0.0, 1.0)
        progress = (place * near).astype(np.float32)
        return Scores(paid.astype(np.float32), progress, progress)
