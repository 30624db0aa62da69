"""Adapting a policy to a changed look: moments seen in both looks, then practice in the new one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_rl.agents.adaptation import Adaptation
from robot_rl.agents.dreamer import DreamActing
from robot_rl.errors import ConfigError
from robot_rl.networks.frames import single_frames
from robot_rl.networks.policy import Obs, PolicyMemory, to_tensors
from robot_rl.replay import Replay
from robot_rl.types import PROPRIO, Observation

_SAME = 1e-4  # of proprio, in two simulations that were told the same


@dataclass(frozen=True, kw_only=True)
class AdaptLength:
    """`pairs` moments in both looks, `steps` in the new one, `updates` along them."""

    pairs: int = 1_000
    steps: int = 2_000
    updates: int = 2_000

    def __post_init__(self) -> None:
        if self.pairs < 1 or min(self.steps, self.updates) < 0:
            raise ConfigError(
                f"{self.pairs} pairs, {self.steps} steps, {self.updates} updates: at least one "
                "pair, and neither steps nor updates below 0."
            )


class Adapter:
    """Steps `old` and `new`, two looks of one task, and adapts along them.

    `source` holds what the policy saw while it learned. `seed` gives the episodes theirs.
    """

    def __init__(
        self, adaptation: Adaptation, old: Any, new: Any, source: Replay, seed: int
    ) -> None:
        self.adaptation = adaptation
        self._old, self._new, self._source = old, new, source
        self._rng = np.random.default_rng(seed)
        self._pairs: tuple[list[Observation], list[Observation]] = ([], [])
        self._practised: list[Observation] = []
        policy = adaptation.policy
        self._memory = PolicyMemory(DreamActing(policy), 1, policy.device)
        self._over = True  # the episode of practice, before it has begun

    def calibrate(self, pairs: int) -> None:
        """See the same moments in both looks, as the old policy acts in the old one.

        Raises `ConfigError` where the two simulations part: then not only the look differs.
        """
        policy = self.adaptation.before
        while len(self._pairs[0]) < pairs:
            seed = self._next_seed()
            memory = PolicyMemory(policy, 1, policy.device)
            seen, looks = self._old.reset(seed=seed)[0], self._new.reset(seed=seed)[0]
            over = False
            while not over and len(self._pairs[0]) < pairs:
                self._pair(seen, looks)
                action = memory.act([seen])[0]
                seen, _, terminated, truncated, _ = self._old.step(action)
                looks = self._new.step(action)[0]
                over = terminated or truncated
        self._practised += self._pairs[1]

    def practise(
        self, steps: int, updates: int, told: Callable[[int, dict[str, Tensor]], None]
    ) -> None:
        """Act in the new look with what was adapted so far, and go on adapting; `told` hears of
        every update."""
        done = 0
        for step in range(max(steps, 1)):
            if steps:
                self._act()
            while done < updates * (step + 1) // max(steps, 1):
                metrics = self._update()
                done += 1
                told(done, metrics)

    # ------------------------------------------------------------------------ parts

    def _pair(self, seen: Observation, looks: Observation) -> None:
        if PROPRIO in seen and not np.allclose(seen[PROPRIO], looks[PROPRIO], atol=_SAME):
            raise ConfigError(
                "the same actions lead to other states in the new look, so its pictures cannot be "
                "paired with the old ones. Change how it looks alone: colour, texture, light, "
                "camera, background."
            )
        for kept, obs in zip(self._pairs, (seen, looks), strict=True):
            kept.append(obs)

    def _act(self) -> None:
        if self._over:
            self._practised.append(self._new.reset(seed=self._next_seed())[0])
            self._memory.begin(0)
        action = self._memory.act(self._practised[-1:])[0]
        obs, _, terminated, truncated, info = self._new.step(action)
        self._memory.applied(0, info["applied_action"], True)
        self._practised.append(obs)
        self._over = terminated or truncated

    def _update(self) -> dict[str, Tensor]:
        n = self.adaptation.config.batch_size
        which = self._rng.integers(len(self._pairs[0]), size=n)
        first, second = (self._frames(kept, which) for kept in self._pairs)
        new = self._frames(self._practised, self._rng.integers(len(self._practised), size=n))
        return self.adaptation.update(self._lived(n), new, (first, second))

    def _lived(self, n: int) -> Obs:
        """What the policy saw while it learned."""
        drawn, device = self._source.segments(n, length=1).obs, self.adaptation.policy.device
        first = {key: x[:, 0] if key == PROPRIO else x[:, :1] for key, x in drawn.items()}
        return {key: torch.as_tensor(x).to(device) for key, x in first.items()}

    def _frames(self, kept: list[Observation], which: np.ndarray) -> Obs:
        chosen = [kept[i] for i in which]
        return single_frames(to_tensors(chosen, self.adaptation.policy.device))

    def _next_seed(self) -> int:
        """Of an episode, never of those that evaluations use."""
        return int(self._rng.integers(2**31))
