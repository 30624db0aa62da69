"""Configuration: Hydra composes it, frozen dataclasses check it.

Hydra sees the dataclass defaults as plain nodes, so that an unknown key is refused where it is
typed; the types are checked when the composed tree becomes dataclasses.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from robot_rl.agents.base import AGENTS, AgentConfig
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.config.resume import resumable, resumable_settings
from robot_rl.config.schema import from_tree
from robot_rl.envs.registry import GRAPH, RenderConfig, TaskConfig
from robot_rl.envs.robot import RobotConfig
from robot_rl.errors import ConfigError
from robot_rl.interventions.gate import GateConfig
from robot_rl.interventions.simulated_human import SimulatedHumanConfig
from robot_rl.training.apart.config import ActorsConfig
from robot_rl.training.parts import LoopConfig


@dataclass(frozen=True, kw_only=True)
class ReplaySizeConfig:
    capacity: int = 100_000


@dataclass(frozen=True, kw_only=True)
class HumanConfig:
    """Who may take over while the policy learns. A real human needs `num_envs` of at most 1."""

    # graph: the operator of the nodes drives through safety, and judges here (robot=sim_ros).
    device: Literal[
        "none", "simulated", "keyboard", "gamepad", "spacemouse", "web", "leader", "graph"
    ] = resumable("none")
    # The gamepad's node, /dev/input/eventN; empty takes the first one found.
    path: str = resumable("")
    port: int = resumable(8090)  # of the web page
    # The leader arm: package.module:Class, and its keyword arguments as a JSON object. Its dead-man
    # is the terminal's space bar.
    driver: str = resumable("")
    driver_settings: str = resumable("{}")
    gate: GateConfig = field(default_factory=GateConfig)
    simulated: SimulatedHumanConfig = field(default_factory=SimulatedHumanConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"human.port is {self.port}; it lies in [0, 65535] (0: any free).")


_LEAST = {
    "steps": 0,
    "replay_ratio": 0,
    "offline_updates": 0,
    "eval_every_steps": 1,
    "eval_every_updates": 1,
    "eval_episodes": 0,
    "final_eval_episodes": 0,
    "log_every_steps": 1,
    "log_every_updates": 1,
    "checkpoint_every_s": 0,
    "num_envs": 0,
    "threads": 0,
    "demo_episodes": 0,
    "agent.batch_size": 1,
    "agent.seed_steps": 0,
    "replay.capacity": 1,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LoopConfig):
    """Everything a run is made from. `run_dir` empty names it after task, agent and seed."""

    run_dir: str = ""
    seed: int = 0
    num_envs: int = 1  # environment processes; 0 steps in the learner's own process
    device: Literal["auto", "cpu", "cuda"] = resumable("auto")
    precision: Literal["auto", "float32", "bfloat16"] = resumable("auto")
    threads: int = resumable(0)  # of torch on the CPU; 0 takes all cores
    compile: Literal["auto", "on", "off"] = resumable("auto")  # auto: on CUDA, where it pays
    task: TaskConfig = field(default_factory=TaskConfig)
    robot: RobotConfig = field(default_factory=RobotConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    replay: ReplaySizeConfig = field(default_factory=ReplaySizeConfig)
    # Folders of episodes that learning starts with, and how many of them (0: all).
    demos: tuple[str, ...] = ()
    demo_episodes: int = 0
    # What pays in them: the labels of that name beside them (`robot-rl rewards label`).
    demo_labels: str = ""
    human: HumanConfig = field(default_factory=HumanConfig)
    actors: ActorsConfig = field(default_factory=ActorsConfig)
    agent: AgentConfig = field(default_factory=DrQV2Config)

    @property
    def lanes(self) -> int:
        """Environments side by side."""
        return self.actors.count or max(1, self.num_envs)

    def __post_init__(self) -> None:
        counts = {
            **vars(self),
            "agent.batch_size": self.agent.batch_size,
            "agent.seed_steps": self.agent.seed_steps,
            "replay.capacity": self.replay.capacity,
        }
        for name, least in _LEAST.items():
            if counts[name] < least:
                raise ConfigError(f"{name} is {counts[name]}; it must be at least {least}.")
        if self.robot.present and self.num_envs:
            raise ConfigError("there is one robot, and it is moved from one process: num_envs=0.")
        if self.human.device == GRAPH and self.robot.arm.driver != GRAPH:
            raise ConfigError(
                "human.device=graph is the operator of a graph of nodes: robot=sim_ros, or a robot "
                "of yours with robot.arm.driver=graph."
            )
        if self.actors.count:
            self._require_apart()

    def _require_apart(self) -> None:
        """Raise `ConfigError` for what actors apart from the learner cannot do."""
        human, actors = self.human.device, self.actors
        single = self.robot.present or human not in ("none", "simulated")
        for wrong, remedy in (
            (self.num_envs > 1, "an actor has one environment: more actors in place of num_envs"),
            (self.offline, "without a step there is nothing to collect: actors.count=0"),
            (single and actors.count > 1, "there is one robot, or one person: actors.count=1"),
            (
                self.robot.present and self.evaluates,
                "the actor has the robot, so evaluate afterwards (`robot-rl eval`): "
                "eval_episodes=0 final_eval_episodes=0",
            ),
            (
                self.human.simulated.gate == "value_gap"
                and human == "simulated"
                and not self.human.simulated.judge,
                "the critic is the learner's; whose the human goes by is a run of its own: "
                "human.simulated.judge=RUN_DIR",
            ),
            (
                human in ("keyboard", "leader") and actors.where != "elsewhere",
                f"human.device={human} reads a terminal, so start the actor in one: "
                "actors.where=elsewhere",
            ),
        ):
            if wrong:
                raise ConfigError(f"actors.count={actors.count}: {remedy}.")


RESUMABLE = resumable_settings(TrainConfig)


def train_config(tree: dict[str, Any]) -> TrainConfig:
    """`tree` checked and typed; `agent.name` decides which settings `agent` has."""
    agent = tree.get("agent", {})
    name = agent.get("name", "drqv2")
    defaults = AGENTS.load(str(name)).config
    typed = from_tree(type(defaults), {**dataclasses.asdict(defaults), **agent}, "agent")
    rest = {key: value for key, value in tree.items() if key != "agent"}
    return dataclasses.replace(from_tree(TrainConfig, rest), agent=typed)
