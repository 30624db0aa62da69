"""Hooks: where somebody else steps into learning, without a change to the loop or an agent."""

from collections.abc import Sequence
from typing import Any, ClassVar

from robot_rl.errors import ConfigError
from robot_rl.measures import Shown
from robot_rl.replay.buffer import Replay
from robot_rl.training.episode import Episode


class Hook:
    """Override what you need; as it stands it does nothing. `Parts.hooks` are called in order.

    They run where the replay and the learner are. `shown` names the `metrics` that a person sees.
    """

    shown: ClassVar[Shown] = {}

    @property
    def name(self) -> str:
        """What its state is saved under. Two hooks of one class need a name each."""
        return type(self).__name__

    def end_episode(self, episode: Episode, replay: Replay) -> None:
        """A training episode ended. Its steps are `episode.rows` of `replay`.

        The place to judge it: `replay.segments_at` shows it, `replay.set_reward` pays it anew.
        """

    def before_draw(self, replay: Replay, updates: int) -> None:
        """The next batch is about to be drawn, `updates` were made. What is rewritten is in it."""

    def before_update(self, batch: Any) -> Any:
        """What the agent learns from in place of the `Batch` or `Segment` that was drawn."""
        return batch

    def metrics(self) -> dict[str, float]:
        """Logged as `train/<name>`."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Tensors and JSON values, part of every checkpoint. A hook with a state always has one."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave when the checkpoint was written."""


def saved(hooks: Sequence[Hook]) -> dict[str, Any]:
    """The states by name, of those that have any. Raises `ConfigError` for a name used twice."""
    names = [hook.name for hook in hooks]
    if len(set(names)) < len(names):
        raise ConfigError(f"hooks are saved by name, and these are {names}: give each its own.")
    return {hook.name: state for hook in hooks if (state := hook.state_dict())}


def restore(hooks: Sequence[Hook], states: dict[str, Any]) -> None:
    """Raises `ConfigError` where a state has no hook, or a hook that needs one has no state."""
    wanted = saved(hooks).keys()
    if wanted != states.keys():
        raise ConfigError(
            f"this run was saved with the state of the hooks {sorted(states)}, and those given now "
            f"have {sorted(wanted)}. Continue with the same hooks, or start a new run_dir."
        )
    for hook in hooks:
        if hook.name in states:
            hook.load_state_dict(states[hook.name])
