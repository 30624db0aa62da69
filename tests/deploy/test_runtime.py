"""The runtime: the policy's own actions, on time, with its memory."""

import dataclasses
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robot_rl.build.config import TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import export_onnx
from robot_rl.deploy.runtime import Applied, PolicyRuntime, RuntimeConfig, most_that_fits
from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError, NotFiniteError
from robot_rl.networks.policy import Policy, PolicyMemory
from robot_rl.networks.recurrent import RecurrentConfig, RecurrentPolicy
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy
from robot_rl.networks.tdmpc2 import LatentPolicy
from tests.conftest import make_interface, random_obs
from tests.networks.planners import PLANNER, small_config, small_planner

INTERFACE = make_interface(cameras=2)
PATIENT = {"deadline_s": 5.0}


def export(root: Path, policy: Policy) -> Path:
    PolicyFolder(root).write(policy, TrainConfig(), {})
    export_onnx(policy, root)
    return root


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    network = NetworkConfig(hidden_dim=16, frame_stack=3)
    policy = StackedPolicy(StackedConfig(network=network), INTERFACE).eval()
    return export(tmp_path_factory.mktemp("runtime") / "policy", policy)


@pytest.fixture(scope="module")
def remembering(tmp_path_factory):
    torch.manual_seed(0)
    config = RecurrentConfig(network=NetworkConfig(hidden_dim=16), memory_dim=8)
    policy = RecurrentPolicy(config, INTERFACE).eval()
    return export(tmp_path_factory.mktemp("recurrent") / "policy", policy)


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
    memory = PolicyMemory(PolicyFolder(folder).load(), 1)
    for obs in episode(5):
        wanted = memory.act([obs])[0]
        np.testing.assert_allclose(runtime.act(obs).action, wanted, atol=1e-5)
    runtime.close()


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_a_takeover_reaches_the_memory_of_a_recurrent_policy(remembering, engine):
    runtime = PolicyRuntime(remembering, RuntimeConfig(engine=engine, **PATIENT))
    memory = PolicyMemory(PolicyFolder(remembering).load(), 1)
    untold = PolicyMemory(PolicyFolder(remembering).load(), 1)
    human = np.array([0.8, -0.6], np.float32)
    applied, gap = None, 0.0
    for step, obs in enumerate(episode(8)):
        wanted = memory.act([obs])[0]
        gap = max(gap, float(np.abs(untold.act([obs])[0] - wanted).max()))
        found = runtime.act(obs, applied=applied).action
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        taken_over = 2 <= step < 5
        applied = Applied(action=human if taken_over else found, own=not taken_over)
        memory.applied(0, applied.action, applied.own)
    assert gap > 1e-3  # what was told made a difference
    runtime.close()


def test_a_late_step_is_remembered_once_it_has_come(remembering):
    runtime = PolicyRuntime(remembering, RuntimeConfig(deadline_s=0.05))
    fast, let_go = runtime._engine, threading.Event()
    runtime._engine = lambda inputs: (let_go.wait(10.0), fast(inputs))[1]
    first, second = episode(2)
    assert runtime.act(first).action is None
    let_go.set()
    runtime._running.result(10.0)
    runtime._engine, runtime._deadline_s = fast, 5.0
    memory = PolicyMemory(PolicyFolder(remembering).load(), 1)
    memory.act([first])
    np.testing.assert_allclose(runtime.act(second).action, memory.act([second])[0], atol=1e-5)
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


def test_a_planner_that_misses_its_deadline_at_its_fastest_is_told_what_fits(tmp_path):
    folder = tmp_path / "policy"
    PolicyFolder(folder).write(small_planner(INTERFACE), TrainConfig(), {})
    with pytest.raises(
        ConfigError, match=r"policy\.plan=false takes \d+ ms: robot-rl export RUN_DIR policy"
    ):
        PolicyRuntime(folder, RuntimeConfig(deadline_s=1e-6))
    PolicyRuntime(folder, RuntimeConfig(**PATIENT)).close()


def thought_s(settings: Mapping[str, Any]) -> float:
    """Of a planner of 40 iterations and 64 sequences, a second for 64 of them judged."""
    iterations = settings.get("planner.iterations", 40)
    return 0.0 if "plan" in settings else iterations * settings.get("planner.samples", 64) / 64


def test_the_most_that_fits_is_named_before_less():
    many = dataclasses.replace(PLANNER, iterations=40, samples=64, elites=16)
    policy = LatentPolicy(dataclasses.replace(small_config(), planner=many), INTERFACE)
    found = most_that_fits(policy.lighter(), thought_s, deadline_s=24.5)
    assert found == ({"planner.iterations": 24}, 24.0)
    found = most_that_fits(policy.lighter(), thought_s, deadline_s=0.2)
    assert found == ({"plan": False}, 0.0)
    assert most_that_fits([], thought_s, deadline_s=1.0) is None


def test_where_nothing_fits_the_lightest_is_named():
    tried = [{"planner.iterations": n} for n in (9, 3, 2)]
    assert most_that_fits(tried, thought_s, deadline_s=1.0) == (tried[-1], 2.0)


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


def test_an_action_that_is_not_finite_raises(folder):
    runtime = PolicyRuntime(folder, RuntimeConfig(**PATIENT))
    fast = runtime._engine
    runtime._engine = lambda inputs: fast(inputs) | {"action": torch.tensor([[np.nan, 0.0]])}
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
