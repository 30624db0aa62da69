"""Dormant neurons and weight perturbation: the two mechanisms that DrM and MENTOR share."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class DormantMeter:
    """Share of dormant neurons in the linear layers of `module` during its last forward pass.

    Neuron i of a layer is dormant when E|h_i| <= tau * mean_j E|h_j| over the batch
    (Sokar et al. 2023, definition 3.1). Call `ratio` after a pass in training mode.
    """

    def __init__(self, module: nn.Module, tau: float) -> None:
        self._tau = tau
        self._dormant: dict[str, Tensor] = {}
        self._sizes: dict[str, int] = {}
        for name, layer in module.named_modules():
            if isinstance(layer, nn.Linear):
                layer.register_forward_hook(self._hook(name))

    def ratio(self) -> Tensor:
        """Scalar in [0, 1]; 1 before the first pass, when nothing is known to be awake."""
        if not self._dormant:
            return torch.ones(())
        return torch.stack(list(self._dormant.values())).sum() / sum(self._sizes.values())

    def _hook(self, name: str):  # noqa: ANN202 (the hook's type is torch's own)
        def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if layer.training and torch.is_grad_enabled() and len(output):
                score = output.detach().float().abs().flatten(0, -2).mean(dim=0)
                self._dormant[name] = (score <= self._tau * score.mean()).sum()
                self._sizes[name] = len(score)

        return record


def perturbation_factor(beta: float, alpha_min: float, alpha_max: float) -> float:
    """alpha = clip(1 - 2 beta, alpha_min, alpha_max) (DrM, section 4.1)."""
    return min(max(1.0 - 2.0 * beta, alpha_min), alpha_max)


@torch.no_grad()
def perturb_(module: nn.Module, fresh: Mapping[str, Tensor], alpha: float) -> None:
    """theta <- alpha theta + (1 - alpha) phi for every parameter by name; alpha = 1 is identity."""
    for name, parameter in module.named_parameters():
        parameter.lerp_(fresh[name].to(parameter), 1.0 - alpha)


def forget_(optimizer: torch.optim.Optimizer) -> None:
    """Drop the moments that belong to the weights before a perturbation."""
    optimizer.state.clear()
