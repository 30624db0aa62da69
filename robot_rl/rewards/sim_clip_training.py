"""Training sim_clip: pictures of episodes of every outcome, and what the simulator says of them."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.augment import random_shift
from robot_rl.envs.registry import RenderConfig, TaskConfig
from robot_rl.errors import ConfigError
from robot_rl.networks.policy import Policy, PolicyMemory
from robot_rl.rewards.encoders.sentences import SentenceEncoder
from robot_rl.rewards.encoders.sim_clip import SimClip
from robot_rl.rewards.model import camera_key
from robot_rl.rewards.outcomes import OutcomePlayer
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.types import Observation

_WRONG = 6  # in one episode of so many the other object is meant
_ASTRAY = 4  # and in one of so many the arm goes anywhere
_DEVIATIONS = 0.1, 0.3, 0.7  # of the expert's actions
_AFTER = 10  # steps after the expert was let go
_HELD_OUT = 8  # one episode in so many is not learned from


@dataclass(frozen=True, kw_only=True)
class SimClipConfig:
    """`episodes` are played of each task, half of them in each of two looks.

    A sentence that is nearly true of a picture is nearly right for it: `softness` says how near, in
    levels of `Fact`.
    """

    episodes: int = 200
    updates: int = 900
    batch_size: int = 96
    lr: float = 1e-3
    weight_decay: float = 1e-2
    softness: float = 0.1
    shift_pad: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.episodes < 2 * _HELD_OUT:
            raise ConfigError(
                f"{self.episodes} episodes of a task are too few to learn from and to be judged "
                f"by; at least {2 * _HELD_OUT}."
            )


@dataclass(frozen=True)
class Report:
    """`accuracy` is the share of held-out pictures whose sentence is found among all that could be
    said of the same thing; `tau` the rank correlation of levels."""

    pictures: int
    accuracy: float
    tau: float
    render_s: float
    train_s: float


@dataclass
class Captioned:
    """Pictures uint8 [N, 3, H, W], and `level` [N, A] of each of the A things that can be told of
    (NaN where a picture is of another task). `said` are the sentences: (thing, level, text)."""

    frames: Tensor
    level: Tensor
    said: list[tuple[int, float, str]]


def train_sim_clip(
    tasks: Sequence[tuple[TaskConfig, TaskConfig]],
    render: RenderConfig,
    config: SimClipConfig,
    policies: Sequence[Policy] = (),
) -> tuple[SimClip, Report]:
    """`tasks` are seen in two looks each, every other episode played by one of `policies` where
    there are any: those that fooled the model before.

    Raises `ConfigError` for a task without captions, and `InterfaceMismatchError` for a policy that
    does not fit it.
    """
    began_s = time.monotonic()
    learned, held_out = look(tasks, render, config, policies)
    rendered_s = time.monotonic()
    torch.manual_seed(config.seed)
    model = SimClip(learned.frames.shape[-1])
    text = torch.from_numpy(SentenceEncoder()([text for *_, text in learned.said]))
    fit(model, learned, text, config)
    accuracy, tau = judge(model, held_out, text)
    report = Report(
        len(learned.frames),
        accuracy,
        tau,
        rendered_s - began_s,
        time.monotonic() - rendered_s,
    )
    return model, report


# ----------------------------------------------------------------------- what is seen


def look(
    tasks: Sequence[tuple[TaskConfig, TaskConfig]],
    render: RenderConfig,
    config: SimClipConfig,
    policies: Sequence[Policy] = (),
) -> tuple[Captioned, Captioned]:
    """To learn from, and to be judged by."""
    about: dict[str, int] = {}
    said: dict[tuple[int, float, str], None] = {}
    parts: tuple[list[Any], list[Any]] = ([], [])
    for number, (task, looks) in enumerate((t, x) for t, pair in enumerate(tasks) for x in pair):
        seed = config.seed + 1000 * number
        played = _episodes(looks, render, config.episodes // 2, seed, policies)
        for i, (frames, told) in enumerate(played):
            rows = []
            for facts in told:
                row: dict[int, float] = {}
                for fact in facts:
                    thing = about.setdefault(f"{task}/{fact.about}", len(about))
                    row[thing] = fact.level
                    said |= {(thing, fact.level, text): None for text in fact.sentences}
                rows.append(row)
            parts[i % _HELD_OUT == 0].append((frames, rows))
    return tuple(_captioned(part, len(about), list(said)) for part in parts)  # type: ignore[return-value]


def _episodes(
    task: TaskConfig,
    render: RenderConfig,
    count: int,
    seed: int,
    policies: Sequence[Policy],
) -> Iterator[tuple[np.ndarray, list[Any]]]:
    """Frames [T, H, W, 3] and the facts of each, of so many episodes."""
    with contextlib.closing(OutcomePlayer(task, render, seed)) as player:
        key, told = camera_key(player.env.interface, ""), []
        player.env = _Told(player.env, told)
        rng = np.random.default_rng(seed)
        for policy in policies:
            policy.interface.require_equal(player.env.interface, "the task to be put into words")
        wrong = "wrong_object" in player.outcomes
        others = player.episodes("wrong_object") if wrong else iter(())
        for number in range(count):
            told.clear()
            if policies and number % 2:
                policy = policies[number // 2 % len(policies)]
                obs = _acted(player.env, policy, int(rng.integers(2**31)), rng)
            elif wrong and number % _WRONG == 0:
                obs = next(others).obs
            elif number % _ASTRAY == 1:
                obs = _astray(player.env, int(rng.integers(2**31)), rng)
            else:
                obs = _wandered(player.env, int(rng.integers(2**31)), rng)
            yield np.stack([o[key] for o in obs]), told[-len(obs) :]


def _wandered(env: Any, seed: int, rng: np.random.Generator) -> list[Observation]:
    """The expert, more or less sure of itself, for a while; then rest, or anything else."""
    steps = env.unwrapped.max_episode_steps
    shown, deviation = int(rng.uniform(0.05, 0.8) * steps), rng.choice(_DEVIATIONS)
    rests = rng.random() < 0.5
    obs, action = [env.reset(seed=seed)[0]], env.interface.hold_action()
    for step in range(min(shown + _AFTER, steps)):
        if step < shown:
            action = env.expert_action() + rng.normal(0.0, deviation, len(action))
        elif not rests and (step - shown) % 4 == 0:
            action = rng.uniform(-1.0, 1.0, len(action))
        elif rests and step == shown:
            action = np.where(env.interface.hold_action() == 0.0, 0.0, action)
        obs.append(env.step(np.clip(action, -1.0, 1.0).astype(np.float32))[0])
    return obs


def _astray(env: Any, seed: int, rng: np.random.Generator) -> list[Observation]:
    """One way for a while, then another: everywhere that the arm can be without the task. Whoever
    learns from a reward goes there, and what was never seen may be taken for anything."""
    obs, action = [env.reset(seed=seed)[0]], env.interface.hold_action()
    for step in range(env.unwrapped.max_episode_steps):
        if step % 8 == 0:
            action = rng.uniform(-1.0, 1.0, len(action))
        obs.append(env.step(action.astype(np.float32))[0])
    return obs


def _acted(env: Any, policy: Policy, seed: int, rng: np.random.Generator) -> list[Observation]:
    """The policy, a little off as it was while it learned."""
    memory, deviation = PolicyMemory(policy, 1), rng.choice(_DEVIATIONS[:2])
    obs = [env.reset(seed=seed)[0]]
    for _ in range(env.unwrapped.max_episode_steps):
        wish = memory.act(obs[-1:])[0]
        action = np.clip(wish + rng.normal(0.0, deviation, len(wish)), -1.0, 1.0)
        seen, _, _, _, info = env.step(action.astype(np.float32))
        memory.applied(0, info["applied_action"], True)
        obs.append(seen)
    return obs


class _Told:
    """An environment that notes what can be said of each observation."""

    def __init__(self, env: Any, told: list[Any]) -> None:
        from sim.captions import facts

        self._env, self._told = env, told
        self._facts: Callable[[Any], Any] = facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def reset(self, **how: Any) -> Any:
        return self._noted(self._env.reset(**how))

    def step(self, action: np.ndarray) -> Any:
        return self._noted(self._env.step(action))

    def _noted(self, result: Any) -> Any:
        self._told.append(self._facts(self._env.unwrapped.simulation))
        return result


def _captioned(
    parts: Sequence[tuple[np.ndarray, list[dict[int, float]]]],
    things: int,
    said: list[tuple[int, float, str]],
) -> Captioned:
    frames = np.concatenate([frames for frames, _ in parts]).transpose(0, 3, 1, 2)
    level = np.full((len(frames), things), np.nan, np.float32)
    for i, row in enumerate(row for _, rows in parts for row in rows):
        for thing, value in row.items():
            level[i, thing] = value
    return Captioned(torch.from_numpy(np.ascontiguousarray(frames)), torch.from_numpy(level), said)


# --------------------------------------------------------------------- what is learned


def fit(model: SimClip, data: Captioned, text: Tensor, config: SimClipConfig) -> None:
    """InfoNCE both ways; `text` [N, 384] are the sentences of `data` as they were encoded."""
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.updates)
    rng = np.random.default_rng(config.seed)
    draw = _Draw(data, rng)
    model.train()
    for _ in range(config.updates):
        rows, told = draw(config.batch_size)
        frames = {"image/": data.frames[rows].unsqueeze(1)}
        pictures = _relit(random_shift(frames, config.shift_pad)["image/"].squeeze(1), rng)
        truth = truths(data, rows, told, config.softness)
        loss = info_nce(model, pictures, text[told], truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval()


class _Draw:
    """Pictures, levels alike often, and a sentence that is true of each."""

    def __init__(self, data: Captioned, rng: np.random.Generator) -> None:
        self._rng = rng
        level = data.level.numpy()
        self._cells = [
            (rows, [i for i, (t, at, _) in enumerate(data.said) if t == thing and at == value])
            for thing in range(level.shape[1])
            for value in np.unique(level[~np.isnan(level[:, thing]), thing])
            if len(rows := np.flatnonzero(level[:, thing] == value))
        ]

    def __call__(self, n: int) -> tuple[Tensor, Tensor]:
        cells = self._rng.integers(len(self._cells), size=n)
        chosen = [self._cells[cell] for cell in cells]
        rows = [self._rng.choice(rows) for rows, _ in chosen]
        told = [self._rng.choice(sentences) for _, sentences in chosen]
        return torch.tensor(np.array(rows)), torch.tensor(np.array(told))


def truths(data: Captioned, rows: Tensor, told: Tensor, softness: float) -> Tensor:
    """[B, B]: how true sentence j is of picture i; NaN where it is about another scene."""
    thing = torch.tensor([data.said[int(j)][0] for j in told])
    level = torch.tensor([data.said[int(j)][1] for j in told])
    seen = data.level[rows][:, thing]
    return torch.exp(-(seen - level).abs() / softness)


def info_nce(model: SimClip, frames: Tensor, encoded: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy with the truths as targets, over sentences and over pictures."""
    logits = model.log_scale.exp() * model.image(frames) @ model.sentence(encoded).T
    strange = torch.isnan(truth)
    logits = logits.masked_fill(strange, -1e4)
    truth = truth.masked_fill(strange, 0.0)
    losses = [
        -(t / t.sum(1, keepdim=True) * F.log_softmax(x, 1)).sum(1).mean()
        for x, t in ((logits, truth), (logits.T, truth.T))
    ]
    return (losses[0] + losses[1]) / 2


def _relit(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Brighter or darker, and in each channel a little: cameras differ."""
    gain = rng.uniform(0.75, 1.25, (len(frames), 1, 1, 1)) * rng.uniform(
        0.9, 1.1, (len(frames), 3, 1, 1)
    )
    return (frames * torch.from_numpy(gain.astype(np.float32))).clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def judge(model: SimClip, data: Captioned, text: Tensor) -> tuple[float, float]:
    """Accuracy and rank correlation over pictures that were not learned from."""
    pictures = torch.cat([model.image(frames) for frames in data.frames.split(256)])
    sentences = model.sentence(text)
    right, ranks = [], []
    for thing in range(data.level.shape[1]):
        rows = torch.nonzero(~torch.isnan(data.level[:, thing])).squeeze(1)
        mine = [i for i, (t, _, _) in enumerate(data.said) if t == thing]
        levels = torch.tensor([data.said[i][1] for i in mine])
        found = levels[(pictures[rows] @ sentences[mine].T).argmax(1)]
        true = data.level[rows, thing]
        right.append((found == true).float().mean())
        ranks.append(rank_correlation(found.numpy(), true.numpy()))
    return float(torch.stack(right).mean()), float(np.mean(ranks))
