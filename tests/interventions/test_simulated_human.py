"""The simulated human: when it steps in, how well it acts."""

import numpy as np
import pytest

from robot_rl.errors import ConfigError
from robot_rl.interventions.device import Moment, Reading
from robot_rl.interventions.simulated_human import SimulatedHuman, SimulatedHumanConfig
from robot_rl.types import Scene

EXPERT = np.array([0.5, -0.5, 0.0, 0.5], np.float32)


def human(judge=None, seed=0, **settings) -> SimulatedHuman:
    settings = {
        "noise_std": 0.0,
        "reaction_s": 0.0,
        "hold_low_s": 0.5,
        "hold_high_s": 0.5,
    } | settings
    return SimulatedHuman(SimulatedHumanConfig(**settings), 10.0, seed, judge)


def watch(
    who: SimulatedHuman, steps: int, progress=lambda t: 0.0, risk: float = 0.0
) -> list[Reading]:
    return [
        who.read(
            Moment(
                obs={},
                policy_action=np.zeros(4, np.float32),
                scene=Scene(expert_action=EXPERT, progress=progress(t), risk=risk),
            )
        )
        for t in range(steps)
    ]


def held(readings: list[Reading]) -> list[bool]:
    return [r.held for r in readings]


def test_it_waits_while_there_is_progress():
    assert not any(held(watch(human(), 40, progress=lambda t: 0.1 * t)))


def test_it_steps_in_when_patience_is_over_and_holds_as_long_as_it_said():
    found = held(watch(human(patience_s=1.0), 40))
    assert found.index(True) == 11  # the best at step 0, then ten steps without a gain
    assert found[11:17] == [True] * 5 + [False]


def test_the_reaction_comes_late():
    assert held(watch(human(patience_s=1.0, reaction_s=0.3), 20)).index(True) == 14


def test_risk_is_seen_at_once():
    assert held(watch(human(gate="risk"), 3, risk=0.9))[0]
    assert not any(held(watch(human(gate="risk"), 30, risk=0.7)))


def test_the_value_gap_decides_with_probability_beta():
    better = lambda obs, action: float(np.array_equal(action, EXPERT))  # noqa: E731
    always = held(watch(human(better, gate="value_gap", hold_low_s=0.1, hold_high_s=0.1), 2000))
    assert np.mean(always) == pytest.approx(0.95, abs=0.02)
    equal = held(
        watch(
            human(lambda obs, action: 1.0, gate="value_gap", hold_low_s=0.1, hold_high_s=0.1), 2000
        )
    )
    assert np.mean(equal) == pytest.approx(0.05, abs=0.02)


def test_attention_halves_what_is_seen():
    found = held(
        watch(human(gate="risk", attention=0.5, hold_low_s=0.1, hold_high_s=0.1), 4000, risk=1.0)
    )
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_skill_is_the_share_of_the_experts_actions():
    readings = watch(human(gate="always", skill=0.7), 4000)
    right = [np.array_equal(r.action, EXPERT) for r in readings]
    # A blunder lasts 1 to 4 steps, 2.5 on average.
    assert np.mean(right) == pytest.approx(0.7 / (0.7 + 0.3 * 2.5), abs=0.04)


def test_a_habit_pushes_every_action_the_same_way():
    a, b = (r.action for r in watch(human(gate="always", bias=0.3), 2))
    np.testing.assert_array_equal(a, b)
    assert np.linalg.norm((a - EXPERT)[:2]) == pytest.approx(0.3, abs=1e-6)
    np.testing.assert_array_equal(a[2:], EXPERT[2:])


def test_a_robot_with_one_axis_has_habits_too():
    who = human(gate="always", bias=0.3)
    scene = Scene(expert_action=np.zeros(1, np.float32))
    reading = who.read(Moment(obs={}, policy_action=np.zeros(1, np.float32), scene=scene))
    assert 0.0 < abs(reading.action[0]) <= 0.3


def test_attention_is_a_share_of_the_time_with_a_slow_hand_too():
    who = human(
        gate="random",
        probability=1.0,
        attention=0.1,
        reaction_s=0.3,
        hold_low_s=0.1,
        hold_high_s=0.1,
    )
    assert np.mean(held(watch(who, 5000))) < 0.1  # while it watches, one step in four


def test_takeovers_are_budgeted_over_the_run():
    who = human(gate="random", probability=1.0, max_takeovers=3, hold_low_s=0.1, hold_high_s=0.1)
    first = sum(held(watch(who, 50)))
    who.begin_episode()
    assert (first, sum(held(watch(who, 50)))) == (3, 0)


def test_a_new_episode_forgets_the_old_one():
    who = human(patience_s=1.0)
    watch(who, 11)
    who.begin_episode()
    assert held(watch(who, 12)).index(True) == 11


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="skill"):
        SimulatedHumanConfig(skill=1.5)
    with pytest.raises(ConfigError, match="needs a critic"):
        human(gate="value_gap")
