"""What the policy runtime adds to the bare network, on one thread."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import Row
from robot_rl.build.config import TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.runtime import PolicyRuntime, RuntimeConfig
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy
from robot_rl.types import ActionField, CameraField, Interface

TITLE = "policy runtime"
PAPER = NetworkConfig(encoder="paper", hidden_dim=1024, layer_norm=False)
_DECISIONS = 300


def run() -> list[Row]:
    torch.set_num_threads(1)
    rows = []
    for name, network, size in (
        ("compact, 64x64", NetworkConfig(), 64),
        ("paper, 84x84", PAPER, 84),
    ):
        with tempfile.TemporaryDirectory() as root:
            rows += _measure(name, policy_folder(Path(root), network, size, 10.0))
    return rows


def policy_folder(root: Path, network: NetworkConfig, size: int, rate_hz: float) -> Path:
    """An untrained policy with one camera and three actions."""
    camera = CameraField(name="front", height=size, width=size, rate_hz=rate_hz)
    actions = tuple(
        ActionField(
            name=f"tcp_{axis}", unit="m", scale=0.3 / rate_hz, kind="displacement", hold=0.0
        )
        for axis in "xyz"
    )
    interface = Interface(
        task="arm/reach", control_rate_hz=rate_hz, cameras=(camera,), proprio=(), actions=actions
    )
    folder = PolicyFolder(root / "policy")
    policy = StackedPolicy(StackedConfig(network=network), interface)
    folder.write(policy, TrainConfig(), {})
    return folder.root


def _measure(name: str, folder: Path) -> list[Row]:
    """The two take turns, so that both meet the same machine."""
    runtime = PolicyRuntime(folder, RuntimeConfig(deadline_s=1.0, own_thread=False))
    policy = PolicyFolder(folder).load()
    (camera,) = runtime.interface.cameras
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (camera.height, camera.width, 3), np.uint8)
    inputs = policy.example(1)
    bare_s, act_s = [], []
    for _ in range(_DECISIONS):
        start = time.perf_counter()
        with torch.inference_mode():
            policy.step(*inputs)
        middle = time.perf_counter()
        runtime.act({camera.key: image})
        bare_s.append(middle - start)
        act_s.append(time.perf_counter() - middle)
    runtime.close()
    bare_ms, act_ms = (1e3 * float(np.median(times)) for times in (bare_s, act_s))
    return [
        Row(f"{name}, bare forward", bare_ms, "ms"),
        Row(f"{name}, act", act_ms, "ms"),
        Row(f"{name}, act - bare forward", act_ms - bare_ms, "ms", "<= 0.3"),
    ]
