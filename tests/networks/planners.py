"""A policy that plans, small enough for a test."""

from typing import Any

import torch

from robot_rl.networks.modem import ActorsConfig, ActorsPolicy
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.networks.tdmpc2 import LatentPolicy, ModelConfig
from robot_rl.types import Interface

PLANNER = PlannerConfig(horizon=3, iterations=2, samples=16, prior_samples=4, elites=4)


def small_config(**settings: Any) -> ModelConfig:
    return ModelConfig(
        network=NetworkConfig(encoder="compact", frame_stack=2, hidden_dim=16),
        latent_dim=16,
        simnorm_group=4,
        ensemble_size=3,
        planner=PLANNER,
        **settings,
    )


def small_planner(interface: Interface, **settings: Any) -> LatentPolicy:
    """With weights far from zero: fresh heads tell nothing apart."""
    torch.manual_seed(0)
    return _far_from_zero(LatentPolicy(small_config(**settings), interface))


def small_actors(interface: Interface, **settings: Any) -> ActorsPolicy:
    """MoDem-V2's: three actors with two critics each."""
    torch.manual_seed(0)
    shared = {**vars(small_config()), "ensemble_size": 6, "actors": 3}
    return _far_from_zero(ActorsPolicy(ActorsConfig(**{**shared, **settings}), interface))


def _far_from_zero(policy: Any) -> Any:
    for parameter in policy.model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return policy.eval()
