"""What training and the exporter need of an agent, and how agents are found by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from torch import Tensor

from robot_rl.measures import Shown
from robot_rl.networks.compute import Compute, Split
from robot_rl.networks.policy import Carry, Obs, Policy, Previous
from robot_rl.plugins import Plugins
from robot_rl.replay.draws import Draws
from robot_rl.types import Batch, Interface, Observation


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """What every agent has."""

    name: str = ""
    batch_size: int = 256
    gamma: float = 0.99
    lr: float = 1e-4
    seed_steps: int = 1_000  # uniformly random actions before learning starts
    # Rewards are multiplied by this before learning. Adam moves a weight by about lr an update, so
    # a Q of 200 takes thousands of them just to reach its scale.
    reward_scale: float = 1.0

    @property
    def needs(self) -> Literal["nobody", "human", "teacher"]:
        """Whom it cannot learn without: a human who takes over, or whoever shows it something."""
        return "nobody"

    def for_run(self, steps: int) -> Self:
        """With schedules that depend on the run's length settled."""
        return self

    @property
    def draws(self) -> Draws:
        """What it samples: transitions with n-step returns, or segments. Abstract."""
        raise NotImplementedError

    def idle(self) -> dict[str, str]:
        """Prefixes of settings that have no effect as things stand, and what gives them one."""
        return {}


class Actor(Protocol):
    """The part of an agent that collects. Its state is all that acting in another process needs.

    There the same configuration builds an agent, whose `actor()` then loads this one's state.
    """

    interface: Interface

    def initial(self, n: int) -> Carry: ...

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        """The action [B, A] that explores, and the memory for the next step."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Agent(Protocol):
    """`step` is the number of environment steps so far; schedules read it, the learner sets it.

    `shown` names those of its metrics that a person sees.
    """

    shown: ClassVar[Shown]
    step: int
    split: Split
    compute: Compute

    def actor(self) -> Actor:
        """Acts with the newest weights, in this process."""
        ...

    def prepare(self, proprio: np.ndarray) -> None:
        """Before learning begins: `proprio` [N, P] of all that is stored already."""
        ...

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step on every loss. Metrics stay tensors: reading one would wait for it."""
        ...

    def exploration(self) -> dict[str, float]:
        """What exploring needs at the present step; the metrics show it."""
        ...

    def end_episode(self, episode_return: float) -> None:
        """A training episode ended."""
        ...

    def compile(self, backend: str = "inductor") -> None:
        """Compile what is worth it, in place."""
        ...

    def policy(self) -> Policy:
        """The part that is evaluated and exported."""
        ...

    def last_policy(self) -> Policy:
        """With the weights of the last update; `policy()` itself where nothing is averaged."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@runtime_checkable
class Judge(Protocol):
    """An agent that can say how good an action is."""

    def judge(self, obs: Observation, action: np.ndarray) -> float:
        """Q(s, a) of one observation and one action [A]."""
        ...


@runtime_checkable
class Foresees(Protocol):
    """An agent whose model draws what it expects to see."""

    def foresee(
        self, seen: Sequence[Observation], applied: np.ndarray, context: int
    ) -> dict[str, np.ndarray] | None:
        """Frames uint8 [T, H, W, 3] of each camera, drawn of T observations.

        The first `context` of them are seen, 1 to T - 1; from there on the model knows the actions
        alone, `applied` [T - 1, A]. None where nothing draws.
        """
        ...


@dataclass(frozen=True)
class AgentEntry:
    """An agent on offer: its settings, how it is built from them, and a line about it.

    `build(config, interface, compute)` draws weights from torch's global generator.
    """

    config: AgentConfig
    build: Callable[[Any, Interface, Compute], Agent]
    summary: str


# An entry point of the group names an `AgentEntry`.
AGENTS = Plugins(
    "agent",
    "robot_rl.agents",
    {
        "drqv2": "robot_rl.agents.drqv2:DRQV2",
        "drm": "robot_rl.agents.drm:DRM",
        "mentor": "robot_rl.agents.mentor:MENTOR",
        "taco": "robot_rl.agents.drqv2:TACO",
        "sac": "robot_rl.agents.sac:SAC_ENTRY",
        "rlpd": "robot_rl.agents.rlpd:RLPD",
        "rlif": "robot_rl.agents.rlif:RLIF",
        "hil_serl": "robot_rl.agents.hil_serl:HIL_SERL",
        "iql": "robot_rl.agents.iql:IQL_ENTRY",
        "cql": "robot_rl.agents.cql:CQL_ENTRY",
        "calql": "robot_rl.agents.cql:CALQL_ENTRY",
        "tdmpc2": "robot_rl.agents.tdmpc2:TDMPC2_ENTRY",
        "modem": "robot_rl.agents.modem:MODEM",
        "dreamer": "robot_rl.agents.dreamers:DREAMER",
        "repo": "robot_rl.agents.dreamers:REPO",
        "infopower": "robot_rl.agents.dreamers:INFOPOWER",
        "r2dreamer": "robot_rl.agents.dreamers:R2_DREAMER",
        "mvmwm": "robot_rl.agents.mvmwm:MVMWM_ENTRY",
        "bc": "robot_rl.agents.bc:BC_ENTRY",
        "ra_bc": "robot_rl.agents.bc:RA_BC",
        "dagger": "robot_rl.agents.bc:DAGGER",
        "hg_dagger": "robot_rl.agents.bc:HG_DAGGER",
        "iwr": "robot_rl.agents.bc:IWR",
    },
)
