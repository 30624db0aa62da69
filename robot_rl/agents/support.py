"""A support constraint: what is embedded now lies where the old embeddings lie, however often.

RePo (Zhu et al. 2023, arXiv:2309.00082, section 4): with an unchanged camera the policy visited
other places than it does now, so the two distributions must not be equal; only the support of the
new one must be inside that of the old. The old one is weighed by a learned ratio tau with mean 1.

Three things differ from the released code, see docs/agents/dreamer.md: tau is normalised over the
batch, new embeddings climb f itself, and f is kept flat between old and new ones.
"""

# Shapes: N embeddings, E embedding

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_DEPTH, _WIDTH, _LATENT = 4, 256, 64


@dataclass(frozen=True, kw_only=True)
class SupportConfig:
    """Published values. `target_kl` bounds what the critic may know (a variational bottleneck,
    Peng et al. 2019, arXiv:1810.00821), `gradient_penalty` how steep it is on the way.
    """

    critic_lr: float = 3e-4
    ratio_lr: float = 5e-5
    target_kl: float = 0.1
    bottleneck: float = 0.1
    bottleneck_step: float = 5e-3
    gradient_penalty: float = 1.0


def conjugate(f: Tensor) -> Tensor:
    """f + f^2 / 4, the conjugate of the chi-square divergence's (t - 1)^2."""
    return f + 0.25 * f.square()


class Critic(nn.Module):
    """f [N] of an embedding, through a noisy bottleneck."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.body = _body(embed_dim, 2 * _LATENT)
        self.head = nn.Sequential(nn.LeakyReLU(), nn.Linear(_LATENT, 1))

    def forward(self, embed: Tensor) -> tuple[Tensor, Tensor]:
        """f, and the KL [N] of the bottleneck to a standard normal."""
        mean, log_std = self.body(embed).chunk(2, dim=-1)
        drawn = mean + log_std.exp() * torch.randn_like(mean)
        kl = 0.5 * ((2 * log_std).exp() + mean.square() - 1.0) - log_std
        return self.head(drawn).squeeze(-1), kl.sum(dim=-1)


class SupportConstraint:
    """Old embeddings against new ones [N, E], both as they are now."""

    def __init__(self, config: SupportConfig, embed_dim: int, device: torch.device) -> None:
        self.config = config
        self.critic = Critic(embed_dim).to(device)
        self.log_tau = _body(embed_dim, 1).to(device)
        self._bottleneck = config.bottleneck
        self._critic_opt = torch.optim.Adam(self.critic.parameters(), lr=config.critic_lr)
        self._ratio_opt = torch.optim.Adam(self.log_tau.parameters(), lr=config.ratio_lr)

    def ratio(self, old: Tensor) -> Tensor:
        """tau [N], its mean over the batch 1."""
        return len(old) * self.log_tau(old).squeeze(-1).softmax(dim=0)

    def follow(self, old: Tensor, new: Tensor) -> dict[str, Tensor]:
        """The critic goes a step up the divergence, the ratio a step down."""
        old, new = old.detach(), new.detach()
        divergence = self._follow_critic(old, new)
        with torch.no_grad():
            f_old, _ = self.critic(old)
        _descend((self.ratio(old) * f_old).mean(), self._ratio_opt)
        return {"divergence": divergence}

    def loss(self, new: Tensor) -> Tensor:
        """What the new embeddings pay for lying where no old one does."""
        return -self.critic(new)[0].mean()

    def _follow_critic(self, old: Tensor, new: Tensor) -> Tensor:
        (f_old, kl_old), (f_new, kl_new) = self.critic(old), self.critic(new)
        divergence = (self.ratio(old).detach() * f_old).mean() - conjugate(f_new).mean()
        excess = 0.5 * (kl_old.mean() + kl_new.mean()) - self.config.target_kl
        steep = self.config.gradient_penalty * self._steepness(old, new)
        loss = self._bottleneck * excess - divergence + steep
        _descend(loss, self._critic_opt)
        moved = self._bottleneck + self.config.bottleneck_step * float(excess.detach())
        self._bottleneck = max(0.0, moved)
        return divergence.detach()

    def _steepness(self, old: Tensor, new: Tensor) -> Tensor:
        """Mean square of f's slope somewhere between an old embedding and a new one."""
        share = torch.rand(len(old), 1, device=old.device)
        between = (share * old + (1.0 - share) * new).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between)[0].sum(), between, create_graph=True)
        return slope.square().sum(dim=-1).mean()


def _body(in_dim: int, out_dim: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(_DEPTH):
        layers += [nn.Linear(in_dim if i == 0 else _WIDTH, _WIDTH), nn.LeakyReLU()]
    return nn.Sequential(*layers, nn.Linear(_WIDTH, out_dim))


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
