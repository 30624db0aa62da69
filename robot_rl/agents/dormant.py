"""Dormant neurons and weight perturbation: the two mechanisms that DrM and MENTOR share."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_rl.networks.moe import MoE


class DormantMeter:
    """Share of dormant neurons of `module` during its last forward pass.

    Neuron i of a layer is dormant when E|h_i| <= tau * mean_j E|h_j| over the batch
    (Sokar et al. 2023, definition 3.1). A hidden layer is scored behind its ReLU: before it, a
    neuron that is dead has a large |h|. Bottleneck, router and action layer have none, and are
    scored as they are. Every expert of a mixture counts, on every row, as if all were chosen.
    Call `ratio` after a pass in training mode.
    """

    def __init__(self, module: nn.Module, tau: float) -> None:
        self._tau = tau
        self._dormant: dict[str, Tensor] = {}
        self._sizes: dict[str, int] = {}
        relu_of = _relus(module)
        for name, layer in module.named_modules():
            if isinstance(layer, nn.Linear):
                relu_of.get(layer, layer).register_forward_hook(self._hook(name))
            elif isinstance(layer, MoE):
                layer.register_forward_hook(self._expert_hook(name))

    @property
    def neurons(self) -> int:
        """How many were scored in the last pass."""
        return sum(self._sizes.values())

    def ratio(self) -> Tensor:
        """Scalar in [0, 1]; 1 before the first pass, when nothing is known to be awake."""
        if not self._dormant:
            return torch.ones(())
        return torch.stack(list(self._dormant.values())).sum() / self.neurons

    def _hook(self, name: str):  # noqa: ANN202 (the hook's type is torch's own)
        def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if layer.training and torch.is_grad_enabled() and len(output):
                self._score(name, output.detach().flatten(0, -2))

        return record

    def _expert_hook(self, name: str):  # noqa: ANN202
        def record(moe: MoE, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
            if moe.training and torch.is_grad_enabled() and len(inputs[0]):
                with torch.no_grad():
                    hidden = moe.experts.hidden(inputs[0].detach())
                    self._score(f"{name}.hidden", hidden)
                    self._score(f"{name}.out", moe.experts.outputs(hidden))

        return record

    def _score(self, name: str, h: Tensor) -> None:
        """`h` [B, N], or [B, E, N] for layers side by side, each with a mean of its own."""
        score = h.float().abs().mean(dim=0)
        threshold = self._tau * score.mean(dim=-1, keepdim=True)
        self._dormant[name] = (score <= threshold).sum()
        self._sizes[name] = score.numel()


def _relus(module: nn.Module) -> dict[nn.Module, nn.Module]:
    """The ReLU behind each linear layer that has one, with nothing but a norm between them."""
    found: dict[nn.Module, nn.Module] = {}
    for sequence in module.modules():
        linear = None
        for layer in sequence.children() if isinstance(sequence, nn.Sequential) else ():
            if isinstance(layer, nn.ReLU) and linear is not None:
                found[linear] = layer
            if not isinstance(layer, nn.LayerNorm):
                linear = layer if isinstance(layer, nn.Linear) else None
    return found


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
