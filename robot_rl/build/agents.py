"""Networks and agent from a configuration."""

from pathlib import Path

from robot_rl.agents.base import Agent
from robot_rl.agents.bc import BC, BCConfig
from robot_rl.agents.drm import DrM, DrMConfig
from robot_rl.agents.drqv2 import DrQV2, DrQV2Config
from robot_rl.agents.hil_serl import HilSerl, HilSerlConfig
from robot_rl.agents.mentor import Mentor, MentorConfig
from robot_rl.agents.pixel_agent import AgentConfig, PixelAgent
from robot_rl.agents.sac import SAC, SACConfig
from robot_rl.agents.taco import TacoLoss
from robot_rl.build.config import train_config
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.networks.actor_critic import Actor, Critic, Value
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.ensemble import EnsembleCritic
from robot_rl.networks.gripper import GripperActor
from robot_rl.networks.policy import make_actor, make_encoder
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.run import RunDirectory, read_yaml
from robot_rl.types import Interface, proprio_place


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
    config: SACConfig,
    encoder: Encoder,
    actor: Actor | GripperActor,
    interface: Interface,
    compute: Compute,
) -> PixelAgent:
    net, action_dim = config.network, interface.action_size
    critic = EnsembleCritic(
        encoder,
        action_dim - isinstance(actor, GripperActor),
        net.feature_dim,
        net.hidden_dim,
        net.layer_norm,
        config.ensemble_size,
    )
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
