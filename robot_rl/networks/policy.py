"""What runs on a robot: a policy with an explicit memory, told what really happened."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.config.schema import from_tree
from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins
from robot_rl.types import PROPRIO, Interface, Observation

# A batch of observations: `image/<camera>` uint8 [B, H, W, 3] and `proprio` float32 [B, P].
Obs = dict[str, Tensor]
# What a policy remembers within an episode: tensors with a leading batch dimension, by name.
Carry = dict[str, Tensor]

# Kinds of policies by the name that an artefact gives: classes derived from `Policy`.
POLICIES = Plugins(
    "kind of policy",
    "robot_rl.policies",
    {
        "stacked": "robot_rl.networks.stacked:StackedPolicy",
        "recurrent": "robot_rl.networks.recurrent:RecurrentPolicy",
        "tdmpc2": "robot_rl.networks.tdmpc2:LatentPolicy",
        "modem": "robot_rl.networks.modem:ActorsPolicy",
        "dreaming": "robot_rl.networks.dreaming:DreamingPolicy",
        "masked_dreaming": "robot_rl.networks.masked_dreaming:MaskedDreamingPolicy",
    },
)


class Previous(NamedTuple):
    """What became of the step before.

    `action` [B, A] was really applied, whatever the policy had wished; `own` bool [B] where the
    policy had chosen it, and not a human or chance; `first` bool [B] where the episode just began:
    there was no step before, and the memory of the last episode goes.
    """

    action: Tensor
    own: Tensor
    first: Tensor

    @classmethod
    def nothing(cls, n: int, action_size: int, device: torch.device | None = None) -> "Previous":
        """At the start of `n` episodes."""
        return cls(
            torch.zeros(n, action_size, device=device),
            torch.zeros(n, dtype=torch.bool, device=device),
            torch.ones(n, dtype=torch.bool, device=device),
        )


class Steps(Protocol):
    """What acts with a memory: a policy, or the actor that an agent collects with."""

    interface: Interface

    def initial(self, n: int) -> Carry: ...
    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]: ...


class Policy(nn.Module):
    """Observations, what became of the last step, and memory -> action [B, A] and memory.

    A kind of policy is a subclass with a `Config`; both are saved in the artefact. Its `step` is
    tensors alone, without a branch on their values, so that it can be exported and captured.
    """

    kind: ClassVar[str]
    Config: ClassVar[type]

    def __init__(self, config: Any, interface: Interface) -> None:
        super().__init__()
        self.config = config
        self.interface = interface

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def initial(self, n: int) -> Carry:
        """The memory before the first step; `Previous.first` makes what is in it count for nothing.

        Every tensor begins with the batch dimension. Abstract.
        """
        raise NotImplementedError

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        """The deterministic action [B, A] in [-1, 1] and the memory for the next step. Abstract."""
        raise NotImplementedError

    def lighter(self) -> Iterator[dict[str, Any]]:
        """Settings under which this policy thinks less, by dotted name, the dearest first."""
        yield from ()

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """The same weights under other `settings`, by dotted name.

        Raises `ConfigError` or `UnknownNameError` for a bad one, and for one that needs other
        weights.
        """
        tree = dataclasses.asdict(self.config)
        for path, value in settings.items():
            *groups, last = path.split(".")
            place = functools.reduce(lambda node, key: node.setdefault(key, {}), groups, tree)
            place[last] = value
        changed = type(self)(from_tree(self.Config, tree, "policy"), self.interface)
        try:
            changed.load_state_dict(self.state_dict())
        except RuntimeError as error:
            raise ConfigError(
                f"{', '.join(settings)}: this changes the policy's weights, and they are learned. "
                "Change how it acts, or train anew."
            ) from error
        return changed.to(self.device).train(self.training)

    def forward(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        return self.step(obs, previous, carry)

    def example(self, n: int, seed: int = 0) -> tuple[Obs, Previous, Carry]:
        """Inputs of the right shapes, for warming up, exporting and capturing."""
        rng = np.random.default_rng(seed)
        obs = to_tensors([random_observation(self.interface, rng) for _ in range(n)], self.device)
        action = rng.uniform(-1, 1, (n, self.interface.action_size)).astype(np.float32)
        own, first = (torch.from_numpy(rng.random(n) < 0.5).to(self.device) for _ in range(2))
        previous = Previous(torch.from_numpy(action).to(self.device), own, first)
        return obs, previous, self.initial(n)


@contextlib.contextmanager
def acting(policy: nn.Module) -> Iterator[None]:
    """Without what only learning needs, such as dropout."""
    was_training = policy.training
    policy.eval()
    try:
        yield
    finally:
        policy.train(was_training)


class PolicyMemory:
    """Steps `policy` through N episodes side by side and tells it what really happened.

    Call `begin` where an episode starts and `applied` with what became of every action.
    """

    def __init__(self, policy: Steps, n: int, device: torch.device | None = None) -> None:
        self._policy = policy
        self._device = device or torch.device("cpu")
        self._carry = policy.initial(n)
        action_size = policy.interface.action_size
        self._action = np.zeros((n, action_size), np.float32)
        self._own = np.zeros(n, bool)
        self._first = np.ones(n, bool)

    def begin(self, lane: int) -> None:
        """The next observation of `lane` is the first of an episode."""
        self._action[lane], self._own[lane], self._first[lane] = 0.0, False, True

    @torch.inference_mode()
    def act(self, obs: Sequence[Observation]) -> np.ndarray:
        """Actions float32 [N, A]. Until `applied` says otherwise they count as carried out."""
        previous = Previous(*map(self._tensor, (self._action, self._own, self._first)))
        batch = to_tensors(obs, self._device)
        action, self._carry = self._policy.step(batch, previous, self._carry)
        wished = action.float().cpu().numpy()
        self._action, self._own = wished.copy(), np.ones(len(wished), bool)
        self._first = np.zeros(len(wished), bool)
        return wished

    def applied(self, lane: int, action: np.ndarray, own: bool) -> None:
        """What was really applied in `lane`, and whether the policy had chosen it."""
        self._action[lane], self._own[lane] = action, own

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array.copy()).to(self._device)


def to_tensors(obs: Sequence[Observation], device: torch.device) -> Obs:
    """Observations of N environments as one batch."""
    return {key: torch.from_numpy(np.stack([o[key] for o in obs])).to(device) for key in obs[0]}


def random_observation(interface: Interface, rng: np.random.Generator) -> Observation:
    """Noise with the shapes that `interface` gives."""
    obs: Observation = {
        camera.key: rng.integers(0, 256, (camera.height, camera.width, 3), np.uint8)
        for camera in interface.cameras
    }
    if interface.proprio:
        obs[PROPRIO] = rng.normal(size=interface.proprio_size).astype(np.float32)
    return obs
