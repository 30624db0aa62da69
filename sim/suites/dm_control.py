"""Every task of the dm_control suite as a `Simulation`: `dmc/<domain>_<task>`."""

from functools import cache

import mujoco
import numpy as np

from robot_rl.types import ActionField, ProprioField, Scene
from sim.env import Outcome

# What dm_control pays. Some of its tasks are sparse by name, such as cartpole_swingup_sparse.
REWARDS = ("dense",)
HAS_STATE = False
_MAX_STEPS = 1000


class DmControlSimulation:
    """Rewards in [0, 1] per step, 1000 steps, no success."""

    hidden_geom_groups = ()

    def __init__(self, name: str) -> None:
        from dm_control import suite

        domain, task = _names()[name]
        self._env = suite.load(domain, task, task_kwargs={"random": 0})
        self.name = f"dmc/{name}"
        self.control_rate_hz = 1.0 / self._env.control_timestep()
        limit = self._env._step_limit  # infinite for lqr, which ends on its own
        self.max_episode_steps = round(limit) if np.isfinite(limit) else _MAX_STEPS
        spec = self._env.action_spec()
        self._low, self._high = np.asarray(spec.minimum), np.asarray(spec.maximum)
        self.action_fields = tuple(
            ActionField(
                name=f"actuator{i}",
                unit="1",
                kind="position",
                scale=float(high - low) / 2,
                offset=float(high + low) / 2,
                hold=0.0,
            )
            for i, (low, high) in enumerate(zip(self._low, self._high, strict=True))
        )
        self.proprio_fields = tuple(
            ProprioField(name=key, unit="native", size=int(np.prod(array.shape, dtype=int)))
            for key, array in self._env.observation_spec().items()
        )
        self._observation: dict[str, np.ndarray] = {}

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.physics.model.ptr

    @property
    def data(self) -> mujoco.MjData:
        return self._env.physics.data.ptr

    def reset(self, rng: np.random.Generator) -> None:
        self._env.task.random.seed(int(rng.integers(2**32)))
        self._observation = self._env.reset().observation

    def step(self, action: np.ndarray) -> Outcome:
        scaled = self._low + 0.5 * (action + 1.0) * (self._high - self._low)
        time_step = self._env.step(scaled)
        self._observation = time_step.observation
        return Outcome(float(time_step.reward), time_step.discount == 0.0, None)

    def proprio(self) -> np.ndarray:
        parts = [np.ravel(value) for value in self._observation.values()]
        return np.concatenate(parts).astype(np.float32)

    def scene(self) -> Scene:
        """The suite has no scripted experts."""
        return Scene()

    def close(self) -> None:
        self._env.close()


@cache
def _names() -> dict[str, tuple[str, str]]:
    from dm_control import suite

    return {f"{domain}_{task}": (domain, task) for domain, task in suite.ALL_TASKS}


def make(name: str, reward: str) -> DmControlSimulation:
    return DmControlSimulation(name)


def tasks() -> list[tuple[str, str]]:
    return [
        (name, f"dm_control: {domain.replace('_', ' ')}, {task.replace('_', ' ')}")
        for name, (domain, task) in sorted(_names().items())
    ]


def film_camera(name: str) -> str:
    return "2" if name.startswith("quadruped") else "0"
