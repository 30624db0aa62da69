"""Encoders, trunks and what goes into them."""

import pytest
import torch
from torch import nn

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Encoder, PixelConv, Trunk
from robot_rl.networks.ensemble import EnsembleCritic
from robot_rl.networks.layers import orthogonal_init, squashed_noise
from robot_rl.networks.values import Number
from tests.conftest import make_interface, random_batch


def test_pixel_conv_equals_scaling_then_convolving():
    ours = PixelConv(3, 8, 5, 2)
    plain = nn.Conv2d(3, 8, 5, 2)
    plain.load_state_dict(ours.state_dict())
    x = torch.randint(0, 256, (4, 3, 20, 20), dtype=torch.uint8)
    wanted = plain(x.float() / 255 - 0.5)
    torch.testing.assert_close(ours(x), wanted, atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = ours(x)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("shape", "size", "flat"),
    [("paper", 84, 39200), ("compact", 64, 512), ("compact", 32, 800), ("compact", 16, 800)],
)
def test_published_and_compact_sizes(shape, size, flat):
    encoder = Encoder(make_interface(size=size), frame_stack=3, shape=shape)
    assert encoder.image_dim == flat


def test_several_cameras_and_proprio_all_reach_the_heads():
    interface = make_interface(cameras=3, proprio=4)
    encoder = Encoder(interface, frame_stack=2, shape="compact").apply(orthogonal_init)
    trunk = Trunk(encoder, 10).apply(orthogonal_init)
    obs = random_batch(interface).map(torch.from_numpy).obs
    base = trunk(encoder(obs))
    assert base.shape == (8, 20)
    for key in obs:
        changed = {**obs, key: torch.zeros_like(obs[key])}
        assert (trunk(encoder(changed)) - base).abs().max() > 1e-3, key


def test_without_proprio_the_trunk_is_the_image_alone():
    interface = make_interface(proprio=0)
    encoder = Encoder(interface, 1, "compact")
    features = encoder(random_batch(interface, stack=1).map(torch.from_numpy).obs)
    assert features.proprio.shape == (8, 0)
    assert Trunk(encoder, 10)(features).shape == (8, 10)


def test_unknown_shapes_and_tiny_frames_are_refused():
    with pytest.raises(UnknownNameError, match="Choose one of: compact"):
        Encoder(make_interface(), 1, "compct")
    with pytest.raises(ConfigError, match="20x20 pixels are too few"):
        Encoder(make_interface(size=20), 1, "fine")


def test_noise_stays_inside_the_box_and_passes_the_gradient():
    mu = torch.tensor([[0.95, -0.2]], requires_grad=True)
    action = squashed_noise(mu, torch.tensor([[5.0, 0.1]]))
    assert 0.99 < float(action[0, 0].detach()) < 1.0
    assert float(action[0, 1].detach()) == pytest.approx(-0.1)
    action.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))


def test_heads_leave_autocast():
    interface = make_interface()
    encoder = Encoder(interface, 2, "compact").apply(orthogonal_init)
    critic = EnsembleCritic(encoder, 2, 10, 16, False, 2, Number())
    batch = random_batch(interface).map(torch.from_numpy)
    with torch.no_grad():
        nn.init.zeros_(critic.net.linear[2].weight)
        critic.net.linear[2].bias.fill_(100.3)
    compute = Compute(torch.device("cpu"), bfloat16=True)
    with compute.autocast():
        q = critic.q(encoder(batch.obs), batch.action)
    assert q.dtype == torch.float32
    torch.testing.assert_close(q, torch.full_like(q, 100.3))  # bfloat16 would say 100.5


def test_unknown_devices_and_precisions_are_refused():
    with pytest.raises(UnknownNameError, match="precision 'float16'"):
        Compute.choose("cpu", "float16")
    with pytest.raises(UnknownNameError, match="device 'gpu'"):
        Compute.choose("gpu", "auto")
