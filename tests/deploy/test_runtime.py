"""The runtime: the policy's own actions, on time, with its memory."""

import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_rl.build.config import TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import export_onnx
from robot_rl.deploy.runtime import PolicyRuntime, RuntimeConfig
from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError, NotFiniteError
from robot_rl.networks.policy import NetworkConfig, make_policy
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2)
PATIENT = {"deadline_s": 5.0}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("runtime") / "policy"
    torch.manual_seed(0)
    network = NetworkConfig(hidden_dim=16, frame_stack=3)
    policy = make_policy(network, INTERFACE).eval()
    PolicyFolder(root).write(policy, network, INTERFACE, TrainConfig(), {})
    export_onnx(policy, INTERFACE, root)
    return root


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "policy")


def episode(steps: int):
    rng = np.random.default_rng(0)
    return [random_obs(INTERFACE, rng) for _ in range(steps)]


@pytest.mark.parametrize(
    ("engine", "own_thread"), [("torch", True), ("torch", False), ("onnx", True)]
)
def test_actions_and_memory_are_those_of_the_policy(folder, engine, own_thread):
    runtime = PolicyRuntime(folder, RuntimeConfig(engine=engine, own_thread=own_thread, **PATIENT))
    policy, carry = PolicyFolder(folder).load(), [None]
    for obs in episode(5):
        wanted, carry = policy.act([obs], carry)
        decision = runtime.act(obs)
        np.testing.assert_allclose(decision.action, wanted[0].numpy(), atol=1e-5)
    runtime.close()


def test_reset_forgets_the_last_episode(folder):
    runtime = PolicyRuntime(folder, RuntimeConfig(**PATIENT))
    first, *rest = episode(4)
    fresh = runtime.act(first).action
    for obs in rest:
        runtime.act(obs)
    remembered = runtime.act(first).action
    runtime.reset()
    np.testing.assert_array_equal(runtime.act(first).action, fresh)
    assert not np.array_equal(remembered, fresh)


def test_a_missed_deadline_gives_no_action_and_is_counted(folder):
    runtime = PolicyRuntime(folder, RuntimeConfig(deadline_s=0.05))
    fast, release = runtime._engine, time.monotonic() + 0.2

    def slow(inputs):
        time.sleep(max(0.0, release - time.monotonic()))
        return fast(inputs)

    runtime._engine = slow
    obs = episode(1)[0]
    assert runtime.act(obs).action is None
    assert runtime.act(obs).action is None  # still busy: it does not queue up
    time.sleep(0.25)
    assert runtime.act(obs).action is not None
    assert runtime.stats.deadline_misses == 2
    assert runtime.stats.decisions == 3


def test_without_a_thread_of_its_own_a_late_result_is_refused(folder):
    runtime = PolicyRuntime(folder, RuntimeConfig(deadline_s=0.05, own_thread=False))
    fast = runtime._engine
    runtime._engine = lambda inputs: time.sleep(0.1) or fast(inputs)
    assert runtime.act(episode(1)[0]).action is None
    runtime._engine = fast
    assert runtime.act(episode(1)[0]).action is not None
    assert runtime.stats.deadline_misses == 1


def test_the_age_of_the_observation_is_reported(folder):
    runtime = PolicyRuntime(folder, RuntimeConfig(**PATIENT))
    decision = runtime.act(episode(1)[0], stamp_s=time.time() - 2.0)
    assert decision.obs_age_s == pytest.approx(2.0, abs=0.2)
    assert runtime.stats.last_obs_age_s == decision.obs_age_s


def test_another_observation_or_interface_is_refused(folder):
    runtime = PolicyRuntime(folder)
    obs = episode(1)[0]
    with pytest.raises(InterfaceMismatchError, match=r"image/cam1 is missing"):
        runtime.act({k: v for k, v in obs.items() if k != "image/cam1"})
    with pytest.raises(InterfaceMismatchError, match=r"float32 \(36, 36, 3\); needed: uint8"):
        runtime.act({**obs, "image/cam0": obs["image/cam0"].astype(np.float32)})
    with pytest.raises(InterfaceMismatchError, match="proprio is"):
        runtime.act({**obs, "proprio": np.zeros(99, np.float32)})
    with pytest.raises(InterfaceMismatchError, match="cameras"):
        runtime.require(make_interface(cameras=1), "this robot")


def test_an_action_that_is_not_finite_raises(folder):
    runtime = PolicyRuntime(folder, RuntimeConfig(**PATIENT))
    runtime._engine = lambda inputs: np.array([np.nan, 0.0])
    with pytest.raises(NotFiniteError, match="nan"):
        runtime.act(episode(1)[0])


def test_a_damaged_folder_and_wrong_names_say_so(folder):
    with pytest.raises(ConfigError, match="choose torch or onnx"):
        PolicyRuntime(folder, RuntimeConfig(engine="jax"))  # type: ignore[arg-type]
    weights = folder / "policy.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CorruptFileError, match=r"policy\.safetensors"):
        PolicyRuntime(folder)
    (folder / "policy.onnx").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match="--onnx"):
        PolicyRuntime(folder, RuntimeConfig(engine="onnx"))


class Evil:
    """Unpickling this leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self):
        return (Path.touch, (self._trace,))


def test_a_pickle_in_the_folder_is_never_opened(folder, tmp_path):
    trace = tmp_path / "trace"
    for name in ("policy.safetensors", "policy.onnx", "interface.json", "config.yaml"):
        broken = shutil.copytree(folder, tmp_path / name)
        (broken / name).write_bytes(pickle.dumps(Evil(trace)))
        engine = "onnx" if name == "policy.onnx" else "torch"
        with pytest.raises(CorruptFileError):
            PolicyRuntime(broken, RuntimeConfig(engine=engine))
    assert not trace.exists()


def test_no_code_of_ours_reads_pickles():
    for package in ("robot_rl", "sim", "hardware", "ros2_ws"):
        for path in Path(package).rglob("*.py"):
            text = path.read_text()
            assert not re.search(r"import (pickle|dill|joblib|shelve|marshal)", text), path
            # The weights of an installed package, and then with torch's restricted reader.
            if path != Path("robot_rl/networks/pretrained.py"):
                assert "torch.load(" not in text, path
            assert all("weights_only=True" in call for call in re.findall(r"torch\.load\(.*", text))
            assert "allow_pickle=True" not in text, path
            assert not re.search(r"yaml\.(load|unsafe_load|full_load)\(", text), path


def test_the_runtime_is_light_to_import():
    heavy = ("mujoco", "hydra", "omegaconf", "gymnasium", "robot_rl.training", "robot_rl.agents")
    code = f"import sys, robot_rl.deploy.runtime; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
