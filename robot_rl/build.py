"""The one composition root: configuration -> environment, agent, replay, run."""

import itertools
import logging
from functools import partial
from pathlib import Path

import torch

from robot_rl.agents.base import Agent
from robot_rl.agents.bc import BC, BCConfig
from robot_rl.agents.drm import DrM, DrMConfig
from robot_rl.agents.drqv2 import DrQV2, DrQV2Config
from robot_rl.agents.hil_serl import HilSerl, HilSerlConfig
from robot_rl.agents.mentor import Mentor, MentorConfig
from robot_rl.agents.pixel_agent import AgentConfig, PixelAgent
from robot_rl.agents.sac import SAC, SACConfig
from robot_rl.agents.taco import TacoLoss
from robot_rl.config import HumanConfig, TrainConfig, train_config
from robot_rl.environment import build_env, build_evaluation_env
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.interventions.device import NoDevice, TeleopDevice
from robot_rl.interventions.gamepad import open_gamepad
from robot_rl.interventions.gate import Gate
from robot_rl.interventions.keyboard import TerminalKeyboard
from robot_rl.interventions.leader_arm import LeaderArm
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from robot_rl.interventions.simulated_human import SimulatedHuman
from robot_rl.interventions.spacemouse import SpaceMouse
from robot_rl.interventions.web_device import WebDevice
from robot_rl.networks.actor_critic import Actor, Critic, Value
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.ensemble import EnsembleCritic
from robot_rl.networks.gripper import GripperActor
from robot_rl.networks.policy import make_actor, make_encoder
from robot_rl.replay import Replay, ReplayConfig
from robot_rl.replay.device import DeviceFrames, frames_fit
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import HostFrames
from robot_rl.rewards.classifier import load as load_classifier
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.clocks import Pace
from robot_rl.training.collector import Envs
from robot_rl.training.loop import Parts, Trainer
from robot_rl.training.run import RunDirectory, read_yaml
from robot_rl.training.vector import EnvLane, EnvProcesses, InlineEnvs, episode_seed
from robot_rl.types import Interface, proprio_place

log = logging.getLogger(__name__)


def build_agent(config: AgentConfig, interface: Interface, compute: Compute) -> PixelAgent:
    """Networks and agent. Weights come from torch's global generator."""
    _require_actor(config)
    encoder = make_encoder(config.network, interface)
    actor = make_actor(config.network, encoder, interface.action_size)
    if isinstance(config, DrQV2Config):
        assert isinstance(actor, Actor)
        return _drqv2_family(config, encoder, actor, interface, compute)
    if isinstance(config, SACConfig):
        return _sac_family(config, encoder, actor, interface, compute)
    assert isinstance(config, BCConfig)
    assert isinstance(actor, Actor)
    return BC(config, encoder, actor, compute)


def _require_actor(config: AgentConfig) -> None:
    """Raise `ConfigError` where the network has not the actor that the agent needs."""
    net, name = config.network, config.name
    gripper = "discrete" if isinstance(config, HilSerlConfig) else "continuous"
    if net.gripper != gripper:
        raise ConfigError(f"agent={name} needs agent.network.gripper={gripper}.")
    if net.gaussian != isinstance(config, SACConfig):
        needed = str(isinstance(config, SACConfig)).lower()
        raise ConfigError(f"agent={name} needs agent.network.gaussian={needed}.")


def _sac_family(
    config: SACConfig, encoder: Encoder, actor: Actor | GripperActor, interface: Interface,
    compute: Compute,
) -> PixelAgent:  # fmt: skip
    net, action_dim = config.network, interface.action_size
    critic = EnsembleCritic(
        encoder, action_dim - isinstance(actor, GripperActor), net.feature_dim, net.hidden_dim,
        net.layer_norm, config.ensemble_size,
    )  # fmt: skip
    if not isinstance(config, HilSerlConfig):
        return SAC(config, encoder, actor, critic, action_dim, compute)
    if not isinstance(actor, GripperActor) or interface.actions[-1].name != "gripper":
        raise ConfigError(
            f"hil_serl commands a gripper, but {interface.task} has none as its last action. "
            "Use agent=rlpd there."
        )
    opening = proprio_place(interface, "gripper_opening")
    return HilSerl(config, encoder, actor, critic, action_dim, opening, compute)


def _drqv2_family(
    config: DrQV2Config, encoder: Encoder, actor: Actor, interface: Interface, compute: Compute
) -> PixelAgent:
    if not interface.cameras:
        raise ConfigError(
            f"agent={config.name} learns through an encoder, and {interface.task} has no camera "
            "here. Use agent=sac or agent=rlpd from state."
        )
    net, action_dim = config.network, interface.action_size
    taco, critic_action_dim = None, action_dim
    if config.taco.weight > 0:
        taco = TacoLoss(config.taco, encoder, action_dim, net.feature_dim, config.gamma)
        critic_action_dim = config.taco.latent_dim(action_dim)
    critic = Critic(encoder, critic_action_dim, net.feature_dim, net.hidden_dim, net.layer_norm)
    if not isinstance(config, DrMConfig):
        return DrQV2(config, encoder, actor, critic, compute, taco)
    value = Value(encoder, net.feature_dim, net.hidden_dim, net.layer_norm)
    if isinstance(config, MentorConfig):
        return Mentor(config, encoder, actor, critic, value, compute, taco)
    return DrM(config, encoder, actor, critic, value, compute, taco)


def build_replay(config: TrainConfig, interface: Interface, device: torch.device) -> Replay:
    agent = config.agent
    replay = ReplayConfig(
        capacity=config.replay.capacity,
        frame_stack=agent.network.frame_stack,
        nstep=agent.nstep,
        gamma=agent.gamma,
        sequence=agent.sequence,
        taught_fraction=agent.taught_fraction,
        reward=agent.reward,
    )
    store = HostFrames
    if frames_fit(interface, config.replay.capacity, device):
        store = partial(DeviceFrames, device=device)
    # Demonstrations have a lane of their own, after those of the environments.
    return Replay(replay, interface, _lanes(config) + bool(config.demos), config.seed, store)


def load_demos(config: TrainConfig, interface: Interface, replay: Replay) -> int:
    """Steps of demonstrations put into the last lane of `replay`; unfinished ones are left out.

    Raises `InterfaceMismatchError`, field by field, where they were made with another interface.
    """
    before = len(replay)
    folders = [EpisodesFolder(Path(path)) for path in config.demos]
    for folder in folders:
        folder.interface().require_equal(interface, f"the demonstration folder {folder.root}")
    every = itertools.chain.from_iterable(folder.episodes() for folder in folders)
    finished = (episode for episode in every if episode.finished)
    rows = 0
    for episode in itertools.islice(finished, config.demo_episodes or None):
        rows += len(episode.obs)
        if rows > replay.storage.lane_rows:
            raise ConfigError(
                f"the demonstrations take more than the {replay.storage.lane_rows:,} rows that "
                f"they have in a replay of {config.replay.capacity:,}. Raise replay.capacity, or "
                "take fewer: demo_episodes."
            )
        _require_reward(episode, config)
        replay.begin(_lanes(config), episode.obs[0])
        for step, next_obs in zip(episode.steps, episode.obs[1:], strict=True):
            replay.add(_lanes(config), step, next_obs)
    return len(replay) - before


def _require_reward(episode: StoredEpisode, config: TrainConfig) -> None:
    """Raise `ConfigError` for a dense reward where the run pays a sparse one."""
    dense = next((s.reward for s in episode.steps if s.reward not in (0.0, 1.0)), None)
    if config.task.reward == "sparse" and dense is not None:
        raise ConfigError(
            f"demonstration {episode.name} was paid {dense:.3f} for a step, and task.reward=sparse "
            "pays 0 or 1. Record it with task.reward=sparse, or learn with task.reward=dense."
        )


def _fit_proprio(agent: PixelAgent, replay: Replay) -> None:
    rows = replay.storage.proprio[replay.storage.has_action]
    if not len(rows):
        raise ConfigError("agent.network.scale_proprio needs demonstrations: demos=[FOLDER].")
    agent.fit_proprio(rows)


def build_gates(config: TrainConfig, interface: Interface, agent: Agent) -> list[Gate]:
    """One gate per environment, with the device that `human.device` names behind it."""
    rate_hz = interface.control_rate_hz
    if by_person(config.human) and config.num_envs > 1:
        raise ConfigError(
            f"human.device={config.human.device} drives one robot, and num_envs={config.num_envs}. "
            "Set num_envs=1, or human.device=simulated."
        )
    return [
        Gate(build_device(config, interface, agent, lane), config.human.gate, rate_hz)
        for lane in range(_lanes(config))
    ]


def build_device(
    config: TrainConfig, interface: Interface, agent: Agent | None, lane: int
) -> TeleopDevice:
    """What `human.device` names; a simulated human judges by `agent`'s critic, where it has one."""
    human = config.human
    if human.device == "none":
        return NoDevice()
    if by_person(human):
        return open_device(human, interface)
    if human.simulated.gate == "value_gap" and config.agent.network.frame_stack > 1:
        raise ConfigError(
            "human.simulated.gate=value_gap judges single frames; it needs "
            "agent.network.frame_stack=1."
        )
    if human.simulated.judge:
        agent = load_agent(Path(human.simulated.judge), interface)
    judge = agent.judge if isinstance(agent, SAC) else None
    seed = episode_seed(config.seed, lane, 0)
    return SimulatedHuman(human.simulated, interface.control_rate_hz, seed, judge)


def by_person(human: HumanConfig) -> bool:
    """Whether a person takes part, who lives in real time."""
    return human.device not in ("none", "simulated")


def open_device(human: HumanConfig, interface: Interface) -> TeleopDevice:
    """A device that a person holds. Raises `HardwareError` with the remedy where it is missing."""
    operator = OperatorState()
    match human.device:
        case "web":
            return WebDevice(operator, interface, human.port)
        case "keyboard":
            return OperatorDevice(operator, TerminalKeyboard(operator), interface)
        case "gamepad":
            return OperatorDevice(operator, open_gamepad(operator, human.path), interface)
        case "spacemouse":
            return OperatorDevice(operator, SpaceMouse(operator), interface)
        case _:
            from hardware.drivers import load_driver

            if not human.driver:
                raise ConfigError(
                    "a leader arm needs its class: human.driver=package.module:Class "
                    "(doctor teleop: --driver)."
                )
            arm = load_driver(human.driver, human.driver_settings)
            return LeaderArm(arm, operator, TerminalKeyboard(operator), interface)


def load_agent(run_dir: Path, interface: Interface) -> Agent:
    """The agent of a run as it stands, on the CPU.

    Raises `InterfaceMismatchError` for another interface, `RunDirectoryError` without a run.
    """
    run = RunDirectory(run_dir)
    state = load_newest(run.checkpoints) if run.config.exists() else None
    if state is None:
        raise RunDirectoryError(f"{run_dir} holds no run with a checkpoint.")
    Interface.load(run.interface).require_equal(interface, f"the agent in {run_dir}")
    config = train_config(read_yaml(run.config))
    agent = build_agent(config.agent, interface, Compute.choose("cpu", "auto"))
    agent.load_state_dict(state["agent"])
    return agent


def _lanes(config: TrainConfig) -> int:
    return max(1, config.num_envs)


def build_trainer(config: TrainConfig, run: RunDirectory) -> Trainer:
    """A trainer on an open run directory, before `load_or_start`."""
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    eval_env = build_evaluation_env(config.task, config.render)
    interface = eval_env.interface
    run.check_interface(interface)
    if config.task.classifier:  # told here, and not by a process that cannot start
        load_classifier(Path(config.task.classifier)).require_fit(interface, config.task.classifier)
    compute = Compute.choose(config.device, config.precision)
    agent = build_agent(config.agent, interface, compute)
    if config.compile == "on" or (config.compile == "auto" and compute.device.type == "cuda"):
        agent.compile()
    lanes = _lanes(config)
    replay = build_replay(config, interface, compute.device)
    if config.demos:
        log.info("%s steps of demonstrations", load_demos(config, interface, replay))
    if config.agent.network.scale_proprio:
        _fit_proprio(agent, replay)
    lane_rows = config.replay.capacity // lanes
    if not run.has_begun:
        _require_teacher(config)
    parts = Parts(
        run=run,
        interface=interface,
        agent=agent,
        replay=replay,
        journals=[Journal(run.replay, lane, interface, lane_rows) for lane in range(lanes)],
        make_envs=partial(make_envs, config),
        eval_env=eval_env,
        batch_size=config.agent.batch_size,
        gates=build_gates(config, interface, agent),
        pace=Pace(interface.control_rate_hz) if by_person(config.human) else None,
        prefetch=compute.device.type == "cuda",
    )
    return Trainer(config, parts, config.seed)


def _require_teacher(config: TrainConfig) -> None:
    """Raise `ConfigError` where an agent that learns from people alone has none to learn from."""
    name, human = config.agent.name, config.human.device != "none"
    remedy = "human.device=simulated, or a device of yours"
    if config.agent.reward == "takeover" and not human:
        raise ConfigError(f"agent={name} is paid by takeovers alone. Give it a human: {remedy}.")
    if isinstance(config.agent, BCConfig) and not (human or config.demos):
        raise ConfigError(
            f"agent={name} imitates, and nobody shows it anything. Give it demonstrations, "
            f"demos=[FOLDER] of `robot-rl collect`, or a human: {remedy}."
        )


def make_envs(config: TrainConfig, first_episode: int) -> Envs:
    """The environments of a run, their episodes numbered from `first_episode`."""
    make_env = partial(build_env, config.task, config.render)
    watched = config.human.device == "simulated"
    if config.num_envs == 0:
        return InlineEnvs([EnvLane(make_env, config.seed, 0, first_episode, watched)])
    return EnvProcesses(make_env, config.seed, config.num_envs, first_episode, watched)


def default_run_dir(config: TrainConfig) -> Path:
    name = f"{config.task.name.replace('/', '-')}-{config.agent.name}-s{config.seed}"
    return Path("runs") / name
