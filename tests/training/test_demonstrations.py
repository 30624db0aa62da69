"""Recording by hand."""

import gymnasium as gym
import numpy as np

from robot_rl.clocks import Pace
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.episodes.folder import EpisodesFolder, create
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.gate import Gate, GateConfig
from robot_rl.training.demonstrations import DemonstrationRecorder
from robot_rl.types import PROPRIO, Scene
from tests.interventions.served import MIXED


class LateHand(TeleopDevice):
    """Arrives at the device after `late` looks, and lets go for a moment later on."""

    def __init__(self, late: int, actions: int = 3) -> None:
        self.looks, self._late = 0, late
        self._action = np.full(actions, 0.1, np.float32)
        self.saw: list[str] = []

    def read(self, moment: Moment) -> Reading:
        self.looks += 1
        self.saw.append(moment.autonomous)
        held = self.looks > self._late and self.looks != self._late + 4
        return Reading(held=held, action=self._action if held else None)


class Drone(gym.Env):
    """Hangs where it is; its elbow sinks by 0.1 rad a step whatever it is told."""

    interface = MIXED

    def __init__(self) -> None:
        self.told: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        self.told = []
        return {PROPRIO: np.zeros(MIXED.proprio_size, np.float32)}, {"success": False}

    def scene(self) -> Scene:
        return Scene(measured={"joint/elbow": -0.5 - 0.1 * len(self.told)})

    def step(self, action: np.ndarray):
        self.told.append(action)
        info = {"success": False, "applied_action": action, "stamp_s": 0.1 * len(self.told)}
        info["source"] = self.source
        obs = {PROPRIO: np.zeros(MIXED.proprio_size, np.float32)}
        return obs, 0.0, False, len(self.told) == 9, info


def test_while_nobody_moves_each_axis_is_held(tmp_path):
    drone, journal = Drone(), create(tmp_path, MIXED)
    gate = Gate(LateHand(late=2, actions=4), GateConfig(min_hold_s=0.0), MIXED)
    recorder = DemonstrationRecorder(drone, gate, journal, "human")
    next(recorder.record(0, only_successes=False, stop=lambda: False))
    journal.close()
    # The elbow is turned by -2 rad per unit around 0.5 rad: held at -0.5 rad, and at -1 rad later.
    held, later, moved = [0, 0, 0.5, 0.2], [0, 0, 0.75, 0.2], [0.1] * 4
    wanted = [held, held, moved, moved, moved, later, moved, moved, moved]
    np.testing.assert_allclose(drone.told, wanted, atol=1e-6)
    (episode,) = EpisodesFolder(tmp_path).episodes()
    np.testing.assert_array_equal([step.action for step in episode.steps], drone.told)


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
