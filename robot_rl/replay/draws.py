"""What an agent draws from the replay: declared by the agent, read by the replay."""

from dataclasses import dataclass
from typing import Literal

from robot_rl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What transitions and segments have in common."""

    gamma: float = 0.99
    # Images come with the S - 1 before them: stacked in a transition, in front of a segment.
    frame_stack: int = 1
    # Share of the starts that is drawn from what somebody taught; `mix` says what that is, and
    # what the rest is. While one kind is missing, the other fills its place, but for 1: imitation
    # has nothing to imitate.
    taught_fraction: float = 0.0
    # Over the first `taught_steps` steps of the run that share becomes `taught_final`; 0: it stays.
    taught_final: float = 0.0
    taught_steps: int = 0
    # `symmetric` (RLPD): demonstrations and interventions; the rest is all that happened online,
    # interventions too. `interventions` (IWR): these alone; the rest is demonstrations and the
    # policy's own steps. `labelled` (DAgger): only steps for which a human said what he would do.
    mix: Literal["symmetric", "interventions", "labelled"] = "symmetric"
    # `takeover` pays -1 for the policy's step at whose end a human took over, nothing else (RLIF).
    reward: Literal["task", "takeover"] = "task"
    # Discounted sum of the rewards from here to the end of the episode, where that is known.
    returns_to_go: bool = False

    def __post_init__(self) -> None:
        if self.frame_stack < 1:
            raise ConfigError(f"frame_stack is {self.frame_stack}; it is at least 1.")
        if not 0.0 <= self.gamma <= 1.0:
            raise ConfigError(f"gamma is {self.gamma}; a discount lies in [0, 1].")
        for name in ("taught_fraction", "taught_final"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it lies in [0, 1].")

    @property
    def kinds(self) -> tuple[str, str]:
        """Of which steps `taught_fraction` is drawn and of which the rest: see `starts.KINDS`."""
        if self.mix == "labelled":
            return "taught", "labelled"
        if self.mix == "interventions":
            return "interventions", "imitable"
        return "taught", "online" if self.taught_fraction else "any"

    def taught_share(self, steps: int) -> float:
        """The share after `steps` of the run."""
        faded = min(steps / self.taught_steps, 1.0) if self.taught_steps else 0.0
        return self.taught_fraction + faded * (self.taught_final - self.taught_fraction)

    @property
    def window(self) -> int:
        """Steps from a start on that are read. Abstract: each kind of draw defines it."""
        raise NotImplementedError

    @property
    def rows_ahead(self) -> int:
        """Rows that must follow a start in its lane, whatever episode they belong to."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Transitions(Draws):
    """A `Batch`. `segment` K > 0: the next K steps from the same starts ride along."""

    frame_stack: int = 3
    nstep: int = 3
    segment: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nstep < 1 or self.segment < 0:
            raise ConfigError(
                f"nstep is {self.nstep} and segment {self.segment}; transitions need nstep >= 1 "
                "and segment >= 0."
            )

    @property
    def window(self) -> int:
        return max(self.nstep, self.segment)

    @property
    def ahead(self) -> "Segments | None":
        """What rides along."""
        if not self.segment:
            return None
        return Segments(length=self.segment, frame_stack=self.frame_stack)


@dataclass(frozen=True, kw_only=True)
class Segments(Draws):
    """A `Segment` of `length` steps.

    Inside one episode, what comes after its end is masked (recurrent imitation, TD-MPC2). With
    `cross_episodes` the next one follows and `is_first` marks it (RSSM of Dreamer).
    """

    length: int
    cross_episodes: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < 1:
            raise ConfigError(f"a segment has {self.length} steps; it has at least one.")
        if self.cross_episodes and self.frame_stack > 1:
            raise ConfigError(
                "frames of two episodes would share a stack: a segment that crosses episodes "
                "needs frame_stack 1."
            )

    @property
    def window(self) -> int:
        return self.length

    @property
    def rows_ahead(self) -> int:
        return self.length if self.cross_episodes else 0
