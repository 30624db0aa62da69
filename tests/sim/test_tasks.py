"""The arm suite and the other suites through the one interface."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import ConfigError, UnknownNameError
from sim.env import SimEnv
from sim.registry import list_tasks, make_env, task_options
from sim.suites.arm import ArmSimulation, make
from sim.tasks import ARM_TASKS

FRONT = (CameraSpec(name="front", height=64, width=64),)
CART = (CameraSpec(name="0", height=64, width=64),)
OPTIONS = {
    "peg_insert turned": {"random_yaw": True},
    "peg_insert turned, 1 mm": {"random_yaw": True, "clearance_m": 0.001},
    "peg_insert turned, 0.5 mm": {"random_yaw": True, "clearance_m": 0.0005},
}
VARIANTS = [*ARM_TASKS, *OPTIONS]


def open_variant(variant: str) -> ArmSimulation:
    """A task, or one of `OPTIONS`; physics alone."""
    task = variant.partition(" ")[0]
    options = task_options(f"arm/{task}", OPTIONS[variant]) if variant in OPTIONS else None
    return make(task, options=options)


def run_expert(variant: str, seeds: range) -> list[bool]:
    simulation = open_variant(variant)
    results = []
    for seed in seeds:
        simulation.reset(np.random.default_rng(seed))
        steps = range(simulation.max_episode_steps)
        results.append(any(simulation.step(simulation.expert_action()).success for _ in steps))
    return results


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_expert_succeeds_in_95_of_100_seeds(variant):
    assert sum(run_expert(variant, range(100))) >= 95


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_solved_task_stays_solved_and_the_arm_stands_in_its_workspace(variant):
    simulation = open_variant(variant)
    arm = simulation.arm
    for seed in range(3):
        simulation.reset(np.random.default_rng(seed))
        places, goals = [], []
        for _ in range(simulation.max_episode_steps):
            simulation.step(simulation.expert_action())
            places.append(arm.tcp_pos.copy())
            goals.append(simulation.task.at_goal(arm))
        assert all(goals[-10:])
        assert np.ptp(places[-10:], axis=0).max() < 1e-3
        assert (np.array(places) > np.array(arm.kind.workspace_low) - 0.01).all()
        assert (np.array(places) < np.array(arm.kind.workspace_high) + 0.01).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_doing_nothing_and_random_actions_do_not_succeed(variant):
    simulation = open_variant(variant)
    rng = np.random.default_rng(0)
    lucky = 0
    for seed in range(20):
        simulation.reset(np.random.default_rng(seed))
        actions = (seed % 2) * rng.uniform(
            -1, 1, (simulation.max_episode_steps, len(simulation.action_fields))
        )
        lucky += any(simulation.step(action).success for action in actions)
    assert lucky <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_dense_reward_lies_in_0_1_and_rises_under_the_expert(variant):
    simulation = open_variant(variant)
    simulation.reset(np.random.default_rng(1))
    rewards = [
        simulation.step(simulation.expert_action()).reward
        for _ in range(simulation.max_episode_steps)
    ]
    assert 0 <= min(rewards) <= max(rewards) <= 1
    assert rewards[-1] > rewards[0] + 0.2


def test_sparse_reward_pays_once_on_held_success_and_terminates():
    env = make_env("arm/reach", FRONT, reward="sparse")
    env.reset(seed=0)
    rewards, at_goal, terminated = [], 0, False
    while not terminated:
        _, reward, terminated, truncated, info = env.step(env.expert_action())
        at_goal += env.simulation.task.at_goal(env.simulation.arm)
        rewards.append(reward)
        assert not truncated
    assert info["success"]
    assert rewards[-1] == 1.0
    assert sum(rewards) == 1.0
    assert at_goal == 5  # half a second at 10 Hz
    env.close()


def test_robosuites_sparse_reward_pays_on_success_alone():
    paid = {}
    for reward in ("dense", "sparse"):
        env = make_env(
            "robosuite/Lift", (CameraSpec(name="agentview", height=64, width=64),), reward=reward
        )
        env.reset(seed=0)
        action = np.array([0, 0, -1, 0, 0, 0, -1], np.float32)
        paid[reward] = sum(env.step(action)[1] for _ in range(5))
        env.close()
    assert paid["dense"] > 0.0
    assert paid["sparse"] == 0.0


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        (
            "dmc/cartpole_balance",
            {"reward": "sparse"},
            "dmc/cartpole_balance has no task.reward=sparse; its suite pays dense",
        ),
        ("arm/reach", {"reward": "spars"}, "its suite pays dense or sparse"),
        ("robosuite/Lift", {"reward": "shaped"}, "its suite pays dense or sparse"),
        ("dmc/cartpole_balance", {"state": True}, "has no task.state=true"),
    ],
)
def test_what_a_suite_does_not_offer_is_refused(task, options, words):
    with pytest.raises(ConfigError, match=words):
        make_env(task, CART, **options)


def test_actions_are_displacements_of_the_tool():
    simulation = make("reach")
    simulation.reset(np.random.default_rng(0))
    arm = simulation.arm
    for axis in range(3):
        action = np.zeros(3, np.float32)
        action[axis] = -0.5 if axis == 2 else 0.5
        before = arm.tcp_pos.copy()
        for _ in range(3):
            arm.apply(action)
        arm.apply(np.zeros(3, np.float32))
        moved = arm.tcp_pos - before
        assert moved[axis] == pytest.approx(3 * 0.03 * action[axis], abs=0.006)
        assert np.abs(np.delete(moved, axis)).max() < 0.005


def test_the_tool_stays_inside_the_workspace_and_points_down():
    simulation = make("lift")
    simulation.reset(np.random.default_rng(0))
    arm = simulation.arm
    for _ in range(40):
        arm.apply(np.array([1, 1, -1, 0], np.float32))
    assert np.all(arm.tcp_pos <= np.array(arm.kind.workspace_high) + 0.01)
    assert arm.tcp_pos[2] > 0.0
    rotation = arm.data.site("tcp").xmat.reshape(3, 3)
    assert rotation[2, 2] < -0.99


def test_the_wrong_task_lists_the_right_ones_closest_first():
    with pytest.raises(UnknownNameError, match="Choose one of: dmc/walker_walk, dmc/walker_run"):
        make_env("dmc/walker_wlk", FRONT)
    with pytest.raises(UnknownNameError, match="arm/push"):
        make_env("arm/puhs", FRONT)


def test_a_wrong_option_lists_the_right_ones_and_a_task_without_any_says_so():
    with pytest.raises(
        UnknownNameError,
        match=r"Choose one of: task\.options\.random_yaw, task\.options\.clearance_m$",
    ):
        make_env("arm/peg_insert", FRONT, options={"random_jaw": True})
    with pytest.raises(ConfigError, match=r"task\.options\.random_yaw needs true or false"):
        make_env("arm/peg_insert", FRONT, options={"random_yaw": 1})
    for task in ("arm/door", "dmc/walker_walk"):
        with pytest.raises(ConfigError, match=f"{task} has no options"):
            make_env(task, FRONT, options={"random_yaw": True})


def test_the_list_says_which_options_a_task_has():
    options = {info.name: info.options for info in list_tasks()}
    assert options["arm/peg_insert"] == {"clearance_m": 0.002, "random_yaw": False}
    assert options["arm/lift"] == {"decoy": "none"}
    assert options["arm/door"] == options["dmc/walker_walk"] == {}


def test_the_list_holds_all_suites():
    names = {info.name for info in list_tasks()}
    assert {"arm/reach", "arm/push", "arm/lift"} <= names
    assert sum(name.startswith("dmc/") for name in names) >= 48
    assert {"robosuite/Lift", "robosuite/Door"} <= names
    assert not any("TwoArm" in name for name in names)
    assert all(info.summary for info in list_tasks())


@pytest.mark.parametrize(
    ("task", "camera"),
    [("arm/lift", "wrist"), ("dmc/cartpole_swingup", "0"), ("robosuite/Lift", "agentview")],
)
def test_gymnasiums_own_checker_passes(task, camera):
    env = make_env(task, (CameraSpec(name=camera, height=64, width=64),))
    with warnings.catch_warnings():
        # Proprio has no natural bounds, and the checker warns about that.
        warnings.filterwarnings("ignore", message=".*(infinity|render_modes|spec).*")
        check_env(env, skip_render_check=True)
    assert env.render().shape == (256, 256, 3)
    env.close()


def test_truncation_comes_at_the_time_limit_with_action_repeat():
    env = make_env("dmc/cartpole_balance", CART, action_repeat=4)
    env.reset(seed=0)
    steps, truncated = 0, False
    while not truncated:
        _, reward, terminated, truncated, info = env.step(np.zeros(1, np.float32))
        steps += 1
        assert not terminated
        assert 0 <= reward <= 4
        assert info["success"] is None
    assert steps == 250
    assert env.interface.control_rate_hz == pytest.approx(25.0)
    env.close()


_DIGEST = """
import hashlib, sys
import numpy as np
from robot_rl.envs.cameras import CameraSpec
from sim.registry import make_env
spec = CameraSpec(name=sys.argv[2], height=64, width=64, noise_std=2.0, delay_high_s=0.2)
env = make_env(sys.argv[1], (spec,))
digest = hashlib.sha256()
rng = np.random.default_rng(0)
obs, _ = env.reset(seed=7)
for _ in range(12):
    action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
    obs, reward, *_ = env.step(action)
    for key in sorted(obs):
        digest.update(obs[key].tobytes())
    digest.update(np.float64(reward).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.parametrize(
    ("task", "camera"),
    [("arm/lift", "front"), ("dmc/walker_walk", "0"), ("robosuite/Lift", "agentview")],
)
def test_same_seed_same_trajectory_in_two_processes(task, camera, repository):
    command = [sys.executable, "-c", _DIGEST, task, camera]
    runs = [
        subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    first, second = (run.communicate()[0].strip().splitlines()[-1] for run in runs)
    assert len(first) == 64
    assert first == second


def test_an_environment_needs_no_torch(repository):
    script = (
        "import sys; from sim.registry import make_env;"
        "from robot_rl.envs.cameras import CameraSpec;"
        "make_env('arm/reach', (CameraSpec(name='front', height=64, width=64),)).reset(seed=0);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=repository).returncode == 0


def test_the_expert_needs_a_task_of_the_arm_suite():
    env: SimEnv = make_env("dmc/cartpole_balance", CART)
    assert env.expert_action() is None
    env.close()
