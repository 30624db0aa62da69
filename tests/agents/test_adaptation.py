"""Adaptation to a changed look, and the support constraint that guides it."""

import numpy as np
import pytest
import torch

from robot_rl.agents.adaptation import Adaptation, AdaptationConfig
from robot_rl.agents.support import Critic, SupportConfig, SupportConstraint, conjugate
from robot_rl.networks.dreaming import DreamingConfig, DreamingPolicy
from robot_rl.networks.frames import single_frames
from robot_rl.networks.policy import to_tensors
from robot_rl.networks.rssm import RSSMConfig
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.types import PROPRIO
from tests.agents.tiny import parameters
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2, size=32)
CPU = torch.device("cpu")


def policy_of() -> DreamingPolicy:
    torch.manual_seed(0)
    network = NetworkConfig(encoder="compact", hidden_dim=16, frame_stack=1)
    rssm = RSSMConfig(deter=12, hidden=16, stoch=5)
    return DreamingPolicy(DreamingConfig(network=network, rssm=rssm, embed_dim=8), INTERFACE)


def moments(n: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Coarse pictures: an encoder can tell them apart."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        obs = random_obs(INTERFACE, rng)
        for key in obs.keys() - {PROPRIO}:
            obs[key] = np.repeat(np.repeat(obs[key][::8, ::8], 8, axis=0), 8, axis=1)
        found.append(obs)
    return found


def frames(seen: list[dict[str, np.ndarray]], inverted: bool = False) -> dict[str, torch.Tensor]:
    looks = [
        {k: x if k == PROPRIO or not inverted else 255 - x for k, x in obs.items()} for obs in seen
    ]
    return single_frames(to_tensors(looks, CPU))


# --------------------------------------------------------------------------- support


def test_the_conjugate_gives_the_chi_square_divergence():
    """Two outcomes, old (3/4, 1/4) and new (1/2, 1/2): f* = 2 (old / new - 1), sup = chi^2."""
    old, new = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    f = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([f], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        (-(old * f).sum() + (new * conjugate(f)).sum()).backward()
        optimizer.step()
    torch.testing.assert_close(f.detach(), torch.tensor([1.0, -1.0]), rtol=0, atol=1e-4)
    supremum = (old * f - new * conjugate(f)).sum()
    assert float(supremum.detach()) == pytest.approx(0.5 * (0.5**2 + 0.5**2), abs=1e-4)


def test_the_bottleneck_is_the_kl_to_a_standard_normal():
    critic, embed = Critic(3), torch.randn(6, 3)
    mean, log_std = critic.body(embed).chunk(2, dim=-1)
    ours = torch.distributions.Normal(mean, log_std.exp())
    wanted = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(critic(embed)[1], wanted, rtol=1e-4, atol=1e-5)


def cloud(where: float, n: int = 256) -> torch.Tensor:
    return torch.randn(n, 2) * 0.1 + torch.tensor([where, 0.0])


def pull(old: float, new: float) -> float:
    """How the loss would move new embeddings at `new`, along the first axis, after learning."""
    torch.manual_seed(0)
    constraint = SupportConstraint(SupportConfig(critic_lr=3e-3), 2, CPU)
    for _ in range(100):
        constraint.follow(cloud(old), cloud(new))
    slopes = []
    for _ in range(20):
        x = cloud(new).requires_grad_()
        constraint.loss(x).backward()
        slopes.append(-float(x.grad[:, 0].sum()))
    return float(np.mean(slopes))


def test_what_lies_outside_is_drawn_to_where_the_old_ones_are():
    assert pull(old=1.0, new=-1.0) > 10 * abs(pull(old=0.0, new=0.0))
    assert pull(old=-1.0, new=1.0) < -10 * abs(pull(old=0.0, new=0.0))


def test_the_ratio_forgives_what_is_rarer_now():
    """Old moments at both places, new ones at one of them alone: tau is (2, 0), f vanishes."""
    torch.manual_seed(0)
    constraint = SupportConstraint(SupportConfig(ratio_lr=1e-3), 2, CPU)
    for _ in range(300):
        both = torch.cat((cloud(-1.0, 128), cloud(1.0, 128)))
        constraint.follow(both, cloud(1.0))
    tau = constraint.ratio(torch.cat((cloud(-1.0, 128), cloud(1.0, 128)))).detach()
    assert float(tau.mean()) == pytest.approx(1.0, abs=1e-5)
    assert float(tau[:128].mean()) < 0.2
    assert float(tau[128:].mean()) > 1.8


# ------------------------------------------------------------------------ adaptation


def test_an_inverted_picture_is_understood_again_and_nothing_else_changes():
    policy, seen, lived = policy_of(), moments(48), moments(48, seed=1)
    adaptation = Adaptation(AdaptationConfig(lr=3e-3, alignment=0.1), policy)
    pair = (frames(seen), frames(seen, inverted=True))
    errors = []
    for _ in range(60):
        metrics = adaptation.update(frames(lived), frames(seen, inverted=True), pair)
        errors.append(float(metrics["calibration_loss"]))
    assert errors[-1] < 0.5 * errors[0]
    before, after = parameters(policy), parameters(adaptation.policy)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"encoder", "embedding"}
    assert not any(
        torch.equal(before[name], after[name]) for name in before if name.startswith("encoder.conv")
    )
    for name in (name for name in before if name.startswith("embedding.proprio")):
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)


def test_the_calibration_loss_is_half_the_square_of_an_embedding_s_number():
    policy, seen = policy_of(), moments(8)
    adaptation = Adaptation(AdaptationConfig(), policy)
    old, new = frames(seen), frames(seen, inverted=True)
    wanted = 0.5 * (policy.embed(old) - policy.embed(new)).square().mean()
    found = adaptation.update(old, new, (old, new))["calibration_loss"]
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-7)
