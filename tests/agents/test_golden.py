"""Losses of five updates from a fixed seed, in float32: a refactor must not move them.

After a deliberate change: `python -m tests.agents.test_golden` writes the files anew.
"""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from robot_rl.agents.bc import BCConfig
from robot_rl.agents.drm import DrMConfig
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.hil_serl import HilSerlConfig
from robot_rl.agents.mentor import MentorConfig
from robot_rl.agents.rlif import RLIFConfig
from robot_rl.agents.rlpd import RLPDConfig
from robot_rl.agents.sac import SACConfig
from robot_rl.agents.taco import TacoConfig
from tests.agents.tiny import make_agent
from tests.conftest import make_interface, random_batch
from tests.interventions.served import arm_interface

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
    "taco": (DrQV2Config, {"taco": TacoConfig(weight=1.0, hidden_dim=16)}),
}


def losses(name: str) -> list[dict[str, float]]:
    config, settings = AGENTS[name]
    interface = make_interface(cameras=2)
    if name == "hil_serl":
        interface = dataclasses.replace(
            interface, proprio=arm_interface().proprio, actions=arm_interface().actions
        )
    agent = make_agent(config, interface, lr=1e-3, **settings)
    torch.manual_seed(1)
    rows = []
    for i in range(5):
        agent.step = 1000 * i
        agent.end_episode(float(i))
        metrics = agent.update(random_batch(interface, segment=3, seed=i))
        rows.append({key: float(value) for key, value in sorted(metrics.items())})
    return rows


@pytest.mark.parametrize("name", AGENTS)
def test_losses_are_the_golden_ones(name):
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    for row, wanted in zip(losses(name), golden, strict=True):
        assert row == pytest.approx(wanted, rel=2e-3, abs=1e-4)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for agent_name in AGENTS:
        text = json.dumps(losses(agent_name), indent=1)
        (GOLDEN / f"{agent_name}.json").write_text(text + "\n")
