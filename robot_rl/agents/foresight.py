"""Open-loop prediction: a recurrent model goes on by actions alone, and draws what it expects."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from robot_rl.networks.decoder import Decoder, as_frames
from robot_rl.networks.dreaming import DETER, STOCH, DreamingPolicy
from robot_rl.networks.policy import Carry, Previous, acting, to_tensors
from robot_rl.networks.rssm import State
from robot_rl.types import PROPRIO, Observation


@torch.inference_mode()
def foresee(
    policy: DreamingPolicy,
    decoder: Decoder,
    seen: Sequence[Observation],
    applied: np.ndarray,
    context: int,
) -> dict[str, np.ndarray]:
    """See `agents.base.Foresees`."""
    actions = torch.from_numpy(np.asarray(applied, np.float32)).to(policy.device)
    with acting(policy), acting(decoder):
        known = _understood(policy, seen[:context], actions)
        ahead = policy.rssm.foresee(known[-1], actions[None, context - 1 :])
        features = torch.cat([*(state.feature for state in known), ahead.feature[0]])
        drawn = decoder(features)
    return {key: as_frames(x) for key, x in drawn.items() if key != PROPRIO}


def _understood(
    policy: DreamingPolicy, seen: Sequence[Observation], actions: Tensor
) -> list[State]:
    """States [1, .] after each observation."""
    carry: Carry = policy.initial(1)
    previous = Previous.nothing(1, actions.shape[1], policy.device)
    no, states = torch.tensor([False], device=policy.device), []
    for obs, action in zip(seen, actions, strict=False):
        _, carry = policy.output(to_tensors([obs], policy.device), previous, carry)
        states.append(State(carry[DETER], carry[STOCH]))
        previous = Previous(action[None], ~no, no)
    return states
