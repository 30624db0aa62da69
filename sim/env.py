"""Any simulation as a Gymnasium environment with the project's observations and actions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import gymnasium as gym
import mujoco
import numpy as np

from robot_rl.envs.spaces import action_space, observation_space
from robot_rl.envs.variation import VariationConfig
from robot_rl.errors import ConfigError
from robot_rl.types import (
    PROPRIO,
    ActionField,
    CameraField,
    Interface,
    Observation,
    ProprioField,
    Scene,
)
from sim.motion import MotionMeter
from sim.rig import CameraRig
from sim.variation.episodes import Variation


@dataclass(frozen=True)
class Outcome:
    """What one control step brought. `success` is None where a task defines none."""

    reward: float
    terminated: bool
    success: bool | None


class Simulation(Protocol):
    """A task in a simulator, without cameras and without Gymnasium."""

    name: str
    control_rate_hz: float
    max_episode_steps: int
    proprio_fields: tuple[ProprioField, ...]
    action_fields: tuple[ActionField, ...]
    hidden_geom_groups: tuple[int, ...]

    @property
    def model(self) -> mujoco.MjModel: ...
    @property
    def data(self) -> mujoco.MjData: ...
    def reset(self, rng: np.random.Generator) -> None: ...
    def step(self, action: np.ndarray) -> Outcome: ...
    def proprio(self) -> np.ndarray: ...
    def scene(self) -> Scene: ...
    def close(self) -> None: ...


class SimEnv(gym.Env[Observation, np.ndarray]):
    """`simulation` seen through the cameras that `make_rig` builds for its model.

    The rig is rebuilt when the simulation replaces its model. `action_repeat` steps share one
    action and sum their rewards; `interface` has the rate of the actions, and displaces by what an
    action does in all its steps. `source` is who chooses the next action, the policy unless set.
    What `variation` draws for an episode is in the info of its reset; how the robot moved and what
    it pressed against, in that of each step (`motion`).
    """

    def __init__(
        self,
        simulation: Simulation,
        make_rig: Callable[[Simulation], CameraRig],
        action_repeat: int = 1,
        use_proprio: bool = True,
        variation: VariationConfig | None = None,
    ) -> None:
        self.simulation = simulation
        self._make_rig = make_rig
        self._action_repeat = action_repeat
        self._varied = variation if variation is not None and variation.varies else None
        self._open_rig()
        self.interface = interface_of(simulation, self._rig.fields, action_repeat, use_proprio)
        self.observation_space = observation_space(self.interface)
        self.action_space = action_space(self.interface)
        self.render_mode = "rgb_array"
        rate_hz = max(1, round(self.interface.control_rate_hz))
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": rate_hz}
        self.source = "policy"
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        varied = self._vary()
        self.simulation.reset(self.np_random)
        self._refresh_rig()
        self._motion.begin()
        self._steps = 0
        optics = None if self._variation is None else self._variation.optics
        obs = self._observe(self._rig.reset(self.np_random, optics))
        return obs, {"success": False, "variation": varied}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        applied = np.minimum(np.maximum(np.asarray(action, np.float32), -1.0), 1.0)
        acting = applied if self._variation is None else self._variation.arrive(applied)
        reward, outcome = 0.0, Outcome(0.0, False, False)
        for _ in range(self._action_repeat):
            outcome = self.simulation.step(acting)
            self._steps += 1
            reward += outcome.reward
            if outcome.terminated or self._steps >= self.simulation.max_episode_steps:
                break
        truncated = self._steps >= self.simulation.max_episode_steps and not outcome.terminated
        info = {
            "success": outcome.success,
            "applied_action": applied,
            "source": self.source,
            "stamp_s": float(self.simulation.data.time),
            "motion": self._motion.measure(
                self.simulation.data, 1.0 / self.interface.control_rate_hz
            ),
        }
        self.source = "policy"
        obs = self._observe(self._rig.read(self.np_random))
        return obs, reward, outcome.terminated, truncated, info

    @property
    def max_episode_steps(self) -> int:
        """Actions after which an episode is truncated."""
        return -(-self.simulation.max_episode_steps // self._action_repeat)

    def render(self) -> np.ndarray:  # type: ignore[override]
        """uint8 [256, 256, 3] for videos."""
        return self._rig.shoot()

    def look(self) -> Observation:
        """What the cameras deliver now, for a caller that advances the simulation itself."""
        return self._rig.read(self.np_random)

    def expert_action(self) -> np.ndarray | None:
        """The scripted expert's action in this state, None where the task has no expert."""
        return self.simulation.scene().expert_action

    def scene(self) -> Scene:
        """What someone who stands beside the robot sees."""
        return self.simulation.scene()

    def gl_renderer(self) -> str:
        return self._rig.gl_renderer()

    def close(self) -> None:
        self._rig.close()
        self.simulation.close()

    def _observe(self, obs: Observation) -> Observation:
        if self.interface.proprio:
            obs[PROPRIO] = self.simulation.proprio()
        return obs

    def _vary(self) -> dict[str, float]:
        """Draw an episode; from its seed, but from numbers that nothing else is drawn from."""
        if self._variation is None:
            return {}
        sequence: Any = self.np_random.bit_generator.seed_seq
        return self._variation.begin(int(sequence.spawn(1)[0].generate_state(1)[0]))

    def _open_rig(self) -> None:
        # Before the rig, which uploads what the model looks like.
        model, rate_hz = self.simulation.model, self.simulation.control_rate_hz
        actions, config = len(self.simulation.action_fields), self._varied
        self._variation = None
        if config is not None:
            self._variation = Variation(config, model, actions, rate_hz / self._action_repeat)
        self._rig = self._make_rig(self.simulation)
        self._rig_model = model
        self._motion = MotionMeter(model)
        if self._variation is not None:
            self._variation.watch(self._rig)

    def _refresh_rig(self) -> None:
        if self.simulation.model is not self._rig_model:
            self._rig.close()
            before = self._variation
            self._open_rig()
            if self._variation is not None and before is not None:
                self._variation.begin(before.seed)
                mujoco.mj_forward(self.simulation.model, self.simulation.data)


def interface_of(
    simulation: Simulation, cameras: tuple[CameraField, ...], action_repeat: int, use_proprio: bool
) -> Interface:
    """What a policy sees and does in `simulation`. Raises `ConfigError` for a repeat below 1."""
    if action_repeat < 1:
        raise ConfigError(f"action_repeat is {action_repeat}; it must be at least 1.")
    return Interface(
        task=simulation.name,
        control_rate_hz=simulation.control_rate_hz / action_repeat,
        cameras=cameras,
        proprio=simulation.proprio_fields if use_proprio else (),
        actions=tuple(_repeated(field, action_repeat) for field in simulation.action_fields),
    )


def _repeated(field: ActionField, times: int) -> ActionField:
    """`field` where an action is carried out `times` over: displacements add up, nothing else does.

    A robot that takes the slower actions then moves as fast as the simulation did.
    """
    return replace(field, scale=times * field.scale) if field.kind == "displacement" else field
