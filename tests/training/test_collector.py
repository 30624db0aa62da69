"""A collector alone: its sink, and an actor that was taken out of the agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robot_rl.agents.base import Actor
from robot_rl.agents.bc import BCConfig
from robot_rl.agents.mentor import MentorConfig
from robot_rl.agents.sac import SACConfig
from robot_rl.replay.storage import Step
from robot_rl.training.checkpoint import load_checkpoint, save_checkpoint
from robot_rl.training.collector import Collector, RandomActions
from robot_rl.training.episode import Episode
from robot_rl.types import Observation
from tests.agents.tiny import make_agent
from tests.training.tiny_parts import INTERFACE, nobody, three_steps


@dataclass
class Kept:
    """A sink that keeps what it is given, as a queue would."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def begin(self, lane: int, obs: Observation, variation: Mapping[str, float]) -> None:
        self.calls.append(("begin", lane))

    def add(self, lane: int, step: Step, next_obs: Observation) -> None:
        self.calls.append(("add", lane, step))

    def end(self, episode: Episode) -> None:
        self.calls.append(("end", episode.lane, episode))

    def close(self) -> None:
        self.calls.append(("close",))


def collect(actor: Actor, steps: int, before: tuple[int, ...] = (0,)) -> list[tuple[Any, ...]]:
    torch.manual_seed(7)
    kept, lanes = Kept(), len(before)
    envs, gates = three_steps(lanes), [nobody() for _ in before]
    collector = Collector(envs, actor, kept, gates, before, RandomActions(0))
    collector.start()
    for _ in range(steps):
        collector.act(random=False)
        collector.receive()
    collector.close()
    return kept.calls


def actions(actor: Actor) -> np.ndarray:
    return np.array([call[2].action for call in collect(actor, 8) if call[0] == "add"])


def test_a_sink_is_told_everything_in_order():
    calls = collect(make_agent(SACConfig, INTERFACE).actor(), 4, before=(0, 20))
    one = [call[0] for call in calls if call[1:2] == (1,)]
    assert one == ["begin", "add", "add", "add", "end", "begin", "add"]
    assert calls[-1] == ("close",)
    (episode,) = [call[2] for call in calls if call[:2] == ("end", 1)]
    assert (episode.episode_return, episode.length, episode.success) == (6.0, 3, True)
    assert episode.rows.lane.tolist() == [1, 1, 1]
    assert episode.rows.step.tolist() == [20, 21, 22]  # the lane had 20 steps before
    assert episode.steps_by == {"policy": 3}
    # A segment is named by the lane's count of steps at its start.
    segments = [call[2].segment for call in calls if call[:2] == ("add", 1)]
    assert segments == [20, 20, 20, 23]


@pytest.mark.parametrize(
    ("config", "settings"),
    [(SACConfig, {}), (MentorConfig, {"actor": "moe"}), (BCConfig, {"memory": "gru"})],
)
def test_an_actor_that_lives_elsewhere_collects_the_same(tmp_path: Path, config, settings):
    """It is built from the same configuration with other weights, and loads what crossed over."""
    here = make_agent(config, INTERFACE, seed=0, **settings)
    there = make_agent(config, INTERFACE, seed=1, **settings)
    here.step, here.beta, here.awake_step = 90_000, 0.3, 40_000  # exploring has a state, too
    wanted = actions(here.actor())
    assert not np.allclose(actions(there.actor()), wanted)
    crossed = load_checkpoint(save_checkpoint(tmp_path, 0, here.actor().state_dict()))
    actor = there.actor()
    actor.load_state_dict(crossed)
    np.testing.assert_array_equal(actions(actor), wanted)
