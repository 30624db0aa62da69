"""From scores to what is paid: plain, binarised or as a potential; beside the task's own."""

import numpy as np

from robot_rl.envs.reward import RewardConfig
from robot_rl.rewards.model import Scores


def payments(scores: Scores, own: np.ndarray, config: RewardConfig) -> np.ndarray:
    """float32 [T - 1] of the steps between T observations; `own` [T - 1] is the task's share in it,
    `own_share` of its reward."""
    if config.threshold:
        paid = (scores.success[1:] >= config.threshold).astype(np.float32)
    elif config.shaping:
        paid = config.shaping_gamma * scores.progress[1:] - scores.progress[:-1]
    else:
        paid = scores.per_step[1:]
    return ((1.0 - config.own_share) * config.scale * paid + own).astype(np.float32)
