"""Losses of five updates from a fixed seed, in float32: a refactor must not move them.

After a deliberate change: `python -m tests.agents.test_golden NAME ...` writes the files anew.
"""

import dataclasses
import json
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from robot_rl.agents.base import AGENTS as AGENTS_ON_OFFER
from robot_rl.agents.bc import BCConfig
from robot_rl.agents.cql import CQLConfig
from robot_rl.agents.drm import DrMConfig
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.hil_serl import HilSerlConfig
from robot_rl.agents.iql import IQLConfig
from robot_rl.agents.mentor import MentorConfig
from robot_rl.agents.modem import MoDemConfig
from robot_rl.agents.mvmwm import MVMWMConfig
from robot_rl.agents.rlif import RLIFConfig
from robot_rl.agents.rlpd import RLPDConfig
from robot_rl.agents.sac import SACConfig
from robot_rl.agents.taco import TacoConfig
from robot_rl.agents.tdmpc2 import TDMPC2Config
from robot_rl.networks.masked import MaskedConfig
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.rssm import RSSMConfig
from robot_rl.replay.draws import Segments
from robot_rl.training.checkpoint import (
    load_checkpoint,
    random_state,
    save_checkpoint,
    set_random_state,
)
from tests.agents.tiny import make_agent
from tests.conftest import make_interface, random_batch
from tests.interventions.served import arm_interface

TDMPC2 = {
    "latent_dim": 16,
    "simnorm_group": 4,
    "ensemble_size": 3,
    "planner": PlannerConfig(horizon=3, iterations=2, samples=16, prior_samples=4, elites=4),
}
DREAMING = {
    "frame_stack": 1,
    "segment_length": 3,
    "embed_dim": 8,
    "rssm": RSSMConfig(deter=12, hidden=16, stoch=5),
    "decoder_depth": 4,
    "imagined": 4,
    "shift_pad": 0,
}

MASKED = MaskedConfig(patch=8, dim=16, depth=1, decoder_depth=1, heads=2, reader_dim=8)


def like(name: str, **settings: Any) -> Any:
    """The settings that make agent `name` what it is, with `settings` in the place of some."""
    return dataclasses.replace(AGENTS_ON_OFFER.load(name).config, **settings)


GOLDEN = Path(__file__).parent.parent / "golden"
AGENTS = {
    "drqv2": (DrQV2Config, {}),
    "drm": (DrMConfig, {"perturb_every_updates": 3}),
    "mentor": (MentorConfig, {"perturb_every_updates": 3, "actor": "moe"}),
    "sac": (SACConfig, {}),
    "rlpd": (RLPDConfig, {"ensemble_size": 4}),
    "rlif": (RLIFConfig, {"ensemble_size": 4}),
    "hil_serl": (HilSerlConfig, {"ensemble_size": 2}),
    "bc": (BCConfig, {}),
    "iql": (IQLConfig, {}),
    "cql": (CQLConfig, {"drawn": 3}),
    "tdmpc2": (TDMPC2Config, TDMPC2),
    "modem": (MoDemConfig, {**TDMPC2, "ensemble_size": 4, "actors": 2}),
    **{
        name: (partial(like, name), DREAMING)
        for name in ("dreamer", "repo", "infopower", "r2dreamer")
    },
    "mvmwm": (MVMWMConfig, DREAMING | {"masked": MASKED, "masked_batch": 4}),
    "taco": (DrQV2Config, {"taco": TacoConfig(weight=1.0, hidden_dim=16)}),
}


def make(name: str, bfloat16: bool = False) -> Any:
    config, settings = AGENTS[name]
    interface = make_interface(cameras=2, size=32 if settings.items() >= DREAMING.items() else 36)
    if name == "hil_serl":
        interface = dataclasses.replace(
            interface, proprio=arm_interface().proprio, actions=arm_interface().actions
        )
    return make_agent(config, interface, lr=1e-3, bfloat16=bfloat16, **settings)


def learn(agent: Any, updates: range) -> list[dict[str, float]]:
    interface, rows = agent.actor().interface, []
    for i in updates:
        agent.step = 1000 * i
        agent.end_episode(float(i))
        stack = agent.config.draws.frame_stack
        batch = random_batch(interface, stack=stack, segment=3, seed=i)
        alone = isinstance(agent.config.draws, Segments)
        metrics = agent.update(batch.segment if alone else batch)
        rows.append({key: float(value) for key, value in sorted(metrics.items())})
    return rows


def losses(name: str) -> list[dict[str, float]]:
    agent = make(name)
    torch.manual_seed(1)
    return learn(agent, range(5))


@pytest.mark.parametrize("name", AGENTS)
def test_losses_are_the_golden_ones(name):
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    for row, wanted in zip(losses(name), golden, strict=True):
        assert row == pytest.approx(wanted, rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_that_was_saved_learns_on_to_the_bit(name, tmp_path):
    """The moments of the optimisers among them, in whatever order memory has them."""
    straight, again = make(name), make(name)
    torch.manual_seed(1)
    learn(straight, range(3))
    saved = save_checkpoint(tmp_path, 0, {"agent": straight.state_dict(), "random": random_state()})
    wanted = learn(straight, range(3, 5))
    state = load_checkpoint(saved)
    again.load_state_dict(state["agent"])
    set_random_state(state["random"])
    assert learn(again, range(3, 5)) == wanted


@pytest.mark.parametrize("name", AGENTS)
def test_with_half_as_many_bits_it_learns_too(name):
    """As on a GPU; what is drawn differs, so that the losses do."""
    torch.manual_seed(1)
    rows = learn(make(name, bfloat16=True), range(3))
    assert [row.keys() for row in rows] == [row.keys() for row in losses(name)[:3]]
    assert all(math.isfinite(value) for row in rows for value in row.values())


@pytest.mark.parametrize("name", AGENTS)
def test_what_a_person_is_shown_is_measured(name):
    agent = make(name)
    measured = agent.exploration().keys() | {key for row in learn(agent, range(2)) for key in row}
    assert agent.shown
    assert agent.shown.keys() <= measured


if __name__ == "__main__":
    torch.set_num_threads(1)
    for agent_name in sys.argv[1:]:
        text = json.dumps(losses(agent_name), indent=1)
        (GOLDEN / f"{agent_name}.json").write_text(text + "\n")
