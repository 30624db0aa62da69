"""Tasks of other people's packages through the one interface."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_rl.cli import main
from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import MissingPackageError, UnknownNameError
from sim.packages import Package
from sim.registry import list_tasks, make_env, make_simulation, missing_suites
from sim.suites import gymhil

SEEN = {
    "metaworld/door-open-v3": "corner2",
    "adroit/pen": "vil_camera",
    "gymhil/PandaPickCube": "handcam_rgb",
    "ogbench/visual-scene-singletask-task1-v0": "front_pixels",
}


@pytest.mark.parametrize(("task", "camera"), SEEN.items())
def test_gymnasiums_own_checker_finds_nothing(task, camera):
    env = make_env(task, (CameraSpec(name=camera, height=32, width=32),), reward="sparse")
    check_env(env, skip_render_check=True)
    assert env.render().std() > 5.0
    env.close()


@pytest.mark.parametrize("task", [*SEEN, "adroit/door", "adroit/hammer", "adroit/relocate"])
def test_an_episode_is_that_of_its_seed_and_another_seed_is_another(task):
    simulation = make_simulation(task, "dense")
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (5, len(simulation.action_fields))).astype(np.float32)

    def end(seed: int) -> np.ndarray:
        simulation.reset(np.random.default_rng(seed))
        for action in actions:
            simulation.step(action)
        model = simulation.model  # where some tasks have their goals
        return np.concatenate((simulation.data.qpos, model.body_pos.flat, model.body_quat.flat))

    assert np.array_equal(end(1), end(1))
    assert not np.allclose(end(1), end(2))
    assert len(simulation.proprio()) == sum(field.size for field in simulation.proprio_fields)


@pytest.mark.parametrize("task", ["door-open-v3", "sweep-into-v3", "coffee-push-v3", "assembly-v3"])
def test_meta_worlds_policies_solve_it_with_random_goals(task):
    simulation = make_simulation(f"metaworld/{task}", "sparse")
    for seed in range(3):
        simulation.reset(np.random.default_rng(seed))
        outcomes = [simulation.step(expert(simulation)) for _ in range(200)]
        assert any(outcome.success for outcome in outcomes)
        assert [o.reward for o in outcomes] == [float(bool(o.success)) for o in outcomes]


@pytest.mark.parametrize(
    ("task", "seeds"), [("cube-single-singletask-task1", 3), ("cube-double-singletask-task2", 1)]
)
def test_ogbenchs_oracle_puts_one_cube_after_the_other_in_place(task, seeds):
    simulation = make_simulation(f"ogbench/visual-{task}-v0", "dense")
    for seed in range(seeds):
        simulation.reset(np.random.default_rng(seed))
        outcomes = []
        while not outcomes or not (outcomes[-1].terminated or len(outcomes) > 200):
            outcomes.append(simulation.step(expert(simulation)))
        assert outcomes[-1].success
        assert outcomes[-1].reward == 0.0
        assert outcomes[0].reward < 0.0
    assert simulation.scene().expert_action is not None


def expert(simulation) -> np.ndarray:
    action = simulation.scene().expert_action
    assert action is not None
    assert np.abs(action).max() <= 1.0
    return action


def test_meta_worlds_two_rules_of_success():
    seen = {}
    for rule in ("any", "last"):
        simulation = make_simulation("metaworld/reach-v3", "dense", options={"success": rule})
        simulation.reset(np.random.default_rng(0))
        seen[rule] = [bool(simulation.step(expert(simulation)).success) for _ in range(500)]
    assert sum(seen["any"]) > 100
    assert seen["any"][-1]
    assert seen["last"] == [False] * 499 + [True]
    with pytest.raises(UnknownNameError, match=r"task\.options\.success 'first'.*last, any"):
        make_simulation("metaworld/reach-v3", "dense", options={"success": "first"})


def test_meta_worlds_cameras_stand_upright_and_proprio_does_not_tell_the_goal():
    simulation = make_simulation("metaworld/reach-v3", "dense")
    for seed in (0, 1):
        simulation.reset(np.random.default_rng(seed))
        for name in ("corner", "corner2", "corner3"):
            up = simulation.data.camera(name).xmat.reshape(3, 3)[:, 1]
            assert up[2] > 0.0
    assert [field.name for field in simulation.proprio_fields] == ["tcp_pos", "gripper_opening"]


def test_gym_hils_block_is_lifted_to_success_and_ends_the_episode_outside_its_area():
    simulation = make_simulation("gymhil/PandaPickCube", "sparse")
    simulation.reset(np.random.default_rng(0))
    block = simulation.data.joint("block")
    still = np.zeros(4, np.float32)
    outcome = simulation.step(still)
    assert (outcome.reward, outcome.terminated, outcome.success) == (0.0, False, False)
    block.qpos[:2] = (0.7, 0.0)
    assert simulation.step(still).terminated
    simulation.reset(np.random.default_rng(0))
    block.qpos[2] += 0.3
    lifted = simulation.step(still)
    assert lifted.reward == 1.0
    assert lifted.success
    assert lifted.terminated


def test_adroits_proprio_is_the_hand_and_not_its_objects():
    for task, joints in (("door", 28), ("hammer", 26), ("pen", 24), ("relocate", 30)):
        simulation = make_simulation(f"adroit/{task}", "dense")
        simulation.reset(np.random.default_rng(0))
        assert len(simulation.proprio()) == joints == len(simulation.action_fields)
        assert simulation.model.nq > joints


def test_a_suite_whose_package_is_missing_says_how_to_install_it(monkeypatch):
    assert missing_suites() == []
    absent = Package("gym-hil", "no_such_gym_hil", "pip install it")
    monkeypatch.setattr(gymhil, "PACKAGE", absent)
    with pytest.raises(MissingPackageError, match=r"'gym-hil' is not installed.*pip install it"):
        make_simulation("gymhil/PandaPickCube", "dense")
    assert missing_suites() == [("gymhil", "pip install it")]
    assert not any(info.name.startswith("gymhil/") for info in list_tasks())


def test_demonstrations_of_meta_worlds_policy_are_collected_by_the_same_command(tmp_path, capsys):
    command = ["collect", "task=metaworld/door-open-v3", "task.image_size=32", "--episodes", "1"]
    assert main([*command, "--out", str(tmp_path / "demos")]) == 0
    assert "1" in capsys.readouterr().out
    assert list((tmp_path / "demos").iterdir())
