"""MoDem-V2's planner on the model of TD-MPC2 (Lancaster et al. 2024, arXiv:2309.14236).

Several actors propose, each judged by critics of its own: what a plan leads to is worth what the
others' actions would still earn, less how much the critics disagree.
"""

# Shapes: B batch, M latents, H planned steps, P sequences, K actors, N critics, Z latent, A action

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError
from robot_rl.networks.ensemble import EnsembleMLP
from robot_rl.networks.latent import mish
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.tdmpc2 import LatentModel, LatentPolicy, ModelConfig

_CLIP = 3.0  # deviations of its noise that an actor never exceeds


@dataclass(frozen=True, kw_only=True)
class ActorsConfig(ModelConfig):
    """`actors` K, each with `ensemble_size` / K critics of its own, and noise of `noise_std`.

    `centred`: every sequence that is judged is an actor's, with its noise, and the plan is the best
    of them; nothing is drawn around the plan of before. `spread_weight` w: what a plan leads to is
    worth mean - w std over the critics.
    """

    ensemble_size: int = 10
    actors: int = 5
    noise_std: float = 0.1
    centred: bool = True
    spread_weight: float = 10.0

    def __post_init__(self) -> None:
        if self.actors < 1 or self.ensemble_size < 2 or self.ensemble_size % self.actors:
            raise ConfigError(
                f"agent.ensemble_size={self.ensemble_size} critics and agent.actors={self.actors}: "
                "at least 2 critics, and as many for each actor."
            )

    @property
    def planning(self) -> PlannerConfig:
        if not self.centred:
            return self.planner
        return replace(self.planner, iterations=1, prior_samples=self.planner.samples)


class Actors(NamedTuple):
    """What K actors say, before their tanh [K, ..., A], and the deviation of their noise."""

    mean: Tensor
    std: float

    def action(self, eps: Tensor | float = 0.0) -> Tensor:
        """tanh(mean) and noise that is cut off, inside the box."""
        noise = self.std * torch.as_tensor(eps).clamp(-_CLIP, _CLIP)
        return (torch.tanh(self.mean) + noise).clamp(-1.0, 1.0)


class ActorsModel(LatentModel):
    """The model with K actors in place of the prior."""

    pi: EnsembleMLP
    critics: EnsembleMLP

    def __init__(self, config: ActorsConfig, action_dim: int) -> None:
        super().__init__(config, action_dim)
        self.config = config

    def _make_pi(self, config: ModelConfig) -> nn.Module:
        assert isinstance(config, ActorsConfig)
        hidden = config.network.hidden_dim
        return EnsembleMLP(
            config.actors, config.latent_dim, hidden, self.action_dim, layer_norm=True, act=mish
        )

    def actors(self, z: Tensor) -> Actors:
        """Of `z` [M, Z], or [K, M, Z] with other latents for each."""
        mean = self.pi.each(z) if z.dim() == 3 else self.pi(z)
        return Actors(mean, self.config.noise_std)

    def action(self, z: Tensor) -> Tensor:
        """The first actor's."""
        return self.actors(z).action()[0]

    def explore(self, z: Tensor) -> Tensor:
        first = self.actors(z)
        return first.action(torch.randn_like(first.mean))[0]

    def own_q(self, critics: EnsembleMLP, z: Tensor, action: Tensor) -> Tensor:
        """Returns [K, N / K, M] that each actor's critics expect of `z` [M, Z] and its `action`
        [K, M, A]."""
        each = critics.members // len(action)
        pairs = torch.cat((z.expand(len(action), *z.shape), action), dim=-1)
        out = critics.each(pairs.repeat_interleave(each, dim=0))
        return self.value.mean(out).unflatten(0, (-1, each))

    def terminal(self, z: Tensor) -> Tensor:
        """Mean - w std over critics of the best that another actor would do in `z` [M, Z]."""
        action = self.actors(z).action()
        count = len(action)
        pairs = torch.cat((z.expand(count, *z.shape), action), dim=-1)
        q = self.value.mean(self.critics(pairs.flatten(0, 1))).unflatten(1, (count, -1))
        if count > 1:
            own = torch.eye(count, dtype=torch.bool, device=q.device)
            own = own.repeat_interleave(len(q) // count, dim=0)
            q = q.masked_fill(own.unsqueeze(-1), -torch.inf)
        best = q.amax(dim=1)  # [N, M]
        return best.mean(dim=0) - self.config.spread_weight * best.std(dim=0)

    def candidates(self, z: Tensor, eps: Tensor) -> Tensor:
        """Sequences [B, H, P, A], as many of each actor, drawn with `eps` [B, P, H, A]."""
        count, wanted = self.config.actors, eps.shape[1]
        share = -(-wanted // count)
        even = F.pad(eps, (0, 0, 0, 0, 0, share * count - wanted)).unflatten(1, (count, share))
        drawn = even.movedim(1, 0).flatten(1, 2)  # [K, B * share, H, A]
        now = z.repeat_interleave(share, dim=0).expand(count, -1, -1)
        actions = []
        for e in drawn.unbind(dim=2):
            actions.append(self.actors(now).action(e))
            now = self.next(now, actions[-1])
        sequences = torch.stack(actions, dim=2).unflatten(1, (-1, share))  # [K, B, share, H, A]
        return sequences.permute(1, 3, 0, 2, 4).flatten(2, 3)[:, :, :wanted]


class ActorsPolicy(LatentPolicy):
    """Plans among what its actors propose."""

    kind = "modem"
    Config = ActorsConfig
    Model = ActorsModel
    config: ActorsConfig
    model: ActorsModel
