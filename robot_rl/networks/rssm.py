"""The recurrent state-space model of Dreamer and its kin (Hafner et al. 2019, arXiv:1811.04551;
2020, arXiv:1912.01603; 2023, arXiv:2301.04104)."""

# Shapes: B batch, T time, E embedding, A action, D deterministic, S stochastic part

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError
from robot_rl.networks.latent import normed_layer


@dataclass(frozen=True, kw_only=True)
class RSSMConfig:
    """`stoch` numbers, or `stoch` groups of `classes` each; `unimix` of them drawn evenly."""

    deter: int = 200
    hidden: int = 200
    latent: Literal["gaussian", "categorical"] = "gaussian"
    stoch: int = 30
    classes: int = 32
    unimix: float = 0.01
    min_std: float = 0.1

    def __post_init__(self) -> None:
        if min(self.deter, self.hidden, self.stoch, self.classes) < 1:
            raise ConfigError(
                f"agent.rssm has deter={self.deter}, hidden={self.hidden}, stoch={self.stoch}, "
                f"classes={self.classes}; each is at least 1."
            )


class State(NamedTuple):
    """What the model knows: `deter` [..., D] of the past, `stoch` [..., S] of this moment."""

    deter: Tensor
    stoch: Tensor

    @property
    def feature(self) -> Tensor:
        """What heads read, [..., D + S]."""
        return torch.cat((self.deter, self.stoch), dim=-1)

    def detach(self) -> "State":
        return State(self.deter.detach(), self.stoch.detach())

    def flat(self) -> "State":
        """[B, T, .] as [B * T, .]."""
        return State(self.deter.flatten(0, 1), self.stoch.flatten(0, 1))


class GaussianLatent(nn.Module):
    """Independent Gaussians; parameters are their means and raw deviations."""

    def __init__(self, config: RSSMConfig) -> None:
        super().__init__()
        self._min_std = config.min_std
        self.size, self.width = config.stoch, 2 * config.stoch

    def moments(self, params: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = params.chunk(2, dim=-1)
        return mean, F.softplus(raw) + self._min_std

    def sample(self, params: Tensor) -> Tensor:
        mean, std = self.moments(params)
        return mean + std * torch.randn_like(mean)

    def mode(self, params: Tensor) -> Tensor:
        return self.moments(params)[0]

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) [...], summed over the numbers."""
        (mean, std), (other, spread) = self.moments(p), self.moments(q)
        ratio = (std / spread).square()
        return 0.5 * (ratio + ((mean - other) / spread).square() - 1.0 - ratio.log()).sum(dim=-1)


class CategoricalLatent(nn.Module):
    """One-hot vectors with straight-through gradients; parameters are logits."""

    def __init__(self, config: RSSMConfig) -> None:
        super().__init__()
        self._groups, self._classes, self._unimix = config.stoch, config.classes, config.unimix
        self.size = self.width = config.stoch * config.classes

    def probabilities(self, params: Tensor) -> Tensor:
        """[..., G, C]"""
        drawn = params.unflatten(-1, (self._groups, self._classes)).softmax(dim=-1)
        return (1.0 - self._unimix) * drawn + self._unimix / self._classes

    def sample(self, params: Tensor) -> Tensor:
        p = self.probabilities(params)
        index = torch.multinomial(p.flatten(0, -2), 1).view(p.shape[:-1])
        return self._one_hot(index, p)

    def mode(self, params: Tensor) -> Tensor:
        p = self.probabilities(params)
        return self._one_hot(p.argmax(dim=-1), p)

    def _one_hot(self, index: Tensor, p: Tensor) -> Tensor:
        chosen = F.one_hot(index, self._classes).to(p.dtype)
        return (chosen + p - p.detach()).flatten(-2)

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) [...], summed over the groups."""
        ours, theirs = self.probabilities(p), self.probabilities(q)
        return (ours * (ours.log() - theirs.log())).sum(dim=(-2, -1))


class Observed(NamedTuple):
    """States [B, T, .] after each observation, with the parameters of posterior and prior."""

    states: State
    posterior: Tensor
    prior: Tensor


class RSSM(nn.Module):
    """h_t = f(h_t-1, z_t-1, a_t-1); the prior p(z_t | h_t), the posterior q(z_t | h_t, e_t)."""

    def __init__(self, config: RSSMConfig, embed_dim: int, action_dim: int) -> None:
        super().__init__()
        self.config = config
        kind = GaussianLatent if config.latent == "gaussian" else CategoricalLatent
        self.latent = kind(config)
        self.feature_dim = config.deter + self.latent.size
        self.into = normed_layer(self.latent.size + action_dim, config.hidden, nn.SiLU())
        self.gru = nn.GRUCell(config.hidden, config.deter)
        self.prior = nn.Sequential(
            normed_layer(config.deter, config.hidden, nn.SiLU()),
            nn.Linear(config.hidden, self.latent.width),
        )
        self.posterior = nn.Sequential(
            normed_layer(config.deter + embed_dim, config.hidden, nn.SiLU()),
            nn.Linear(config.hidden, self.latent.width),
        )

    def initial(self, n: int, device: torch.device) -> State:
        return State(
            torch.zeros(n, self.config.deter, device=device),
            torch.zeros(n, self.latent.size, device=device),
        )

    def move(self, state: State, action: Tensor) -> Tensor:
        """h' [B, D] of what `action` [B, A] does in `state`."""
        return self.gru(self.into(torch.cat((state.stoch, action), dim=-1)), state.deter)

    def see(self, deter: Tensor, embed: Tensor) -> Tensor:
        """Parameters of the posterior."""
        return self.posterior(torch.cat((deter, embed), dim=-1))

    def step(
        self, state: State, action: Tensor, embed: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """h_t and the posterior's parameters; where `first` [B], what came before counts nothing.

        `action` is the one that was really applied before `embed` was seen.
        """
        goes_on = (~first).unsqueeze(-1).to(embed.dtype)
        before = State(goes_on * state.deter, goes_on * state.stoch)
        deter = self.move(before, goes_on * action)
        return deter, self.see(deter, embed)

    def observe(self, embeds: Tensor, actions: Tensor, first: Tensor) -> Observed:
        """Along embeddings [B, T, E] with the actions before each [B, T, A] and `first` [B, T]."""
        state = self.initial(len(embeds), embeds.device)
        deters, stochs, posteriors = [], [], []
        for t in range(embeds.shape[1]):
            deter, params = self.step(state, actions[:, t], embeds[:, t], first[:, t])
            state = State(deter, self.latent.sample(params))
            deters.append(deter)
            stochs.append(state.stoch)
            posteriors.append(params)
        deter = torch.stack(deters, dim=1)
        states = State(deter, torch.stack(stochs, dim=1))
        return Observed(states, torch.stack(posteriors, dim=1), self.prior(deter))

    def imagine(self, state: State, action: Tensor) -> State:
        """The next state [B, .] without an observation, drawn from the prior."""
        deter = self.move(state, action)
        return State(deter, self.latent.sample(self.prior(deter)))

    def foresee(self, state: State, actions: Tensor) -> State:
        """States [B, T, .] after each of `actions` [B, T, A], the likeliest ones (open loop)."""
        deters, stochs = [], []
        for action in actions.unbind(dim=1):
            deter = self.move(state, action)
            state = State(deter, self.latent.mode(self.prior(deter)))
            deters.append(state.deter)
            stochs.append(state.stoch)
        return State(torch.stack(deters, dim=1), torch.stack(stochs, dim=1))
