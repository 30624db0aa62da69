"""The recurrent state-space model, its latents, and the policy that carries its state."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Normal, kl_divergence

from robot_rl.errors import ConfigError
from robot_rl.networks.decoder import Decoder, pixels
from robot_rl.networks.dreaming import BoundedNormal, DreamingConfig, DreamingPolicy
from robot_rl.networks.policy import PolicyMemory, Previous, to_tensors
from robot_rl.networks.rssm import RSSM, CategoricalLatent, GaussianLatent, RSSMConfig, State
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.types import PROPRIO
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2)
GAUSSIAN = RSSMConfig(deter=12, hidden=16, stoch=5)
CATEGORICAL = RSSMConfig(deter=12, hidden=16, latent="categorical", stoch=3, classes=4)
BOTH = pytest.mark.parametrize("config", [GAUSSIAN, CATEGORICAL])


def model(config: RSSMConfig) -> RSSM:
    torch.manual_seed(0)
    return RSSM(config, embed_dim=7, action_dim=2)


def test_the_divergence_of_gaussians_is_the_closed_form():
    latent = GaussianLatent(GAUSSIAN)
    p, q = torch.randn(6, 10), torch.randn(6, 10)
    wanted = kl_divergence(Normal(*latent.moments(p)), Normal(*latent.moments(q))).sum(-1)
    torch.testing.assert_close(latent.kl(p, q), wanted)
    assert latent.moments(p)[1].min() >= 0.1


def test_the_divergence_of_categoricals_is_the_closed_form_and_the_mix_even():
    latent = CategoricalLatent(CATEGORICAL)
    p, q = torch.randn(6, 12), torch.randn(6, 12)
    ours, theirs = (Categorical(probs=latent.probabilities(x)) for x in (p, q))
    torch.testing.assert_close(latent.kl(p, q), kl_divergence(ours, theirs).sum(-1))
    certain = latent.probabilities(torch.tensor([[99.0, 0, 0, 0] * 3]))
    torch.testing.assert_close(certain[0, 0], torch.tensor([0.9925, 0.0025, 0.0025, 0.0025]))


def test_a_drawn_category_is_one_hot_and_passes_the_gradient_of_its_probability():
    latent = CategoricalLatent(CATEGORICAL)
    params = torch.randn(400, 12, requires_grad=True)
    drawn = latent.sample(params)
    torch.testing.assert_close(drawn.view(400, 3, 4).sum(-1), torch.ones(400, 3))
    assert set(drawn.detach().round(decimals=5).unique().tolist()) <= {0.0, 1.0}
    drawn[:, 0].sum().backward()
    latent.probabilities(params.detach().requires_grad_())
    again = params.detach().requires_grad_()
    latent.probabilities(again)[:, 0, 0].sum().backward()
    torch.testing.assert_close(params.grad, again.grad)


@BOTH
def test_observing_a_window_is_stepping_through_it(config):
    rssm = model(config)
    embeds, actions = torch.randn(3, 6, 7), torch.rand(3, 6, 2)
    first = torch.zeros(3, 6, dtype=torch.bool)
    first[:, 0], first[1, 3] = True, True
    torch.manual_seed(5)
    seen = rssm.observe(embeds, actions, first)
    torch.manual_seed(5)
    state = rssm.initial(3, torch.device("cpu"))
    for t in range(6):
        deter, params = rssm.step(state, actions[:, t], embeds[:, t], first[:, t])
        state = State(deter, rssm.latent.sample(params))
        torch.testing.assert_close(seen.states.deter[:, t], deter)
        torch.testing.assert_close(seen.states.stoch[:, t], state.stoch)
        torch.testing.assert_close(seen.prior[:, t], rssm.prior(deter))


@BOTH
def test_where_an_episode_begins_nothing_of_before_is_left(config):
    rssm = model(config)
    embed, first = torch.randn(2, 7), torch.tensor([True, True])
    full = State(torch.randn(2, 12), torch.rand(2, rssm.latent.size))
    wanted = rssm.step(rssm.initial(2, torch.device("cpu")), torch.zeros(2, 2), embed, first)
    found = rssm.step(full, torch.rand(2, 2), embed, first)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)


@BOTH
def test_open_loop_is_the_likeliest_way_on(config):
    rssm = model(config)
    start = State(torch.randn(2, 12), torch.rand(2, rssm.latent.size))
    actions = torch.rand(2, 3, 2)
    ahead = rssm.foresee(start, actions)
    state = start
    for t in range(3):
        deter = rssm.move(state, actions[:, t])
        state = State(deter, rssm.latent.mode(rssm.prior(deter)))
    torch.testing.assert_close(ahead.deter[:, 2], state.deter)
    torch.testing.assert_close(ahead.stoch[:, 2], state.stoch)


def policy() -> DreamingPolicy:
    torch.manual_seed(0)
    config = DreamingConfig(network=NetworkConfig(hidden_dim=16), rssm=GAUSSIAN, embed_dim=8)
    return DreamingPolicy(config, INTERFACE).eval()


def episode(steps: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [random_obs(INTERFACE, rng) for _ in range(steps)]


def test_a_window_is_understood_as_the_robot_understood_it_with_takeovers_and_starts_inside():
    """The state that learning sees and the one that acting carried agree, step by step."""
    made, obs = policy(), episode(8)
    made.rssm.latent.sample = made.rssm.latent.mode  # acting takes the likeliest
    rng = np.random.default_rng(1)
    applied = torch.from_numpy(rng.uniform(-1, 1, (1, 8, 2)).astype(np.float32))
    first = torch.zeros(1, 8, dtype=torch.bool)
    first[0, [0, 5]] = True
    batch = to_tensors(obs, made.device)
    frames = {
        key: x if key == PROPRIO else x.permute(0, 3, 1, 2).unsqueeze(1) for key, x in batch.items()
    }
    with torch.inference_mode():
        seen = made.rssm.observe(made.embed(frames).unsqueeze(0), applied, first)
        carry = made.initial(1)
        for t in range(8):
            now = {key: x[t : t + 1] for key, x in batch.items()}
            own = torch.tensor([bool(t % 2)])
            _, carry = made.step(now, Previous(applied[:, t], own, first[:, t]), carry)
            torch.testing.assert_close(carry["deter"], seen.states.deter[:, t])
            torch.testing.assert_close(carry["stoch"], seen.states.stoch[:, t])


def test_what_was_really_applied_moves_the_state_on():
    made, (now, then) = policy(), episode(2)

    def second(action: float) -> np.ndarray:
        memory = PolicyMemory(made, 1)
        memory.act([now])
        memory.applied(0, np.full(2, action, np.float32), own=False)
        return memory.act([then])[0]

    assert np.abs(second(0.9) - second(-0.9)).max() > 1e-4


def test_a_bounded_gaussian_is_what_it_says():
    mean, std = torch.randn(5, 2).tanh(), torch.rand(5, 2) + 0.1
    ours, theirs = BoundedNormal(mean, std), Normal(mean, std)
    action = torch.randn(5, 2)
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action).sum(-1))
    torch.testing.assert_close(ours.entropy(), theirs.entropy().sum(-1))


def test_a_decoder_s_loss_is_that_of_every_pixel_and_number():
    face = make_interface(cameras=1, size=16)
    decoder, n = Decoder(9, face, depth=4), 3
    obs = {
        k: torch.from_numpy(np.stack([o[k] for o in frames(face, n)])) for k in frames(face, 1)[0]
    }
    feature = torch.randn(n, 9)
    drawn = decoder(feature)
    key = face.cameras[0].key
    assert drawn[key].shape == (n, 3, 16, 16)
    wanted = 0.5 * (drawn[key] - (obs[key].float() / 255 - 0.5)).square().sum((1, 2, 3))
    wanted += 0.5 * (drawn[PROPRIO] - obs[PROPRIO]).square().sum(1)
    torch.testing.assert_close(decoder.loss(feature, obs, torch.nn.Identity()), wanted)
    assert pixels(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-0.5, 0.5]


def frames(face, n: int):
    rng = np.random.default_rng(0)
    seen = [random_obs(face, rng) for _ in range(n)]
    return [{k: x.transpose(2, 0, 1) if x.ndim == 3 else x for k, x in o.items()} for o in seen]


def test_sizes_that_no_doubling_reaches_are_refused():
    with pytest.raises(ConfigError, match="36x36 pixels cannot be drawn"):
        Decoder(9, make_interface(size=36), depth=4)
    with pytest.raises(ConfigError, match="stoch=0"):
        RSSMConfig(stoch=0)
