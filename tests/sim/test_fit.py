"""A simulated "real" arm with hidden parameters, found from how it moved."""

import argparse

import numpy as np
import pytest
import yaml

import sim.fit as fitting
from robot_rl.commands import variation_fit
from robot_rl.errors import ConfigError
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.replay.storage import Step
from sim.arm_config import ArmConfig
from sim.arms import ARM_MODELS
from sim.env import interface_of
from sim.fit import AS_BUILT, Replica, Track, fit
from sim.registry import make_simulation

HIDDEN = {"gain": 0.5, "damping": 2.5, "joint_friction_n_m": 0.6, "action_delay_s": 0.07}
STEPS = 20


@pytest.fixture(scope="module")
def replica():
    kind = ARM_MODELS.load("primitive")
    return Replica(kind, ArmConfig(physics_dt_s=kind.physics_dt_s), turns=False, gripper=True)


def moved(replica, parameters, episodes, seed=0):
    """Quick and slow, back and forth, measured with a fifth of a millimetre of noise."""
    rng = np.random.default_rng(seed)
    for _ in range(episodes):
        actions, wish = np.zeros((STEPS, 4)), np.zeros(3)
        for t in range(STEPS):
            if t % 4 == 0:
                wish = rng.uniform(-1, 1, 3)
            actions[t, :3] = wish
        start = np.array([0.35, 0.0, 0.15]) + rng.uniform(-0.05, 0.05, 3)
        tcp = replica.play(Track(actions, np.tile(start, (STEPS + 1, 1)), 0.03), parameters)
        yield Track(actions, tcp + rng.normal(0, 2e-4, tcp.shape), 0.03)


def test_hidden_parameters_are_found(replica):
    fitted, kept_back = list(moved(replica, HIDDEN, 6)), list(moved(replica, HIDDEN, 3, seed=1))
    found = fit(replica, fitted, seed=0)
    before = replica.error_m(kept_back, AS_BUILT)
    after = replica.error_m(kept_back, found.parameters)
    assert before > 0.01
    assert after < 0.1 * before, "asked for is half"
    assert found.parameters["action_delay_s"] == pytest.approx(0.07, abs=0.005)
    assert found.parameters["gain"] == pytest.approx(0.5, abs=0.2)
    for name, (low, high) in found.ranges.items():
        assert low <= found.parameters[name] <= high
        assert low - 0.2 * HIDDEN[name] <= HIDDEN[name] <= high + 0.2 * HIDDEN[name], name


def test_an_arm_that_moves_as_built_is_left_as_built(replica):
    """The error is the measurement's noise, and nothing that is fitted makes it less."""
    tracks = list(moved(replica, AS_BUILT, 2))
    assert replica.error_m(tracks, AS_BUILT) == pytest.approx(np.sqrt(3) * 2e-4, rel=0.15)


def test_a_delay_has_no_steps(replica):
    """The error falls towards the true delay, whatever the servo's ticks are."""
    tracks = list(moved(replica, HIDDEN, 2))
    errors = [
        replica.error_m(tracks, {**HIDDEN, "action_delay_s": delay})
        for delay in (0.04, 0.05, 0.06, 0.065, 0.07)
    ]
    assert errors == sorted(errors, reverse=True)


def test_an_arm_that_stood_still_says_nothing(replica):
    still = Track(np.zeros((5, 4)), np.tile([0.35, 0.0, 0.15], (6, 1)), 0.03)
    with pytest.raises(ConfigError, match="record free motion"):
        fit(replica, [still], seed=0)


def write_episodes(root, tracks):
    simulation = make_simulation("arm/reach", "sparse")
    interface = interface_of(simulation, (), 1, True)
    root.mkdir()
    interface.save(root / "interface.json")
    journal = Journal(root, 0, interface, KEEP_ALL)
    for track in tracks:
        proprio = np.zeros((len(track.tcp_m), interface.proprio_size), np.float32)
        proprio[:, :3], proprio[:, 6] = track.tcp_m, track.gripper_m
        journal.begin({"proprio": proprio[0]})
        for t, action in enumerate(track.actions):
            last = t == len(track.actions) - 1
            applied = action[: interface.action_size].astype(np.float32)
            journal.add(Step(applied, 0.0, False, last), {"proprio": proprio[t + 1]})
    journal.close()


def test_from_episodes_to_ranges_by_command(tmp_path, replica, monkeypatch, capsys):
    monkeypatch.setattr(fitting, "_ROUNDS", 4)
    write_episodes(tmp_path / "episodes", moved(replica, HIDDEN, 4))
    out = tmp_path / "desk.yaml"
    arguments = argparse.Namespace(
        folders=[str(tmp_path / "episodes")], out=str(out), seed=0, overrides=["task=arm/reach"]
    )
    assert variation_fit.run(arguments) == 0
    said = capsys.readouterr().out
    assert "1 episodes kept back" in said
    text = out.read_text()
    assert text.startswith("# @package task.variation\n")
    ranges = yaml.safe_load(text)
    assert set(ranges) == set(AS_BUILT)
    assert all(low <= high for low, high in ranges.values())
    arguments.overrides = ["task=arm/peg_insert", "task.options.random_yaw=true"]
    with pytest.raises(ConfigError, match="name the task that they are of"):
        variation_fit.run(arguments)
