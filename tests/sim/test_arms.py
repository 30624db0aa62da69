"""Every arm keeps what `ArmModel` says of it, and plays the tasks that it can."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from robot_rl.axes import TCP_LINEAR
from robot_rl.errors import ConfigError, MissingPackageError, UnknownNameError
from sim.arm import Arm
from sim.arm_config import ArmConfig
from sim.arms import ARM_MODELS, ArmModel
from sim.packages import Package
from sim.registry import make_env, make_simulation
from sim.suites.arm import ArmSimulation, make
from sim.tasks import ARM_TASKS
from sim.tasks.peg_insert import PegInsert, PegOptions

ARMS = ARM_MODELS.names()
# The SO-101 reaches little ground and hardly turns its tool. The primitive arm: test_tasks.py.
PLAYED = [(arm, task) for arm in ("panda", "ur5e") for task in ARM_TASKS]
PLAYED += [("so101", task) for task in ("reach", "lift", "stack", "peg_insert")]


def nothing(spec: Any, kind: Any) -> None:
    """No objects."""


@pytest.fixture(scope="module", params=ARMS)
def arm(request) -> Arm:
    return Arm(ARM_MODELS.load(request.param), ArmConfig(), nothing, turns=True)


def middle(kind: ArmModel) -> np.ndarray:
    return (np.array(kind.workspace_low) + kind.workspace_high) / 2


def corners(kind: ArmModel, inside_m: float) -> list[np.ndarray]:
    """[8, 3]: of the workspace, so far inside it."""
    low, high = np.array(kind.workspace_low) + inside_m, np.array(kind.workspace_high) - inside_m
    return [np.where(np.unravel_index(i, (2, 2, 2)), high, low) for i in range(8)]


def move(arm: Arm, seconds: float, **rates: float) -> np.ndarray:
    """Where the tool was after each tick [N, 3]."""
    places = []
    for _ in range(round(seconds * arm.config.control_rate_hz)):
        arm.servo.command([rates.get(axis.name, 0.0) for axis in arm.axes], 0.1)
        for _ in range(arm.config.ticks):
            arm.tick()
            places.append(arm.tcp_pos.copy())
    return np.array(places)


def test_it_reaches_its_workspace_with_the_tool_down_square_and_free(arm):
    low, high = arm.joint_range
    for corner in corners(arm.kind, 0.01):
        arm.reset(corner, 0.02)
        assert arm.tcp_pos == pytest.approx(corner, abs=2e-3)
        assert arm.tool_axis[2] < -0.9999
        assert arm.yaw == pytest.approx(0.0, abs=5e-3)
        assert ((arm.joint_pos >= low) & (arm.joint_pos <= high)).all()
        assert arm.data.ncon == 0


@pytest.mark.parametrize("axis", TCP_LINEAR)
def test_the_tool_moves_at_the_rate_it_is_told_and_stands(arm, axis):
    at = middle(arm.kind)
    arm.reset(at, 0.02)
    index, rate_m_s = TCP_LINEAR.index(axis), 0.1
    places = move(arm, 0.4, **{axis: rate_m_s})
    speeds = np.diff(places[10:, index]) / arm.config.tick_s
    assert speeds.mean() == pytest.approx(rate_m_s, rel=0.05)
    assert np.delete(places[-1], index) == pytest.approx(np.delete(at, index), abs=5e-3)
    still = move(arm, 1.0)[-20:]
    assert still[-1][index] == pytest.approx(at[index] + 0.4 * rate_m_s, abs=2e-3)
    assert np.ptp(still, axis=0).max() < 5e-4


def test_the_yaw_is_reached_that_it_is_said_to_turn_by(arm):
    arm.reset(middle(arm.kind), 0.02)
    most_rad = arm.kind.max_yaw_rad
    move(arm, 1.5, tcp_rz=2.0)
    assert arm.yaw == pytest.approx(most_rad, abs=0.02)
    move(arm, 2.5, tcp_rz=-2.0)
    assert arm.yaw == pytest.approx(-most_rad, abs=0.02)


def test_the_fingers_close_and_open_and_their_middle_is_where_they_meet(arm):
    kind = arm.kind
    arm.reset(middle(kind), kind.gripper_max_m)
    assert arm.gripper_opening == pytest.approx(kind.gripper_max_m, abs=1e-3)
    move(arm, 0.8, gripper=-0.2)
    assert arm.gripper_opening == pytest.approx(0.0, abs=3e-3)
    assert arm.grip_pos - arm.tcp_pos == pytest.approx([0, kind.stands_m, 0], abs=3e-3)
    move(arm, 0.8, gripper=0.2)
    assert arm.gripper_opening == pytest.approx(kind.gripper_max_m, abs=3e-3)


def test_what_hangs_on_a_finger_is_of_its_side_and_nothing_else_is(arm):
    sides = {arm.model.body(i).name: arm.side_of(i) for i in range(arm.model.nbody)}
    first, second = arm.kind.sides
    assert (sides[first], sides[second]) == (0, 1)
    assert sides["world"] is None
    assert arm.side_of(arm.model.body(first).parentid[0]) is None


@pytest.mark.parametrize(("name", "task"), PLAYED)
def test_the_expert_succeeds_with_every_arm(name, task):
    simulation = make(task, arm=name)
    assert sum(solves(simulation, seed) for seed in range(20)) >= 19


@pytest.mark.parametrize("name", ["panda", "ur5e"])
def test_the_arms_that_can_turn_their_tool(name):
    kind = ARM_MODELS.load(name)
    simulation = ArmSimulation(PegInsert(PegOptions(random_yaw=True)), kind=kind)
    assert sum(solves(simulation, seed) for seed in range(20)) >= 19


def test_a_linkage_holds_together_where_nothing_touches():
    simulation = make("reach", arm="ur5e")
    simulation.reset(np.random.default_rng(0))
    for _ in range(20):
        simulation.step(simulation.expert_action())
    driver, spring_link, follower = (
        simulation.data.joint(f"hand/right_{part}_joint").qpos[0]
        for part in ("driver", "spring_link", "follower")
    )
    assert spring_link == pytest.approx(driver, abs=0.05)
    assert follower == pytest.approx(-driver, abs=0.05)


def solves(simulation: ArmSimulation, seed: int) -> bool:
    simulation.reset(np.random.default_rng(seed))
    steps = range(simulation.max_episode_steps)
    return any(simulation.step(simulation.expert_action()).success for _ in steps)


def test_a_task_is_drawn_where_the_arm_can_work():
    simulation = make("lift", arm="so101")
    low, high = simulation.arm.kind.workspace_low, simulation.arm.kind.workspace_high
    cubes = []
    for seed in range(50):
        simulation.reset(np.random.default_rng(seed))
        cubes.append(simulation.data.body("cube").xpos[:2].copy())
    # One jaw stands: the tool works up to 2 cm beside its tcp.
    assert np.min(cubes, axis=0) == pytest.approx([0.30, low[1] + 0.02], abs=0.01)
    assert np.max(cubes, axis=0) == pytest.approx([high[0], high[1] - 0.02], abs=0.01)


def test_an_arm_that_cannot_do_a_task_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"task\.arm=so101 hardly reaches the place of this task"):
        make("push", arm="so101")
    with pytest.raises(
        ConfigError,
        match=r"peg_insert turns the tool by 0\.79 rad either way, task\.arm=so101 by 0\.10\. "
        r"Choose one of: panda, primitive, ur5e",
    ):
        make("peg_insert", options=PegOptions(random_yaw=True), arm="so101")
    with pytest.raises(
        UnknownNameError, match=r"unknown task\.arm 'pandas'\. Choose one of: panda"
    ):
        make_simulation("arm/lift", "dense", arm="pandas")
    with pytest.raises(ConfigError, match=r"no task\.arm=panda: its suite brings a robot of its"):
        make_env("dmc/cartpole_balance", (), arm="panda")


def test_meshes_that_are_missing_are_named_with_the_command_that_brings_them():
    with pytest.raises(
        MissingPackageError, match=r"'no_such_arms' is not installed.*pip install x"
    ):
        Package("no_such_arms", "no_such_arms", "pip install x").file("arm.xml")


def test_a_task_has_room_or_the_arm_is_refused():
    kind = dataclasses.replace(
        ARM_MODELS.load("primitive"), workspace_low=(0.3, -0.1, 0.0), workspace_high=(0.4, 0.1, 0.2)
    )
    low, high = kind.within(np.array([0.2, -0.05, 0.3]), np.array([0.38, 0.3, 0.4]))
    assert low.tolist() == [0.3, -0.05, 0.2]
    assert high.tolist() == [0.38, 0.1, 0.2]  # as high as it goes
    assert kind.within(np.array([0.35, 0.0]), np.array([0.36, 0.01]))[1].tolist() == [0.36, 0.01]
    with pytest.raises(ConfigError, match="hardly reaches"):
        kind.within(np.array([0.36, -0.1]), np.array([0.6, 0.1]))
    with pytest.raises(ConfigError, match="hardly reaches"):
        kind.within(np.array([0.2, -0.1]), np.array([0.5, 0.1]), around_m=0.03)
