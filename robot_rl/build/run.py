"""A run: environments, agent, replay and trainer put together."""

import contextlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from robot_rl.build.agents import build_agent
from robot_rl.build.apart import build_apart
from robot_rl.build.config import TrainConfig
from robot_rl.build.demos import Demonstrations, pays_demonstrations
from robot_rl.build.envs import build_env, build_evaluation_env, build_shared_robot
from robot_rl.build.people import build_gates, by_person
from robot_rl.clocks import Pace
from robot_rl.envs.shared import SharedEnv
from robot_rl.envs.vector import EnvLane, EnvProcesses, InlineEnvs, RealTimeEnvs
from robot_rl.envs.wrappers import relative
from robot_rl.errors import ConfigError
from robot_rl.networks.compute import Compute
from robot_rl.replay import Replay
from robot_rl.replay.device import DeviceFrames, frames_fit
from robot_rl.replay.draws import Segments
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import HostFrames
from robot_rl.rewards.cache import CachedReward, ContentCache
from robot_rl.rewards.model import camera_key
from robot_rl.rewards.paid_env import paid
from robot_rl.rewards.registry import make_reward
from robot_rl.rewards.sentences import goal_of
from robot_rl.rewards.teachers import make_teacher
from robot_rl.training.collector import Envs
from robot_rl.training.hooks import Hook
from robot_rl.training.labels import LabelEpisodes
from robot_rl.training.loop import Trainer
from robot_rl.training.parts import Parts
from robot_rl.training.run import RunDirectory
from robot_rl.training.teaching import LearnFromChoices
from robot_rl.types import Interface

log = logging.getLogger(__name__)


def build_trainer(config: TrainConfig, run: RunDirectory, hooks: Sequence[Hook] = ()) -> Trainer:
    """A trainer on an open run directory, before `load_or_start`."""
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    demos = Demonstrations(config)
    robot, eval_env = _environments(config)
    with contextlib.ExitStack() as undo:
        undo.callback(close_env, eval_env)
        trainer = _trainer(config, run, demos, eval_env, robot, hooks)
        undo.pop_all()
    return trainer


def _labelling(config: TrainConfig, run: RunDirectory, interface: Interface) -> list[Hook]:
    """What pays episodes once they are over: all of them, or the demonstrations beside a model
    that pays in every step. Success ends what a verdict ends, in demonstrations as well.
    """
    reward = config.task.reward_model
    if reward.teaching.teacher:
        return [_taught(config, run, interface)]
    lanes = set(range(config.lanes)) if reward.when == "episode" else set()
    if pays_demonstrations(config):
        lanes.add(config.lanes)
    if not reward.present or not lanes:
        return []
    cache = ContentCache(run.root / "labels.sqlite")
    model = CachedReward(make_reward(reward, interface), cache)
    goal = goal_of(interface.task, reward.goal, model.reads)
    return [LabelEpisodes(model, goal, reward, lanes)]


def _taught(config: TrainConfig, run: RunDirectory, interface: Interface) -> Hook:
    """Somebody chooses while the policy learns."""
    reward = config.task.reward_model
    camera = camera_key(interface, str(reward.settings.get("camera", "")))
    height = next(c.height for c in interface.cameras if c.key == camera)
    teacher = make_teacher(reward.teaching, config.seed, run.root / "labels.sqlite")
    goal = goal_of(interface.task, reward.goal, teacher.slow)
    return LearnFromChoices(teacher, goal, reward, camera, height, config.seed)


def close_env(env: Any | None) -> None:
    """The evaluation's environment, if there is one; a robot is then free for others."""
    if isinstance(env, SharedEnv):
        env.release()
    elif env is not None:
        env.close()


def _trainer(
    config: TrainConfig,
    run: RunDirectory,
    demos: Demonstrations,
    eval_env: Any | None,
    robot: SharedEnv | None,
    hooks: Sequence[Hook],
) -> Trainer:
    interface = _interface(config, demos, eval_env)
    run.check_interface(interface)
    demos.require_fit(interface)
    if config.task.reward_model.present and eval_env is not None:
        # Told here, and not by a process that cannot start.
        paid(eval_env, config.task.reward_model, config.task.reward)
    if eval_env is not None:
        _require_windows(config, eval_env.unwrapped.max_episode_steps)
    compute = Compute.choose(config.device, config.precision)
    agent = build_agent(config.agent.for_run(config.steps), interface, compute)
    if config.compile == "on" or (config.compile == "auto" and compute.device.type == "cuda"):
        agent.compile()
    lanes = config.lanes
    replay = build_replay(config, interface, compute.device, demos.rows)
    if config.demos:
        log.info("%s steps of demonstrations", demos.load(replay))
    agent.prepare(replay.storage.proprio[replay.storage.has_action])
    lane_rows = config.replay.capacity // lanes
    if not run.has_begun:
        _require_teacher(config)
    alone = config.offline or config.actors.count > 0
    parts = Parts(
        run=run,
        interface=interface,
        agent=agent,
        replay=replay,
        journals=[Journal(run.replay, lane, interface, lane_rows) for lane in range(lanes)],
        make_envs=partial(make_envs, config, robot=robot),
        eval_env=eval_env,
        batch_size=config.agent.batch_size,
        seed_steps=config.agent.seed_steps,
        gates=[] if alone else build_gates(config, interface, agent),
        apart=build_apart(config, run, interface) if config.actors.count else None,
        pace=Pace(interface.control_rate_hz) if by_person(config.human) else None,
        prefetch=compute.device.type == "cuda",
        on_robot=config.robot.present,
        hooks=[*hooks, *_labelling(config, run, interface)],
    )
    return Trainer(config, parts, config.seed)


def _environments(config: TrainConfig) -> tuple[SharedEnv | None, Any | None]:
    """The robot, where there is one, and what evaluates; None where nothing is stepped.

    The data of an offline run may be of a robot that nobody has here.
    """
    if config.offline and not config.evaluates:
        return None, None
    if config.robot.present and config.actors.count:
        return None, None  # an actor has it
    if config.robot.present:
        _require_free_terminal(config)
        return build_shared_robot(config.task, config.render, config.robot)
    return None, build_evaluation_env(config.task, config.render)


def _interface(config: TrainConfig, demos: Demonstrations, eval_env: Any | None) -> Interface:
    """Of what evaluates, else of the robot that an actor has, else of the demonstrations."""
    if eval_env is not None:
        return eval_env.interface
    if not config.robot.present or config.offline:
        return demos.interface()
    from hardware.robot import contract

    interface, _ = contract(config.task, config.robot)
    return relative(interface) if config.task.relative_frame else interface


def _require_free_terminal(config: TrainConfig) -> None:
    """Raise `ConfigError` where a person is asked at the terminal that also drives the robot."""
    asked = config.robot.success == "person" and config.evaluates
    if asked and config.human.device == "keyboard":
        raise ConfigError(
            "with robot.success=person every evaluation asks at the terminal whether it succeeded, "
            "and human.device=keyboard reads the same terminal. Drive with human.device=web, or "
            "evaluate never: eval_episodes=0 final_eval_episodes=0."
        )


def _require_windows(config: TrainConfig, episode_steps: int) -> None:
    """Raise `ConfigError` for windows inside one episode that are longer than any."""
    draws = config.agent.draws
    if isinstance(draws, Segments) and not draws.cross_episodes and draws.length > episode_steps:
        raise ConfigError(
            f"agent={config.agent.name} learns from windows of {draws.length} steps, and no "
            f"episode of {config.task.name} has more than {episode_steps}. Shorten them: "
            "agent.planner.horizon, agent.segment_length."
        )


def _require_teacher(config: TrainConfig) -> None:
    """Raise `ConfigError` where an agent that learns from people alone has none to learn from."""
    name, human = config.agent.name, config.human.device != "none"
    remedy = "human.device=simulated, or a device of yours"
    if config.agent.needs == "human" and not human:
        raise ConfigError(f"agent={name} is paid by takeovers alone. Give it a human: {remedy}.")
    if config.agent.needs == "teacher" and not (human or config.demos):
        raise ConfigError(
            f"agent={name} imitates, and nobody shows it anything. Give it demonstrations, "
            f"demos=[FOLDER] of `robot-rl collect`, or a human: {remedy}."
        )


def build_replay(
    config: TrainConfig, interface: Interface, device: torch.device, demo_rows: int
) -> Replay:
    """As large as was asked for; demonstrations come on top, after the environments' lanes."""
    draws, lanes = config.agent.draws, config.lanes
    least = lanes * (draws.window + draws.frame_stack + 1)
    capacity = least if config.offline else config.replay.capacity
    store = HostFrames
    if frames_fit(interface, capacity + demo_rows, device):
        store = partial(DeviceFrames, device=device)
    return Replay(capacity, draws, interface, lanes, config.seed, store, demo_rows)


def make_envs(config: TrainConfig, first_episode: int, robot: SharedEnv | None = None) -> Envs:
    """The environments of a run, their episodes numbered from `first_episode`."""
    watched = config.human.device != "none"
    if robot is not None:
        return RealTimeEnvs([EnvLane(lambda: robot, config.seed, 0, first_episode, watched)])
    make_env = partial(build_env, config.task, config.render)
    if config.num_envs == 0:
        return InlineEnvs([EnvLane(make_env, config.seed, 0, first_episode, watched)])
    return EnvProcesses(make_env, config.seed, config.num_envs, first_episode, watched)


def default_run_dir(config: TrainConfig) -> Path:
    name = f"{config.task.name.replace('/', '-')}-{config.agent.name}-s{config.seed}"
    return Path("runs") / name
