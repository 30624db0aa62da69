"""A policy's step as one flat list of named tensors: what ONNX and CUDA graphs can take."""

from collections.abc import Mapping

from torch import Tensor, nn

from robot_rl.networks.policy import Carry, Obs, Policy, Previous

ACTION = "action"
_PREVIOUS, _CARRY, _NEXT = "previous/", "carry/", "/next"  # a graph names nothing twice


class FlatStep(nn.Module):
    """`image/*`, `proprio`, `previous/*` and `carry/*` to `action` and `carry/*/next`.

    `inputs` and `outputs` have the names in order.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        obs, previous, carry = policy.example(1)
        self.inputs = tuple(flatten(obs, previous, carry))
        self.outputs = (ACTION, *(_CARRY + name + _NEXT for name in carry))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(self.inputs, tensors, strict=True))
        action, carry = self.policy.step(*unflatten(named))
        return (action, *carry.values())

    def example(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        return flatten(*self.policy.example(n, seed))


def flatten(obs: Obs, previous: Previous, carry: Carry) -> dict[str, Tensor]:
    return {
        **obs,
        **{_PREVIOUS + name: x for name, x in previous._asdict().items()},
        **{_CARRY + name: x for name, x in carry.items()},
    }


def unflatten(named: Mapping[str, Tensor]) -> tuple[Obs, Previous, Carry]:
    def below(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): x for k, x in named.items() if k.startswith(prefix)}

    obs = {k: x for k, x in named.items() if not k.startswith((_PREVIOUS, _CARRY))}
    return obs, Previous(**below(_PREVIOUS)), below(_CARRY)


def carry_of(outputs: Mapping[str, Tensor]) -> Carry:
    """The memory among the outputs of a step."""
    return {
        name.removeprefix(_CARRY).removesuffix(_NEXT): x
        for name, x in outputs.items()
        if name.startswith(_CARRY)
    }


def following(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`inputs` with the memory that the step before left behind."""
    return {name: outputs.get(name + _NEXT, x) for name, x in inputs.items()}
