"""Where and how precisely tensors are computed."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError, UnknownNameError

PRECISIONS = ("auto", "float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda")
# Names the part of an update that is timed; the default times nothing.
Split = Callable[[str], contextlib.AbstractContextManager[Any]]


def no_split(part: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Compute:
    """Device and precision of a learner. `bfloat16` is used through autocast."""

    device: torch.device
    bfloat16: bool

    @classmethod
    def choose(cls, device: str, precision: str) -> "Compute":
        """`auto` takes CUDA where there is one, and bfloat16 where the processor has it."""
        if device not in DEVICES:
            raise UnknownNameError("device", device, DEVICES)
        if precision not in PRECISIONS:
            raise UnknownNameError("precision", precision, PRECISIONS)
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                "device=cuda, but torch sees no CUDA device. `robot-rl doctor` says why; "
                "device=cpu runs without."
            )
        name = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        native = torch.cuda.is_bf16_supported() if name == "cuda" else cpu_has_bfloat16()
        return cls(torch.device(name), native if precision == "auto" else precision == "bfloat16")

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def tensor(self, array: np.ndarray | Tensor) -> Tensor:
        """On the device; from pinned memory and without waiting where that is CUDA."""
        tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
        if tensor.device.type == self.device.type:
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def compile(self, *modules: nn.Module, backend: str = "inductor") -> None:
        """Compile in place: names in `state_dict` stay. CUDA graphs on CUDA."""
        graphs = self.device.type == "cuda" and backend == "inductor"
        for module in modules:
            module.compile(backend=backend, mode="reduce-overhead" if graphs else None)

    def adam(
        self,
        *modules: nn.Module,
        lr: float,
        eps: float = 1e-8,
        slow: tuple[nn.Module, ...] = (),
        slow_lr: float = 0.0,
    ) -> torch.optim.Adam:
        """Fused Adam over the parameters of `modules`, and those of `slow` at a rate of theirs."""
        groups = [{"params": _parameters(modules), "lr": lr}]
        if slow:
            groups.append({"params": _parameters(slow), "lr": slow_lr})
        return torch.optim.Adam(groups, lr=lr, eps=eps, fused=True)


def _parameters(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    return [p for module in modules for p in module.parameters()]


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load `state`, its moments laid out in memory as the parameters that they belong to.

    Fused Adam pairs a parameter with its moments by their places in memory, and a file keeps no
    layout: weights of convolutions with channels last would get the moments of others.
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 natively (AVX-512 BF16 or AMX)."""
    return torch.cpu._is_avx512_bf16_supported()
