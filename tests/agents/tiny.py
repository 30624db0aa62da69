"""Agents small enough to update in milliseconds."""

from typing import Any

import torch
from torch import Tensor, nn

from robot_rl.build.agents import build_agent
from robot_rl.networks.compute import Compute
from robot_rl.networks.moe import MoEConfig
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.types import Interface


def make_agent(
    config: type,
    interface: Interface,
    *,
    seed: int = 0,
    frame_stack: int = 2,
    actor: str = "mlp",
    bfloat16: bool = False,
    **settings: Any,
) -> Any:
    torch.manual_seed(seed)
    network = NetworkConfig(
        encoder="compact",
        frame_stack=frame_stack,
        feature_dim=12,
        hidden_dim=24,
        actor=actor,
        moe=MoEConfig(num_experts=4, top_k=2, expert_dim=8, gate_dim=8),
    )
    settings = {"network": network, "shift_pad": 1, **settings}
    return build_agent(
        config(**settings).for_run(200_000), interface, Compute(torch.device("cpu"), bfloat16)
    )


def parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def optimised(agent: Any) -> list[int]:
    """The identity of every parameter that an optimiser of `agent` owns, once for each."""
    groups = [g for optimizer in agent.optimizers().values() for g in optimizer.param_groups]
    return [id(parameter) for group in groups for parameter in group["params"]]
