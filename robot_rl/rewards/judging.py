"""How good a reward model is, before anything learns from it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.rewards.model import Clip, RewardModel, Scores, clip_of
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.rewards.told import until_done

# The threshold under judgement finds this share of the successes that it was chosen on.
_RECALL = 0.9
_CONSTANT = 1e-6  # a deviation of scores that say nothing


@dataclass(frozen=True)
class Judged:
    """One episode's scores. `paid` [T - 1] is what the simulator paid, where it is known.

    So many observations as `leads_up` lead up to success; of a failure all.
    """

    succeeded: bool
    scores: Scores
    paid: np.ndarray
    leads_up: int


@dataclass(frozen=True)
class Verdict:
    """`order_success` and `order_failure`: rank correlation of progress with time, its mean; up to
    success where there is one.

    `auc`: that a success ends with more progress than a failure. `false_positives`: failures in
    which it ever says success, at the threshold that finds nine of ten successes. `epic`:
    sqrt((1 - Pearson) / 2) of what is paid and what the simulator paid (after Gleave et al. 2021);
    NaN where either is constant. `auc_unlike` and `false_positives_unlike`: the same in another
    look. `constant` is a model that says the same of every picture.
    """

    order_success: float
    order_failure: float
    auc: float
    false_positives: float
    epic: float
    auc_unlike: float
    false_positives_unlike: float
    ms_per_frame: float
    threshold: float
    constant: bool


def judge(
    model: RewardModel,
    task: str,
    episodes: Sequence[tuple[bool, StoredEpisode]],
    unlike: Sequence[tuple[bool, StoredEpisode]] = (),
) -> tuple[Verdict, list[Judged]]:
    """`episodes` are told with their success; and what was said of each.

    Raises `ConfigError` without successes, or failures.

    `unlike` are others that look different; the threshold is the one of `episodes`.
    """
    _require_both([succeeded for succeeded, _ in episodes])
    judged = scored(model, task, episodes)
    threshold = threshold_of(judged)
    others = scored(model, task, unlike)
    both = len({j.succeeded for j in others}) == 2
    verdict = Verdict(
        order_success=_order([j for j in judged if j.succeeded]),
        order_failure=_order([j for j in judged if not j.succeeded]),
        auc=auc(judged),
        false_positives=false_positives(judged, threshold),
        epic=epic(judged),
        auc_unlike=auc(others) if both else float("nan"),
        false_positives_unlike=false_positives(others, threshold) if both else float("nan"),
        ms_per_frame=_ms_per_frame(model, task, clip_of(episodes[0][1].obs)),
        threshold=threshold,
        constant=bool(np.ptp(np.concatenate([j.scores.per_step for j in judged])) < _CONSTANT),
    )
    return verdict, judged


def _ms_per_frame(model: RewardModel, task: str, clip: Clip) -> float:
    """Of pictures that no encoder remembers: a few of their bytes are drawn at random."""
    rng = np.random.default_rng()
    unseen = {key: x.copy() for key, x in clip.items()}
    for x in unseen.values():
        if x.dtype == np.uint8:
            x[:, 0, :4] = rng.integers(0, 256, x[:, 0, :4].shape)
    began_s = time.perf_counter()
    scores = model.score(unseen, task)
    return 1e3 * (time.perf_counter() - began_s) / len(scores.progress)


def scored(
    model: RewardModel, task: str, episodes: Sequence[tuple[bool, StoredEpisode]]
) -> list[Judged]:
    return [
        Judged(
            succeeded,
            model.score(clip_of(episode.obs), task),
            np.array([step.reward for step in episode.steps], np.float32),
            until_done(episode) if succeeded else len(episode.obs),
        )
        for succeeded, episode in episodes
    ]


def auc(judged: Sequence[Judged]) -> float:
    """The chance that a success ends with more progress than a failure; ties count half."""
    ends = np.array([j.scores.progress[-1] for j in judged])
    good = np.array([j.succeeded for j in judged])
    gap = ends[good][:, None] - ends[~good][None]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


def threshold_of(judged: Sequence[Judged]) -> float:
    """Of success, so that nine of ten successes reach it at some time."""
    peaks = np.array([j.scores.success.max() for j in judged if j.succeeded])
    return float(np.quantile(peaks, 1.0 - _RECALL, method="lower"))


def false_positives(judged: Sequence[Judged], threshold: float) -> float:
    """The share of failures in which success is said at any time."""
    peaks = np.array([j.scores.success.max() for j in judged if not j.succeeded])
    return float((peaks >= threshold).mean())


def epic(judged: Sequence[Judged]) -> float:
    """Distance in [0, 1] of two rewards, whatever their scale and offset."""
    said = np.concatenate([j.scores.per_step[1:] for j in judged]).astype(np.float64)
    paid = np.concatenate([j.paid for j in judged]).astype(np.float64)
    if said.std() < _CONSTANT or paid.std() < _CONSTANT:
        return float("nan")
    return float(np.sqrt(max(0.0, 1.0 - np.corrcoef(said, paid)[0, 1]) / 2.0))


def _order(judged: Sequence[Judged]) -> float:
    """Mean rank correlation of progress with time (the value-order correlation of GVL)."""
    return float(np.mean([_with_time(j.scores.progress[: j.leads_up]) for j in judged]))


def _with_time(progress: np.ndarray) -> float:
    return rank_correlation(progress, np.arange(len(progress)))


def _require_both(successes: Sequence[bool]) -> None:
    for wanted, name in ((True, "success"), (False, "failure")):
        if sum(s == wanted for s in successes) < 2:
            raise ConfigError(
                f"a reward is judged by successes and failures, at least two of each, and these "
                f"{len(successes)} episodes have {successes.count(wanted)} {name}. Make both: "
                "robot-rl rewards episodes task=arm/lift --out FOLDER"
            )
