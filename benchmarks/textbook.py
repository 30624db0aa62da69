"""A textbook DrQ-v2 update to measure against: float32, NCHW, grid_sample, stacked frames.

Written plainly from the paper; with the same weights and random draws its losses equal ours.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.drqv2 import DrQV2
from robot_rl.networks.ensemble import EnsembleCritic, EnsembleLinear
from robot_rl.types import Batch


def grid_shift(x: Tensor, pad: int) -> Tensor:
    """Random shift of float frames [B, C, H, W] by bilinear resampling of the padded image."""
    batch, _, height, _ = x.shape
    offset = torch.randint(-pad, pad + 1, (batch, 2)).float()
    x = F.pad(x, (pad, pad, pad, pad), mode="replicate")
    size = height + 2 * pad
    line = torch.linspace(-1.0 + 1.0 / size, 1.0 - 1.0 / size, size)[:height]
    grid_x, grid_y = torch.meshgrid(line, line, indexing="xy")
    grid = torch.stack((grid_x, grid_y), dim=-1)[None].repeat(batch, 1, 1, 1)
    shift = (offset.flip(1) + pad) * 2.0 / size  # columns first
    return F.grid_sample(x, grid + shift[:, None, None], align_corners=False)


class Textbook:
    """Takes its weights from one of our agents; one camera, no proprio."""

    def __init__(self, agent: DrQV2) -> None:
        self.config = agent.config
        self.encoder = nn.Sequential(*_plain_convs(agent))
        self.pi = copy.deepcopy(agent.pi)
        self.critic, self.target = TwinCritic(agent.critic), TwinCritic(agent.critic_target)
        lr = agent.config.lr
        self.encoder_opt = torch.optim.Adam(self.encoder.parameters(), lr=lr)
        self.actor_opt = torch.optim.Adam(self.pi.parameters(), lr=lr)
        self.critic_opt = torch.optim.Adam(self.critic.parameters(), lr=lr)
        self.std = agent.exploration_std()

    def update(self, batch: Batch) -> tuple[float, float]:
        """(critic loss, actor loss) of one update."""
        cfg = self.config
        obs = grid_shift(_stacked(batch.obs), cfg.shift_pad)
        next_obs = grid_shift(_stacked(batch.next_obs), cfg.shift_pad)
        h = self._encode(obs)
        with torch.no_grad():
            next_h = self._encode(next_obs)
            q1, q2 = self.target(next_h, self._noisy(next_h))
            reward, discount = torch.from_numpy(batch.reward), torch.from_numpy(batch.discount)
            y = reward + discount * torch.min(q1, q2)
        q1, q2 = self.critic(h, torch.from_numpy(batch.action))
        critic_loss = F.mse_loss(q1, y) + F.mse_loss(q2, y)
        self.encoder_opt.zero_grad()
        self.critic_opt.zero_grad()
        critic_loss.backward()
        self.critic_opt.step()
        self.encoder_opt.step()

        h = h.detach()
        q1, q2 = self.critic(h, self._noisy(h))
        actor_loss = -torch.min(q1, q2).mean()
        self.actor_opt.zero_grad()
        actor_loss.backward()
        self.actor_opt.step()
        for p, p_target in zip(self.critic.parameters(), self.target.parameters(), strict=True):
            p_target.data.copy_(cfg.tau * p.data + (1 - cfg.tau) * p_target.data)
        return critic_loss.item(), actor_loss.item()

    def _encode(self, x: Tensor) -> Tensor:
        return self.encoder(x / 255.0 - 0.5).flatten(1)

    def _noisy(self, h: Tensor) -> Tensor:
        actor = self.pi
        assert actor.trunk.image is not None
        mu = torch.tanh(actor.out(actor.second(actor.first(actor.trunk.image(h)))))
        noise = (torch.randn_like(mu) * self.std).clamp(-self.config.std_clip, self.config.std_clip)
        x = mu + noise
        return x + (x.clamp(-1 + 1e-6, 1 - 1e-6) - x).detach()


class TwinCritic(nn.Module):
    """Two networks of their own behind one trunk, with the weights of an ensemble of two."""

    def __init__(self, ours: EnsembleCritic) -> None:
        super().__init__()
        self.trunk = copy.deepcopy(ours.trunk.image)
        self.q1, self.q2 = (_plain_member(ours, member) for member in range(2))

    def forward(self, h: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        assert self.trunk is not None
        x = torch.cat((self.trunk(h), action), dim=1)
        return self.q1(x).squeeze(1), self.q2(x).squeeze(1)


def _plain_member(critic: EnsembleCritic, member: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for ours in critic.net.linear:
        assert isinstance(ours, EnsembleLinear)
        linear = nn.Linear(ours.weight.shape[1], ours.weight.shape[2])
        linear.weight.data.copy_(ours.weight.data[member].T)
        linear.bias.data.copy_(ours.bias.data[member, 0])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _plain_convs(agent: DrQV2) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for ours in agent.encoder.convs[0]:  # type: ignore[union-attr]
        if not isinstance(ours, nn.Conv2d):
            layers.append(nn.ReLU())
            continue
        stride = int(ours.stride[0])
        conv = nn.Conv2d(ours.in_channels, ours.out_channels, int(ours.kernel_size[0]), stride)
        conv.load_state_dict({k: v.contiguous() for k, v in ours.state_dict().items()})
        layers.append(conv)
    return layers


def _stacked(obs: dict[str, object]) -> Tensor:
    (frames,) = obs.values()
    return torch.from_numpy(frames).flatten(1, 2).float()  # type: ignore[arg-type]
