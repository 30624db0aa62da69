"""Recording by hand."""

import numpy as np

from robot_rl.clocks import Pace
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.episodes.folder import EpisodesFolder, create
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.gate import Gate, GateConfig
from robot_rl.training.demonstrations import DemonstrationRecorder


class LateHand(TeleopDevice):
    """Arrives at the device after `late` looks, and lets go for a moment later on."""

    def __init__(self, late: int) -> None:
        self.looks, self._late = 0, late
        self.saw: list[str] = []

    def read(self, moment: Moment) -> Reading:
        self.looks += 1
        self.saw.append(moment.autonomous)
        held = self.looks > self._late and self.looks != self._late + 4
        return Reading(held=held, action=np.full(3, 0.1, np.float32) if held else None)


def test_a_persons_clock_starts_with_the_first_move(tmp_path):
    env = open_env(TaskConfig(name="arm/reach", state=True, reward="sparse"), RenderConfig())
    hand, journal = LateHand(late=7), create(tmp_path, env.interface)
    gate = Gate(hand, GateConfig(min_hold_s=0.0), env.interface)
    recorder = DemonstrationRecorder(env, gate, journal, "human", Pace(2000.0))
    attempt = next(recorder.record(0, only_successes=False, stop=lambda: False))
    journal.close()
    env.close()
    (episode,) = EpisodesFolder(tmp_path).episodes()
    assert len(episode.steps) == attempt.steps == hand.looks - 7
    assert [step.source for step in episode.steps[:5]] == [*["human"] * 3, "nobody", "human"]
    assert set(hand.saw) == {"nobody"}  # there is no policy, and the page says so
