"""Clocks, environment processes, the NaN guard, evaluation."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.analysis.stats import bootstrap_interval, wilson_interval
from robot_rl.clocks import Every, Ratio
from robot_rl.envs.vector import EnvLane, EnvProcesses, InlineEnvs, episode_seed
from robot_rl.errors import EnvWorkerError, NotFiniteError
from robot_rl.networks.stacked import StackedConfig, StackedPolicy
from robot_rl.training.evaluate import HELD_OUT_SEED, evaluate
from robot_rl.training.guard import require_finite
from tests.agents.tiny import make_agent
from tests.conftest import make_interface, random_batch


class CountingEnv(gym.Env):
    """Three-step episodes whose observation is the seed and the step; an action of 9 fails."""

    interface = make_interface(cameras=0)

    def reset(self, *, seed=None, options=None):
        self.seed, self.t = seed, 0
        return {"proprio": np.array([seed, 0], np.float64)}, {"success": False}

    def step(self, action):
        if action[0] == 9:
            raise ValueError("the arm fell off")
        self.t += 1
        obs = {"proprio": np.array([self.seed, self.t], np.float64)}
        info = {"success": self.t == 3, "applied_action": action, "source": "policy"}
        return obs, float(self.t), False, self.t == 3, info


def test_every_fires_once_per_period():
    clock = Every(10)
    assert [step for step in range(35) if clock(step)] == [10, 20, 30]
    assert not Every(0)(5)


@given(st.floats(0.1, 4), st.integers(0, 400))
def test_ratio_pays_what_is_owed(ratio, steps):
    clock = Ratio(ratio)
    for step in range(steps + 1):
        clock.done += clock.owed(step)
    assert clock.done == int(steps * ratio + 1e-9)
    assert clock.owed(steps) == 0


def test_offline_updates_are_owed_before_the_first_step_and_never_again():
    clock = Ratio(0.5, first=7)
    assert [clock.owed(steps) for steps in (-100, 0, 1, 2, 10)] == [7, 7, 7, 8, 12]
    clock.done = 9
    assert [clock.owed(steps) for steps in (-100, 4, 6)] == [0, 0, 1]


@given(st.integers(1, 200), st.data())
def test_wilson_interval_holds_the_rate(trials, data):
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_intervals_by_hand():
    assert wilson_interval(45, 50) == pytest.approx((0.786, 0.957), abs=1e-3)
    low, high = bootstrap_interval([np.random.default_rng(0).normal(3.0, 1.0, 400)])
    assert (low, high) == pytest.approx((2.9, 3.1), abs=0.06)


def on_device(leaf: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(leaf)


@pytest.mark.parametrize("frames", [np.asarray, on_device])
def test_nan_stops_with_the_whole_batch_on_disk(tmp_path, frames):
    """Frames are tensors where the replay keeps them on the GPU."""
    interface = make_interface()
    batch = random_batch(interface, segment=2)
    batch.reward[3] = np.nan
    for obs in (batch.obs, batch.next_obs, batch.segment.obs):
        obs["image/cam0"] = frames(obs["image/cam0"])
    agent = make_agent(DrQV2Config, interface)
    with pytest.raises(NotFiniteError, match="critic_loss"):
        require_finite(agent.update(batch), batch, tmp_path)
    saved = load_file(tmp_path / "bad_batch.safetensors")
    assert np.isnan(saved["batch/reward"][3])
    np.testing.assert_array_equal(saved["batch/obs/image/cam0"], batch.obs["image/cam0"])
    assert saved["batch/segment/obs/image/cam0"].dtype == np.uint8
    assert saved.keys() == {
        *(f"batch/{k}" for k in ("action", "reward", "discount", "label", "gripper_changes")),
        *(f"batch/{o}/{k}" for o in ("obs", "next_obs") for k in ("image/cam0", "proprio")),
        *(f"batch/segment/{k}" for k in ("action", "reward", "terminated", "is_first", "mask")),
        *(f"batch/segment/{k}" for k in ("label", "own", "taught", "labelled")),
        *(f"batch/segment/obs/{k}" for k in ("image/cam0", "proprio")),
        *(f"{rows}/{k}" for rows in ("batch/rows", "batch/segment/rows") for k in ("lane", "step")),
    }


@pytest.mark.parametrize("processes", [False, True])
def test_environments_reset_themselves_with_known_seeds(processes):
    if processes:
        envs = EnvProcesses(CountingEnv, seed=5, num_envs=2)
    else:
        envs = InlineEnvs([EnvLane(CountingEnv, 5, lane, 0) for lane in range(2)])
    first = envs.reset()
    seeds = [opening.obs["proprio"][0] for opening in first]
    assert seeds == [episode_seed(5, lane, 0) for lane in (0, 1)]
    for t in (1, 2, 3):
        envs.send(np.zeros((2, 1), np.float32), [None, None], ["policy"] * 2)
        steps = envs.receive()
        assert [s.obs["proprio"][1] for s in steps] == [t, t]
    assert all(s.truncated and s.success and s.opening is not None for s in steps)
    assert steps[1].opening is not None
    assert steps[1].opening.obs["proprio"][0] == episode_seed(5, 1, 1)
    envs.close()


def test_an_error_in_an_environment_process_is_told():
    envs = EnvProcesses(CountingEnv, seed=0, num_envs=1)
    envs.reset()
    envs.send(np.full((1, 1), 9, np.float32), [None], ["policy"])
    with pytest.raises(EnvWorkerError, match="ValueError: the arm fell off"):
        envs.receive()
    envs.close()


def test_a_killed_environment_process_is_told():
    envs = EnvProcesses(CountingEnv, seed=0, num_envs=1)
    envs.reset()
    envs._processes[0].kill()
    envs._processes[0].join()
    with pytest.raises(EnvWorkerError, match="environment process 0 ended"):
        envs.send(np.zeros((1, 1), np.float32), [None], ["policy"])
    envs.close()


def test_an_environment_process_ends_in_silence_with_its_learner(capfd):
    envs = EnvProcesses(CountingEnv, seed=0, num_envs=1)
    envs.reset()
    envs.send(np.zeros((1, 1), np.float32), [None], ["policy"])
    assert envs._pipes[0].poll(5.0)
    envs.close()  # with a result unread, which resets the connection
    envs._processes[0].join(60.0)
    assert envs._processes[0].exitcode == 0
    assert capfd.readouterr().err == ""


def test_evaluation_uses_held_out_seeds_and_counts_success():
    seeds = []

    class Witness(StackedPolicy):
        def step(self, obs, previous, carry):
            seeds.append(float(obs["proprio"][0, 0]))
            assert bool(previous.first) == (obs["proprio"][0, 1] == 0)
            return torch.zeros(1, 2), carry

    env = CountingEnv()
    result = evaluate(Witness(StackedConfig(), env.interface), env, episodes=3, film=False)
    assert set(seeds) == {HELD_OUT_SEED + i for i in range(3)}
    assert max(episode_seed(s, 0, e) for s in range(5) for e in range(50)) < HELD_OUT_SEED
    metrics = result.metrics()
    assert metrics["return_mean"] == 6.0
    assert metrics["success_rate"] == 1.0
    assert metrics["length_mean_steps"] == 3
