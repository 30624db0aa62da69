"""Behaviour cloning from pixels, and its interactive kin.

HG-DAgger (Kelly et al. 2019, arXiv:1810.02890) is the same loss on a set that grows by what the
human does when he takes over; IWR (Mandlekar et al. 2020, arXiv:2012.06733) draws half of every
batch from those interventions and half from all else that was done. Both are `taught_fraction`.
DAgger (Ross et al. 2011) learns at every state what the human would have done (`Batch.label`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.agents.pixel_agent import AgentConfig, PixelAgent
from robot_rl.networks.actor_critic import Actor
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Encoder
from robot_rl.types import Batch


@dataclass(frozen=True, kw_only=True)
class BCConfig(AgentConfig):
    """`taught_fraction` 1: demonstrations and interventions alone."""

    name: str = "bc"
    nstep: int = 1
    taught_fraction: float = 1.0


class BC(PixelAgent):
    """A deterministic policy, mean square error of actions in [-1, 1]."""

    config: BCConfig

    def __init__(self, config: BCConfig, encoder: Encoder, actor: Actor, compute: Compute) -> None:
        super().__init__(config, encoder, actor, compute)
        self.opt = compute.adam(self.encoder, self.actor, lr=config.lr)

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        obs, _ = self._augmented(batch)
        with self.split("forward"), self.compute.autocast():
            out = self.actor(self.encoder(obs))
            error = (out.mu - batch.label).square().mean()
            loss = error + self._actor_regulariser(out)
        self._descend(loss, self.opt)
        self._follow_policy()
        return {"bc_loss": error.detach()}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"policy": self.opt}
