"""Dreamer and its kin: a recurrent model of the world, and behaviour learned in imagination.

Dreamer (Hafner et al. 2020, arXiv:1912.01603; 2023, arXiv:2301.04104), RePo (Zhu et al. 2023,
arXiv:2309.00082), InfoPower (Bharadhwaj et al. 2022, arXiv:2204.08585) and R2-Dreamer (Morihira et
al. 2026) are settings of one agent: `representation` says what a latent must tell of what is seen,
`kl` what it costs to tell more than was foreseen, `empowerment` what the actions must move.
"""

# Shapes: B batch, T steps of a window, N imagined trajectories, H their length

import copy
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.dreamer_config import DreamerConfig
from robot_rl.agents.dual import Dual
from robot_rl.agents.foresight import foresee
from robot_rl.agents.imagination import lambda_returns, reach_weights
from robot_rl.agents.pixel_agent import PixelAgent, PolicyActor
from robot_rl.agents.representation import Reconstruct
from robot_rl.augment import random_shift
from robot_rl.measures import Measure, Shown
from robot_rl.networks.compute import Compute
from robot_rl.networks.decoder import Decoder
from robot_rl.networks.dreaming import BoundedNormal, DreamingPolicy
from robot_rl.networks.latent import normed_mlp
from robot_rl.networks.layers import full_precision, polyak_
from robot_rl.networks.policy import Carry, Obs, Previous, acting
from robot_rl.networks.return_scale import ReturnScale
from robot_rl.networks.rssm import State
from robot_rl.networks.values import make_value
from robot_rl.types import PROPRIO, Observation, Segment


class DreamActing(PolicyActor):
    """Collects by drawing from the actor."""

    _policy: DreamingPolicy

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        with acting(self._policy):
            out, carry = self._policy.output(obs, previous, carry)
        return out.sample().clamp(-1.0, 1.0), carry


class Heads(nn.Module):
    """What features say: rewards of arriving, whether the episode goes on, what is to come."""

    def __init__(self, config: DreamerConfig, feature_dim: int, action_dim: int) -> None:
        super().__init__()
        hidden = config.network.hidden_dim
        self.value = make_value(config.value)
        self.reward = normed_mlp(feature_dim, hidden, self.value.size, nn.SiLU())
        self.goes_on = normed_mlp(feature_dim, hidden, 1, nn.SiLU())
        self.inverse = None
        if config.empowerment.weight:
            self.inverse = normed_mlp(2 * feature_dim, hidden, 2 * action_dim, nn.SiLU())
        nn.init.zeros_(self.reward[-1].weight)  # type: ignore[arg-type]

    def caused(self, before: Tensor, after: Tensor, action: Tensor) -> Tensor:
        """log q(a | z, z') [...], of a Gaussian."""
        assert self.inverse is not None
        mean, log_std = self.inverse(torch.cat((before, after), dim=-1)).chunk(2, dim=-1)
        std = F.softplus(log_std) + 0.1
        return BoundedNormal(mean, std).log_prob(action)


class Dreamer(PixelAgent):
    """`rssm` is the world, `pi` the actor; R are lambda returns and S their scale (DreamerV3)."""

    config: DreamerConfig
    shown: ClassVar[Shown] = {
        "reward_loss": Measure("reward loss"),
        "kl": Measure("surprise (KL, nats)"),
        "representation_loss": Measure("representation loss"),
    }
    _policy: DreamingPolicy

    def __init__(
        self,
        config: DreamerConfig,
        policy: DreamingPolicy,
        representation: nn.Module,
        probe: Decoder | None,
        compute: Compute,
    ) -> None:
        super().__init__(config, policy, compute)
        feature_dim, hidden = policy.rssm.feature_dim, config.network.hidden_dim
        self.rssm, self.pi = policy.rssm, policy.actor
        self.heads = Heads(config, feature_dim, policy.interface.action_size).to(compute.device)
        self.critic = normed_mlp(feature_dim, hidden, self.heads.value.size, nn.SiLU()).to(
            compute.device
        )
        nn.init.zeros_(self.critic[-1].weight)  # type: ignore[arg-type]
        self.critic_slow = copy.deepcopy(self.critic).requires_grad_(False)
        self.representation = representation.to(compute.device)
        self.probe = None if probe is None else probe.to(compute.device)
        self.scale = ReturnScale().to(compute.device)
        self.beta = Dual(config.kl.dual_initial, config.kl.dual_lr, compute)
        self.need = Dual(config.empowerment.dual_initial, config.empowerment.dual_lr, compute)
        world = (*self._trained(policy), self.rssm, self.heads, self.representation)
        self.model_opt = compute.adam(*world, lr=config.lr)
        # Apart: a probe in the norm that clips the model's gradient would change what is learned.
        self.probe_opt = None if self.probe is None else compute.adam(self.probe, lr=config.lr)
        self.actor_opt = compute.adam(self.pi, lr=config.actor_lr)
        self.critic_opt = compute.adam(self.critic, lr=config.actor_lr)

    def actor(self) -> DreamActing:
        return DreamActing(self._policy)

    # ---------------------------------------------------------------- learning

    def _update(self, batch: Segment) -> dict[str, Tensor]:
        with self.split("encode"):
            obs, embeds = self._seen(batch)
        with self.split("forward"), full_precision(embeds):
            loss, states, metrics = self._model_loss(obs, embeds, batch)
        self._descend(loss, self.model_opt, clip=self.config.clip_grad_norm)
        self._follow_duals(metrics)
        metrics |= self._look(states, obs)
        metrics |= self._behave(states, batch)
        with self.split("targets"):
            polyak_(self.critic_slow, self.critic, self.config.slow_value_tau)
            self._follow_policy()
        return metrics

    def _seen(self, batch: Segment) -> tuple[dict[str, Tensor], Tensor]:
        """Observations [B * (T + 1), ...], and their embeddings [B, T + 1, E]."""
        shifted = random_shift(batch.obs, self.config.shift_pad)  # one draw a window
        obs = {key: x.flatten(0, 1) for key, x in shifted.items()}
        frames = {key: x if key == PROPRIO else x.unsqueeze(1) for key, x in obs.items()}
        obs, embeds = self._embedded(obs, frames)
        return obs, embeds.float().unflatten(0, batch.is_first.shape)

    def _trained(self, policy: DreamingPolicy) -> tuple[nn.Module, ...]:
        """What sees, and learns with the model."""
        return policy.encoder, policy.embedding

    def _embedded(
        self, obs: dict[str, Tensor], frames: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """`obs` with what the representation needs beside it, and the embeddings of `frames`."""
        with self.compute.autocast():
            return obs, self._policy.embed(frames)

    def _model_loss(
        self, obs: dict[str, Tensor], embeds: Tensor, batch: Segment
    ) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Of the window, and its states [B, T + 1, .]."""
        config, heads = self.config, self.heads
        before = torch.cat((torch.zeros_like(batch.action[:, :1]), batch.action), dim=1)
        first = batch.is_first.bool().clone()
        first[:, 0] = True  # what came before the window is not known
        seen = self.rssm.observe(embeds, before, first)
        feature = seen.states.feature
        arriving, there = feature[:, 1:], batch.mask
        kl_loss, kl = self._kl_loss(seen.posterior, seen.prior)
        goes_on = heads.goes_on(arriving).squeeze(-1)
        ended = F.binary_cross_entropy_with_logits(
            goes_on, 1.0 - batch.terminated.float(), reduction="none"
        )
        parts = {
            "reward": _mean(heads.value.loss(heads.reward(arriving), batch.reward), there),
            "goes_on": _mean(ended, there),
            "representation": self.representation(feature.flatten(0, 1), embeds.flatten(0, 1), obs),
        }
        loss = kl_loss + config.reward_weight * parts["reward"] + parts["goes_on"]
        loss = loss + config.representation_weight * parts["representation"]
        metrics = {"kl": kl, **{f"{name}_loss": part.detach() for name, part in parts.items()}}
        if heads.inverse is not None:
            caused = heads.caused(feature[:, :-1], arriving, batch.action)
            told = _mean(caused, there) / batch.action.shape[-1]
            loss = loss - self.need.value * told
            metrics["empowerment"] = told.detach()
        return loss, seen.states.detach(), metrics

    def _kl_loss(self, posterior: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """What surprise costs, and the balanced KL itself."""
        kl, latent = self.config.kl, self.rssm.latent
        to_prior = latent.kl(posterior.detach(), prior)
        to_posterior = latent.kl(posterior, prior.detach())
        if kl.target:
            balanced = (kl.balance * to_prior + (1.0 - kl.balance) * to_posterior).mean()
            return self.beta.value * (balanced - kl.target), balanced.detach()
        free = kl.balance * to_prior.clamp(min=kl.free)
        free = free + (1.0 - kl.balance) * to_posterior.clamp(min=kl.free)
        return kl.weight * free.mean(), to_prior.detach().mean()

    def _follow_duals(self, metrics: dict[str, Tensor]) -> None:
        if self.config.kl.target:
            self.beta.follow(metrics["kl"] - self.config.kl.target)
            metrics["beta"] = self.beta.value
        if self.heads.inverse is not None:
            self.need.follow(self.config.empowerment.target - metrics["empowerment"])
            metrics["need"] = self.need.value

    def _look(self, states: State, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The probe learns to draw what the states hold, and they do not feel it."""
        if self.probe is None or self.probe_opt is None:
            return {}
        with self.split("forward"), full_precision(states.deter):
            feature = states.feature.detach().flatten(0, 1)
            loss = self.probe.loss(feature, obs, self.encoder.scale).mean()
        self._descend(loss, self.probe_opt)
        return {"probe_loss": loss.detach()}

    # --------------------------------------------------------------- behaviour

    def _behave(self, states: State, batch: Segment) -> dict[str, Tensor]:
        """Actor and critic, from states of the window that are no end."""
        with self.split("imagine"), full_precision(states.deter):
            starts, alive = self._starts(states, batch.terminated)
            actor_loss, metrics, features, returns, weights = self._imagine(starts, alive)
        self._descend(actor_loss, self.actor_opt, clip=self.config.clip_grad_norm)
        self._frozen(False)
        with self.split("forward"), full_precision(features):
            value, out = self.heads.value, self.critic(features)
            slow = value.mean(self.critic_slow(features))
            errors = value.loss(out, returns) + value.loss(out, slow)
            critic_loss = (weights * errors).mean()
        self._descend(critic_loss, self.critic_opt, clip=self.config.clip_grad_norm)
        return metrics | {"critic_loss": critic_loss.detach(), "actor_loss": actor_loss.detach()}

    def _starts(self, states: State, terminated: Tensor) -> tuple[State, Tensor]:
        """States [N, .] to imagine from, and 0 for those [N] where an episode has ended."""
        flat, alive = states.flat(), 1.0 - F.pad(terminated.float(), (1, 0)).flatten()
        if not 0 < self.config.imagine_from < len(alive):
            return flat, alive
        chosen = torch.randperm(len(alive))[: self.config.imagine_from].to(alive.device)
        return State(flat.deter[chosen], flat.stoch[chosen]), alive[chosen]

    def _imagine(
        self, state: State, starts: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor, Tensor]:
        """The actor's loss; features [N, H, F], lambda returns and weights [N, H] of the way."""
        config, heads = self.config, self.heads
        pathwise = config.actor_gradient == "pathwise"
        self._frozen(True)
        with torch.set_grad_enabled(pathwise):
            features, actions, drawn = self._dream(state)
            reward = heads.value.mean(heads.reward(features[:, 1:]))
            if heads.inverse is not None:
                told = heads.caused(features[:, :-1], features[:, 1:], actions)
                reward = reward + config.empowerment.weight * told / actions.shape[-1]
            discount = config.gamma * heads.goes_on(features[:, 1:]).squeeze(-1).sigmoid()
            value = heads.value.mean(self.critic(features))
            returns = lambda_returns(reward, discount, value, config.lam)
        weights = (starts.unsqueeze(1) * reach_weights(discount)).detach()
        self.scale.follow(returns.detach())
        policy = self.pi(features[:, :-1].detach())
        gain = self.scale(returns)
        if not pathwise:
            advantage = self.scale(returns - value[:, :-1])
            gain = policy.log_prob(drawn) * advantage
        loss = -(weights * (gain + config.entropy * policy.entropy())).mean()
        metrics = {
            "imagined_return": returns.detach().mean(),
            "return_scale": self.scale.value.clone(),
            "actor_entropy": policy.entropy().detach().mean(),
        }
        return loss, metrics, features[:, :-1].detach(), returns.detach(), weights

    def _dream(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """Features [N, H + 1, F], actions [N, H, A] inside the box, and as they were drawn."""
        features, actions, drawn = [state.feature], [], []
        for _ in range(self.config.imagined):
            wish = self.pi(state.feature.detach()).sample()
            action = wish + (wish.clamp(-1.0, 1.0) - wish).detach()
            state = self.rssm.imagine(state, action)
            features.append(state.feature)
            actions.append(action)
            drawn.append(wish.detach())
        return (torch.stack(x, dim=1) for x in (features, actions, drawn))  # type: ignore[return-value]

    def _frozen(self, frozen: bool) -> None:
        """The actor's gradient goes through model and critic and stops at their weights."""
        for module in (self.rssm, self.heads, self.critic):
            module.requires_grad_(not frozen)

    def foresee(
        self, seen: Sequence[Observation], applied: np.ndarray, context: int
    ) -> dict[str, np.ndarray] | None:
        """By the decoder that it learns from, or by the probe."""
        own = self.representation
        decoder = own.decoder if isinstance(own, Reconstruct) else self.probe
        return None if decoder is None else foresee(self._policy, decoder, seen, applied, context)

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        own = {
            "heads": self.heads,
            "critic": self.critic,
            "critic_slow": self.critic_slow,
            "representation": self.representation,
            "scale": self.scale,
            "beta": self.beta,
            "need": self.need,
        }
        drawn = {} if self.probe is None else {"probe": self.probe}
        return {**super().modules(), **own, **drawn}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        drawn = {} if self.probe_opt is None else {"probe": self.probe_opt}
        return {
            "model": self.model_opt,
            "actor": self.actor_opt,
            "critic": self.critic_opt,
            "beta": self.beta.opt,
            "need": self.need.opt,
            **drawn,
        }


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum() / mask.sum().clamp(min=1)
