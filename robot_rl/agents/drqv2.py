"""DrQ-v2: Mastering Visual Continuous Control (Yarats et al. 2021, arXiv:2107.09645).

The base of the family: DrM and MENTOR override what they change, and an auxiliary loss (TACO)
plugs into any of them.
"""

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.pixel_agent import AgentConfig, PixelAgent
from robot_rl.agents.schedules import LinearSchedule
from robot_rl.agents.taco import TacoConfig, TacoLoss
from robot_rl.networks.actor_critic import Actor, ActorOutput, Critic
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Encoder, Features
from robot_rl.networks.layers import polyak_, squashed_noise
from robot_rl.replay.draws import Transitions
from robot_rl.types import Batch


@dataclass(frozen=True, kw_only=True)
class DrQV2Config(AgentConfig):
    """Published values."""

    name: str = "drqv2"
    tau: float = 0.01
    std: LinearSchedule = field(default_factory=LinearSchedule)
    std_clip: float = 0.3
    # Weight of the mean square of the actor's pre-tanh output: keeps it out of the flat corners.
    pre_tanh_penalty: float = 0.0
    taco: TacoConfig = field(default_factory=TacoConfig)

    @property
    def draws(self) -> Transitions:
        return replace(super().draws, segment=self.taco.horizon if self.taco.weight > 0 else 0)


class DrQV2(PixelAgent):
    """Off-policy actor-critic on augmented pixels. Symbols follow the paper's algorithm 1."""

    config: DrQV2Config
    actor: Actor

    def __init__(
        self,
        config: DrQV2Config,
        encoder: Encoder,
        actor: Actor,
        critic: Critic,
        compute: Compute,
        taco: TacoLoss | None = None,
    ) -> None:
        super().__init__(config, encoder, actor, compute)
        self.critic = critic.to(compute.device)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.taco = taco.to(compute.device) if taco is not None else None
        auxiliary = () if self.taco is None else (self.taco,)
        # The auxiliary loss shares the encoder's optimiser: one optimiser per parameter.
        self.encoder_opt = compute.adam(self.encoder, *auxiliary, lr=config.lr)
        self.actor_opt = compute.adam(self.actor, lr=config.lr)
        self.critic_opt = compute.adam(self.critic, lr=config.lr)

    def _explore(self, out: ActorOutput) -> Tensor:
        return squashed_noise(out.mu, self.exploration_std())

    def exploration_std(self) -> float:
        """Standard deviation of the exploration noise at the present step."""
        return self.config.std(self.step)

    def exploration(self) -> dict[str, float]:
        return {"exploration_std": self.exploration_std()}

    def compile(self, backend: str = "inductor") -> None:
        """Encoder and critics; the actor stays eager, for DrM reads its neurons by hooks."""
        self.compute.compile(self.encoder, self.critic, self.critic_target, backend=backend)

    # ---------------------------------------------------------------- learning

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        obs, next_obs = self._augmented(batch)
        with self.split("encode"), self.compute.autocast():
            h = self.encoder(obs)
        with self.split("targets"), torch.no_grad(), self.compute.autocast():
            y, metrics = self._targets(batch, self.encoder(next_obs))
        metrics |= self._update_critic(h, y, batch)
        metrics |= self._update_actor(h.detach())
        with self.split("targets"):
            polyak_(self.critic_target, self.critic, self.config.tau)
            self._follow_policy()
        return metrics

    def _targets(self, batch: Batch, next_h: Features) -> tuple[Tensor, dict[str, Tensor]]:
        """y = sum_i gamma^i r_i + gamma^n V(s_{t+n})  (eq. 2)."""
        target_v = self._next_value(next_h)
        return batch.reward + batch.discount * target_v, {"target_v": target_v.mean()}

    def _next_value(self, next_h: Features) -> Tensor:
        """min_k Q'_k(s', a'), a' = mu(s') + clip(eps, -c, c)."""
        next_action = squashed_noise(
            self.actor(next_h).mu, self.exploration_std(), self.config.std_clip
        )
        return torch.min(*self.critic_target(next_h, self._latent(next_action)))

    def _update_critic(self, h: Features, y: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Critic and encoder, with the auxiliary loss where there is one."""
        with self.split("forward"), self.compute.autocast():
            q1, q2 = self.critic(h, self._latent(batch.action))
            loss = F.mse_loss(q1, y) + F.mse_loss(q2, y)
            metrics = {"critic_loss": loss.detach(), "q": q1.detach().mean()}
            if self.taco is not None:
                auxiliary, parts = self.taco.loss(self.encoder, h, batch, self.config.shift_pad)
                loss = loss + self.config.taco.weight * auxiliary
                metrics |= parts
        self._descend(loss, self.critic_opt, self.encoder_opt)
        return metrics

    def _update_actor(self, h: Features) -> dict[str, Tensor]:
        """max_phi min_k Q_k(s, a), a from the policy with clipped noise (eq. 3)."""
        with self.split("forward"), self.compute.autocast():
            out = self.actor(h)
            action = squashed_noise(out.mu, self.exploration_std(), self.config.std_clip)
            # The critic is only read here: without its gradient the backward pass is cheaper.
            self.critic.requires_grad_(False)
            q = torch.min(*self.critic(h, self._latent(action)))
            loss = -q.mean() + self._actor_regulariser(out)
        self._descend(loss, self.actor_opt)
        self.critic.requires_grad_(True)
        return {
            "actor_loss": loss.detach(),
            "actor_saturation": (out.mu.detach().abs() > 0.99).float().mean(),
        }

    def _actor_regulariser(self, out: ActorOutput) -> Tensor:
        penalty = self.config.pre_tanh_penalty * out.pre_tanh.square().mean()
        return penalty + super()._actor_regulariser(out)

    def _latent(self, action: Tensor) -> Tensor:
        return action if self.taco is None else self.taco.tokenizer(action).float()

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        critics = {"critic": self.critic, "critic_target": self.critic_target}
        named = {**super().modules(), **critics}
        return named if self.taco is None else {**named, "taco": self.taco}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"encoder": self.encoder_opt, "actor": self.actor_opt, "critic": self.critic_opt}
