"""Learning and acting apart: the learner's arrangement, and the actor built from what it says."""

import contextlib
import dataclasses
import secrets
import sys
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from robot_rl.build.agents import build_agent
from robot_rl.build.config import TrainConfig, train_config
from robot_rl.build.envs import build_env
from robot_rl.build.people import build_device, by_person
from robot_rl.clocks import Pace
from robot_rl.envs.vector import EnvLane, InlineEnvs, RealTimeEnvs, episode_seed
from robot_rl.errors import ConfigError
from robot_rl.interventions.gate import Gate
from robot_rl.networks.compute import Compute
from robot_rl.training.apart.acting import Acting
from robot_rl.training.apart.courier import Courier, first_welcome
from robot_rl.training.apart.crew import LocalCrew
from robot_rl.training.apart.inbox import Identity
from robot_rl.training.apart.learning import Apart, Crew, Volunteers
from robot_rl.training.apart.spool import Spool
from robot_rl.training.apart.wire import Address, parsed, written
from robot_rl.training.collector import Collector, RandomActions
from robot_rl.training.run import RunDirectory, read_yaml, write_text
from robot_rl.types import Interface

_ACTORS = "actors"


def build_apart(config: TrainConfig, run: RunDirectory, interface: Interface) -> Apart:
    """How the learner of an open run directory is found, and who starts its actors."""
    folder = run.root / _ACTORS
    folder.mkdir(exist_ok=True)
    identity = Identity(
        run=_kept(folder / "run", uuid.uuid4().hex),
        config=read_yaml(run.config),
        interface=dataclasses.asdict(interface),
    )
    token = run.root / "token"
    return Apart(
        identity=identity,
        token=_secret(token),
        address=parsed(config.actors.address),
        remembered=folder / "address",
        ahead_steps=config.actors.ahead_steps,
        publish_every_s=config.actors.publish_every_s,
        make_crew=partial(_crew, config, folder.absolute(), token.absolute()),
    )


def _crew(config: TrainConfig, folder: Path, token: Path, address: Address) -> Crew:
    actors = config.actors
    if actors.where == "elsewhere":
        return Volunteers()
    spools = [folder / f"{actor:02d}" for actor in range(actors.count)]
    commands = [
        [
            *("act", written(address)),
            *(f"--actor={actor}", f"--token={token}", f"--spool={spool}"),
            f"--patience-s={actors.patience_s:g}",
        ]
        for actor, spool in enumerate(spools)
    ]
    if actors.where == "ray":
        from robot_rl.launching.ray_actors import RayCrew

        return RayCrew(commands, token.read_bytes(), actors.ray_address, actors.cpus)
    here = [[sys.executable, "-m", "robot_rl.cli", *command] for command in commands]
    return LocalCrew(here, [spool.with_suffix(".log") for spool in spools])


def _kept(path: Path, fresh: str) -> str:
    """What stands in `path`, and `fresh` where it is new."""
    if not path.exists():
        write_text(path, fresh)
    return path.read_text()


def _secret(path: Path) -> bytes:
    if not path.exists():
        write_text(path, secrets.token_hex(32), mode=0o600)
    return read_token(path)


def read_token(path: Path) -> bytes:
    """Raises `ConfigError` where there is none."""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    if len(token) < 16:
        raise ConfigError(f"{path} holds no token: it wants 16 characters at least.")
    return token.encode()


# -------------------------------------------------------------------------------- the actor


def build_acting(
    address: Address,
    token: bytes,
    actor: int,
    spool: Path,
    patience_s: float,
    stop: Callable[[], bool],
) -> Acting | None:
    """An actor of the learner that answers at `address`, before anything moves; None after `stop`.

    Raises `EnvWorkerError` where none answers, `ConfigError` where it refuses, and
    `InterfaceMismatchError` where what it learns from is not what is seen here.
    """
    welcome = first_welcome(address, token, actor, patience_s, stop)
    if welcome is None:
        return None
    config = train_config(dict(welcome.config))
    interface = Interface.from_dict(welcome.interface)
    kept = Spool(spool, actor, interface, welcome.run)
    steps = kept.resume(welcome.steps)
    torch.set_num_threads(1)
    torch.manual_seed(episode_seed(config.seed, actor, steps))
    compute = Compute.choose(config.device, config.precision)
    agent = build_agent(config.agent.for_run(config.steps), interface, compute)
    courier = Courier(kept, address, token, actor, config.actors.patience_s)
    acts = agent.actor()
    with contextlib.ExitStack() as undo:
        envs = _envs(config, interface, actor, steps)
        undo.callback(envs.close)
        device = build_device(config, interface, None, actor, steps)
        collector = Collector(
            envs=envs,
            actor=acts,
            sink=kept,
            gates=[Gate(device, config.human.gate, interface)],
            steps=[steps],
            random=RandomActions(episode_seed(config.seed, actor, steps)),
            device=compute.device,
            pace=Pace(interface.control_rate_hz) if by_person(config.human) else None,
        )
        undo.pop_all()
    real_time = config.robot.present or by_person(config.human)
    ahead_steps = None if real_time else config.actors.ahead_steps
    return Acting(collector, acts, courier, config.agent.seed_steps, ahead_steps)


def _envs(config: TrainConfig, interface: Interface, actor: int, first_episode: int) -> InlineEnvs:
    env = build_env(config.task, config.render, config.robot)
    try:
        env.interface.require_equal(interface, "the run that this actor collects for")
    except Exception:
        env.close()
        raise
    watched = config.human.device != "none"
    lane = EnvLane(lambda: env, config.seed, actor, first_episode, watched)
    return RealTimeEnvs([lane]) if config.robot.present else InlineEnvs([lane])
