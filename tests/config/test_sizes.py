"""A size means something of its own for these agents (`configs/size_of/`): it fits its frames."""

from pathlib import Path

import pytest
import torch

from robot_rl.build.agents import build_agent
from robot_rl.build.compose import compose
from robot_rl.networks.compute import Compute
from tests.conftest import make_interface

SIZES = Path(__file__).parent.parent.parent / "configs" / "size_of"


@pytest.mark.parametrize("file", sorted(path.stem for path in SIZES.glob("*.yaml")))
def test_an_agent_is_built_for_the_arm(file):
    size, name = file.split("_", 1)
    config = compose((f"agent={name}", f"size={size}", "task=arm/lift"))
    interface = make_interface(cameras=2, size=config.task.image_size)
    agent = build_agent(
        config.agent.for_run(config.steps), interface, Compute(torch.device("cpu"), False)
    )
    assert agent.policy().interface == interface
