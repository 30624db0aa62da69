"""The turned hole: what a square peg needs, what success demands and what the reward leads to."""

import math

import numpy as np
import pytest

from hardware.rotation import rotation_vector
from robot_rl.axes import TCP_LINEAR
from robot_rl.errors import ConfigError
from sim.arm import TOOL_DOWN_QUAT
from sim.suites.arm import ArmSimulation
from sim.tasks.base import toward
from sim.tasks.peg_insert import PegInsert, PegOptions


def turned(yaw_rad: float, seed: int = 0) -> ArmSimulation:
    """The task with the hole turned by `yaw_rad`."""
    simulation = ArmSimulation(PegInsert(PegOptions(random_yaw=True)))
    simulation.reset(np.random.default_rng(seed))
    simulation.data.mocap_quat[0] = (math.cos(yaw_rad / 2), 0, 0, math.sin(yaw_rad / 2))
    return simulation


def succeeds(simulation: ArmSimulation, turn: bool) -> bool:
    outcomes = []
    for _ in range(simulation.max_episode_steps):
        action = simulation.expert_action()
        action[3] *= turn
        outcomes.append(simulation.step(action).success)
    return any(outcomes)


def press(simulation: ArmSimulation) -> None:
    """Down on the hole, whatever the yaw."""
    task, arm = simulation.task, simulation.arm
    for height_m in (0.02, 0.0, -0.03):
        for _ in range(15):
            gap = task.tip_to_hole(arm)
            simulation.step(toward(arm, arm.tcp_pos + gap + (0, 0, height_m), 0.0))


def test_the_hole_turns_by_up_to_45_degrees_either_way():
    simulation = turned(0.0)
    yaws = []
    for seed in range(200):
        simulation.reset(np.random.default_rng(seed))
        yaws.append(simulation.task.hole_yaw(simulation.arm))
    assert -math.pi / 4 <= min(yaws) < -0.7
    assert 0.7 < max(yaws) <= math.pi / 4
    assert abs(np.mean(yaws)) < 0.1


@pytest.mark.parametrize("yaw_rad", [-0.7, 0.45])
def test_the_peg_goes_in_only_when_it_is_turned(yaw_rad):
    assert succeeds(turned(yaw_rad), turn=True)
    assert not succeeds(turned(yaw_rad), turn=False)
    pressed = turned(yaw_rad)
    press(pressed)
    assert not pressed.task.at_goal(pressed.arm)
    straight = turned(0.0)
    press(straight)
    assert straight.task.at_goal(straight.arm)


@pytest.mark.parametrize("clearance_m", [0.002, 0.0005])
def test_the_walls_stop_a_peg_a_millimetre_more_than_its_clearance_beside_the_hole(clearance_m):
    """Pressed 4 cm down for two seconds, beside the hole and over it."""
    simulation = ArmSimulation(PegInsert(PegOptions(clearance_m=clearance_m)))
    task, arm = simulation.task, simulation.arm
    for beside_m, goes_in in ((clearance_m + 0.001, False), (0.0, True)):
        simulation.reset(np.random.default_rng(3))
        hole = arm.data.mocap_pos[0] + np.array([beside_m, 0.0, 0.0])
        for height_m in (0.12, 0.05):
            for _ in range(20):
                simulation.step(toward(arm, hole + np.array([0.0, 0.0, height_m])))
        assert task.at_goal(arm) == goes_in


@pytest.mark.parametrize("clearance_m", [0.0, 0.0035])
def test_a_clearance_that_makes_no_sense_is_refused(clearance_m):
    with pytest.raises(ConfigError, match=r"clearance_m is .*; it lies in \[0.0002, 0.003\] m"):
        PegOptions(clearance_m=clearance_m)


def test_success_demands_the_yaw_where_the_walls_do_not():
    simulation = turned(0.0)
    press(simulation)
    assert simulation.task.at_goal(simulation.arm)
    simulation.data.mocap_quat[0] = (math.cos(0.2), 0, 0, math.sin(0.2))  # 23 degrees
    assert not simulation.task.at_goal(simulation.arm)
    simulation.data.mocap_quat[0] = (math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4))
    assert simulation.task.at_goal(simulation.arm)  # a quarter of a turn is none


def test_the_dense_reward_rises_with_the_yaw_wherever_the_peg_is():
    simulation = turned(0.7)
    turn = np.array([0, 0, 0, 1], np.float32)
    rewards = [simulation.step(turn).reward for _ in range(4)]
    assert (np.diff(rewards) > 0.02).all()


def test_the_state_tells_the_turn_that_is_left():
    simulation = ArmSimulation(PegInsert(PegOptions(random_yaw=True)), state=True)
    simulation.reset(np.random.default_rng(0))
    task, arm = simulation.task, simulation.arm
    assert simulation.proprio()[-1] == pytest.approx(task.hole_yaw(arm) - arm.yaw, abs=1e-6)
    assert [field.name for field in simulation.proprio_fields[-2:]] == [
        "tip_to_hole",
        "yaw_to_hole",
    ]


def test_where_its_axes_stand_is_what_a_real_arm_would_tell():
    simulation = turned(0.0)
    for _ in range(5):
        simulation.step(np.array([0.5, -0.2, 0.0, 1.0], np.float32))
    told, arm = simulation.scene().measured, simulation.arm
    assert told["tcp_rz"] > 0.5
    rotation = rotation_vector(arm.tcp_quat, TOOL_DOWN_QUAT)
    assert rotation[2] == pytest.approx(told["tcp_rz"], abs=1e-3)
    assert [told[name] for name in TCP_LINEAR] == arm.tcp_pos.tolist()
    assert told["gripper"] == arm.gripper_opening


def test_without_the_option_nothing_turns():
    simulation = ArmSimulation(PegInsert())
    assert [field.name for field in simulation.action_fields] == ["tcp_x", "tcp_y", "tcp_z"]
    simulation.reset(np.random.default_rng(3))
    assert tuple(simulation.data.mocap_quat[0]) == (1, 0, 0, 0)
