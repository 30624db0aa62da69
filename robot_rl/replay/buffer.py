"""The replay buffer: add steps as they happen, sample n-step transitions and sequences."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.replay.storage import FrameStore, HostFrames, Lanes, Step
from robot_rl.types import PROPRIO, SOURCES, Batch, Interface, Observation, Sequence


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """`capacity` counts rows (one per environment step and one per episode)."""

    capacity: int = 100_000
    frame_stack: int = 3
    nstep: int = 3
    gamma: float = 0.99
    # Length K of the sequences that ride along with every batch; 0 for none.
    sequence: int = 0
    # Share of a batch that is drawn from what a human or an expert did (RLPD's symmetric sampling
    # at 0.5); the rest is drawn from what everyone else did. While one kind is missing, the other
    # fills its place, but for 1: imitation has nothing to imitate. 0 draws from all alike.
    taught_fraction: float = 0.0
    # `takeover` pays -1 for the policy's step at whose end a human took over, nothing else (RLIF).
    reward: Literal["task", "takeover"] = "task"

    def __post_init__(self) -> None:
        if self.frame_stack < 1 or self.nstep < 1 or self.sequence < 0:
            raise ConfigError("replay needs frame_stack >= 1, nstep >= 1 and sequence >= 0.")
        if not 0.0 <= self.gamma <= 1.0:
            raise ConfigError(f"replay.gamma is {self.gamma}; a discount lies in [0, 1].")
        if not 0.0 <= self.taught_fraction <= 1.0:
            raise ConfigError(f"taught_fraction is {self.taught_fraction}; it lies in [0, 1].")


class Replay:
    """Uniform over stored transitions, those of the running episode included.

    A window never crosses an episode end, and an n-step return not a change of commander either:
    it stops there, with the discount of the steps it has. Truncation bootstraps, termination does
    not.
    """

    def __init__(
        self,
        config: ReplayConfig,
        interface: Interface,
        lanes: int,
        seed: int,
        frame_store: FrameStore = HostFrames,
    ) -> None:
        self.config = config
        self.storage = Lanes(interface, config.capacity, lanes, frame_store)
        self._rng = np.random.default_rng(seed)
        self._gammas = config.gamma ** np.arange(config.nstep + 1, dtype=np.float32)
        self._window = max(config.nstep, config.sequence)
        if self.storage.lane_rows < self._window + config.frame_stack + 1:
            raise ConfigError("replay.capacity is smaller than one n-step window and frame stack.")

    def __len__(self) -> int:
        """Transitions that are stored."""
        return int(self.storage.has_action.sum())

    @property
    def bytes(self) -> int:
        return self.storage.bytes

    def steps_by_source(self, lanes: int) -> dict[str, int]:
        """Stored steps of the first `lanes` lanes, by who acted."""
        rows = slice(0, lanes * self.storage.lane_rows)
        found = self.storage.source[rows][self.storage.has_action[rows]]
        counts = np.bincount(found, minlength=len(SOURCES))
        return {name: int(count) for name, count in zip(SOURCES, counts, strict=True) if count}

    def begin(self, lane: int, obs: Observation) -> None:
        self.storage.begin(lane, obs)

    def add(self, lane: int, step: Step, next_obs: Observation) -> None:
        self.storage.extend(lane, step, next_obs)

    def sample(self, n: int) -> Batch:
        """Raises `ConfigError` when nothing can be sampled yet."""
        if not self.config.taught_fraction:
            return self.gather(*self._draw(n))
        taught, others = self._kinds()
        if self.config.taught_fraction == 1.0 and not len(taught):
            raise ConfigError(
                "there is nothing to imitate yet. Give demonstrations: demos=[FOLDER]."
            )
        wanted = round(n * self.config.taught_fraction)
        wanted = 0 if not len(taught) else wanted if len(others) else n
        flat = [
            self._rng.choice(kind, size) if size else kind[:0]
            for kind, size in ((taught, wanted), (others, n - wanted))
        ]
        return self.gather(*self._address(np.concatenate(flat)))

    def gather(self, lane: np.ndarray, row: np.ndarray) -> Batch:
        """The batch of given starts: `lane` [B] and absolute `row` [B]."""
        store, cfg = self.storage, self.config
        window = self._flat(lane[:, None], row[:, None] + np.arange(self._window))  # [B, W]
        alive = np.logical_and.accumulate(store.has_action[window], axis=1)
        one_commander = store.taught[window] == store.taught[window[:, :1]]
        counted = np.logical_and.accumulate(alive & one_commander, axis=1)[:, : cfg.nstep]
        steps = counted.sum(axis=1)
        reward = (self._rewards(window[:, : cfg.nstep]) * counted) @ self._gammas[:-1]
        terminated = (store.terminated[window[:, : cfg.nstep]] & counted).any(axis=1)
        return Batch(
            obs=self._observe(lane, row),
            action=store.action[window[:, 0]],
            reward=reward,
            discount=np.where(terminated, np.float32(0.0), self._gammas[steps]),
            next_obs=self._observe(lane, row + steps),
            label=store.label[window[:, 0]],
            sequence=self._sequence(lane, row, window, alive) if cfg.sequence else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """What the journal does not hold: the sampler's random state."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state["rng"]

    def _rewards(self, rows: np.ndarray) -> np.ndarray:
        if self.config.reward == "takeover":
            return -self.storage.takeover[rows].astype(np.float32)
        return self.storage.reward[rows]

    def _kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """Flat rows that can be sampled: those taught, and the others."""
        lane, row = self._address(np.flatnonzero(self.storage.has_action))
        if not len(row):
            raise ConfigError("the replay holds no transition yet; collect before sampling.")
        oldest = np.maximum(self.storage.head - self.storage.lane_rows, 0)
        flat = self._flat(lane, row)[self._valid(lane, row, oldest[lane])]
        taught = self.storage.taught[flat]
        return flat[taught], flat[~taught]

    def _address(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(lane, absolute row) of flat rows."""
        lane, place = np.divmod(flat, self.storage.lane_rows)
        newest = self.storage.head[lane] - 1
        return lane, newest - (newest - place) % self.storage.lane_rows

    def _draw(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        store = self.storage
        oldest = np.maximum(store.head - store.lane_rows, 0)
        span = np.cumsum(store.head - oldest)
        lanes = [np.empty(0, np.int64)]
        rows = [np.empty(0, np.int64)]
        missing, tries = n, 0
        while missing > 0:
            draw = self._rng.integers(0, max(span[-1], 1), size=missing + missing // 4 + 4)
            lane = np.searchsorted(span, draw, side="right")
            lane = np.minimum(lane, store.lanes - 1)
            row = draw - (span[lane] - (store.head - oldest)[lane]) + oldest[lane]
            keep = np.flatnonzero(self._valid(lane, row, oldest[lane]))[:missing]
            lanes.append(lane[keep])
            rows.append(row[keep])
            missing -= len(keep)
            tries += 1
            if tries > 1000:
                raise ConfigError("the replay holds no transition yet; collect before sampling.")
        return np.concatenate(lanes), np.concatenate(rows)

    def _valid(self, lane: np.ndarray, row: np.ndarray, oldest: np.ndarray) -> np.ndarray:
        flat = self._flat(lane, row)
        depth = np.minimum(self.config.frame_stack - 1, self.storage.episode_step[flat])
        return self.storage.has_action[flat] & (row - depth >= oldest)

    def _sequence(
        self, lane: np.ndarray, row: np.ndarray, window: np.ndarray, alive: np.ndarray
    ) -> Sequence:
        k = self.config.sequence
        inside = alive[:, :k]
        return Sequence(
            actions=self.storage.action[window[:, :k]] * inside[..., None],
            rewards=self.storage.reward[window[:, :k]] * inside,
            last_obs=self._observe(lane, row + inside.sum(axis=1)),
            mask=inside.all(axis=1).astype(np.float32),
        )

    def _observe(self, lane: np.ndarray, row: np.ndarray) -> dict[str, Any]:
        flat = self._flat(lane, row)
        back = np.arange(self.config.frame_stack - 1, -1, -1)  # oldest frame first
        depth = np.minimum(back[None, :], self.storage.episode_step[flat][:, None])
        stack = self._flat(lane[:, None], row[:, None] - depth)
        obs: dict[str, Any] = {
            key: frames.take(stack) for key, frames in self.storage.frames.items()
        }
        if self.storage.proprio.shape[1]:
            obs[PROPRIO] = self.storage.proprio[flat]
        return obs

    def _flat(self, lane: np.ndarray, row: np.ndarray) -> np.ndarray:
        return lane * self.storage.lane_rows + row % self.storage.lane_rows
