"""Hooks: where they are called, what they may change, and that their state is kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from robot_rl.agents.sac import SACConfig
from robot_rl.errors import ConfigError, NotFiniteError
from robot_rl.measures import Measure, Shown
from robot_rl.replay import Replay
from robot_rl.training.episode import Episode
from robot_rl.training.hooks import Hook, saved
from robot_rl.training.loop import Trainer
from robot_rl.training.parts import LoopConfig
from tests.training.tiny_parts import make_trainer, train
from tests.training.tiny_run import REPOSITORY, metrics

KILLED_AT = 4  # episodes


class Rewards(Hook):
    """Pays every step of an episode anew at its end: 10 times the episode's number."""

    shown: ClassVar[Shown] = {"paid": Measure("last reward")}

    def __init__(self, fatal: bool = False) -> None:
        self.episodes, self._fatal = 0, fatal

    def end_episode(self, episode: Episode, replay: Replay) -> None:
        self.episodes += 1
        rewards = np.full(episode.length, 10.0 * self.episodes)
        assert replay.set_reward(episode.rows, rewards, version=1) == 3
        if self._fatal and self.episodes == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    def metrics(self) -> dict[str, float]:
        return {"paid": 10.0 * self.episodes}

    def state_dict(self) -> dict[str, Any]:
        return {"episodes": self.episodes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.episodes = state["episodes"]


class Witness(Hook):
    """What was drawn, and the order of the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rewards: list[np.ndarray] = []

    def end_episode(self, episode: Episode, replay: Replay) -> None:
        self.calls.append("end")

    def before_draw(self, replay: Replay, updates: int) -> None:
        self.calls.append(f"draw {updates}")

    def before_update(self, batch: Any) -> Any:
        self.rewards.append(batch.reward)
        return batch


class Poison(Hook):
    def before_update(self, batch: Any) -> Any:
        batch.reward[:] = np.nan
        return batch


def run(root: Path, steps: int, *hooks: Hook, prefetch: bool = False) -> Trainer:
    config = LoopConfig(
        steps=steps,
        eval_episodes=0,
        final_eval_episodes=0,
        log_every_steps=3,
        checkpoint_every_s=1e-9,
    )
    return make_trainer(root, config, SACConfig(), hooks, prefetch=prefetch)


@pytest.mark.parametrize("prefetch", [False, True])
def test_rewards_rewritten_at_the_end_of_an_episode_are_in_the_next_batch(tmp_path, prefetch):
    witness = Witness()
    trainer = run(tmp_path, 8, Rewards(), witness, prefetch=prefetch)
    trainer.load_or_start()
    assert train(trainer)
    assert witness.calls == ["end", "draw 0", "draw 1", "end", "draw 2", "draw 3"]
    seen = [set(np.unique(rewards).tolist()) for rewards in witness.rewards]
    assert seen[0] <= {10.0, 1.0}  # the running episode is as recorded
    assert seen[2] <= {10.0, 20.0, 1.0}
    paid = [row["train/paid"] for row in metrics(tmp_path) if "train/paid" in row]
    assert paid == [10.0, 20.0]
    assert trainer.learner.shown["train/paid"].label == "last reward"


def test_the_agent_learns_from_what_the_hooks_made_of_the_batch(tmp_path):
    trainer = run(tmp_path, 8, Poison())
    trainer.load_or_start()
    with pytest.raises(NotFiniteError, match="critic_loss"):
        train(trainer)


def test_a_killed_run_goes_on_with_the_hooks_state_and_the_rewritten_rewards(tmp_path):
    """Killed right after the rewards of its fourth episode were rewritten."""
    command = [sys.executable, "-m", "tests.training.test_hooks", str(tmp_path)]
    killed = subprocess.run(command, cwd=REPOSITORY, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    hook, witness = Rewards(), Witness()
    trainer = run(tmp_path, 100, hook, witness)
    assert trainer.load_or_start()
    assert trainer.learner.step == 3 * KILLED_AT
    # Every step was saved, but for the one in which it died.
    assert hook.episodes == KILLED_AT - 1
    rewards = trainer.parts.replay.storage.reward[trainer.parts.replay.storage.has_action]
    assert rewards.tolist() == [10.0 * e for e in range(1, KILLED_AT + 1) for _ in range(3)]
    assert not train(trainer, updates=trainer.learner.updates + 2)
    trained_on = np.unique(np.concatenate(witness.rewards))
    assert set(trained_on.tolist()) <= {10.0, 20.0, 30.0, 40.0}


def test_state_is_never_left_behind_nor_mixed_up(tmp_path):
    with pytest.raises(ConfigError, match="give each its own"):
        saved([Rewards(), Rewards()])
    trainer = run(tmp_path, 6, Rewards())
    trainer.load_or_start()
    train(trainer)
    with pytest.raises(ConfigError, match=r"of the hooks \['Rewards'\].* have \[\]"):
        run(tmp_path, 9, Witness()).load_or_start()


if __name__ == "__main__":
    doomed = run(Path(sys.argv[1]), 100, Rewards(fatal=True))
    doomed.load_or_start()
    train(doomed)
