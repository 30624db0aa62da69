"""`robot-rl rewards train`: learn what a reward model needs."""

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from robot_rl.build.compose import compose, expand_sweep
from robot_rl.commands.eval import policy_folder
from robot_rl.envs.registry import RenderConfig, TaskConfig
from robot_rl.envs.variation import VariationConfig
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.rewards import preferences, progress, steps_to_go
from robot_rl.rewards.encoders import rapl, sim_clip
from robot_rl.rewards.goal_picture import demonstrated
from robot_rl.rewards.model import camera_key
from robot_rl.rewards.sentences import goal_of
from robot_rl.rewards.sim_clip_training import SimClipConfig, train_sim_clip
from robot_rl.rewards.teachers import Question, make_teacher
from robot_rl.rewards.told import Told, told
from robot_rl.types import Interface

_SIZE = 64


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    learn = {
        "sim_clip": _sim_clip,
        "progress": _progress,
        "steps_to_go": _steps_to_go,
        "preferences": _preferences,
        "rapl": _rapl,
    }[arguments.what]
    if arguments.what != "sim_clip" and not arguments.episodes:
        raise ConfigError(f"{arguments.what} learns from episodes: --episodes FOLDER.")
    use = learn(arguments, Path(arguments.out))
    print(f"use it: {use}")
    return 0


# --------------------------------------------------------------------------- sim_clip


def _sim_clip(arguments: argparse.Namespace, out: Path) -> str:
    tasks, render = _looks(arguments.overrides)
    names = ", ".join(plain.name for plain, _ in tasks)
    print(f"learning what is said of {names}", flush=True)
    config = SimClipConfig(seed=arguments.seed)
    config = dataclasses.replace(config, updates=len(tasks) * config.updates)
    policies = [policy_folder(Path(path)).load() for path in arguments.policies]
    model, report = train_sim_clip(tasks, render, config, policies)
    sim_clip.save(model, out, {**dataclasses.asdict(report), "tasks": names})
    print(
        f"{report.pictures:,} pictures in {report.render_s:.0f} s, learned in "
        f"{report.train_s:.0f} s; of held-out pictures {report.accuracy:.0%} got their sentence, "
        f"rank correlation {report.tau:.2f}"
    )
    return f"reward=vlm_rm task.reward_model.settings.encoder=sim_clip:{out}"


def _looks(overrides: Sequence[str]) -> tuple[list[tuple[TaskConfig, TaskConfig]], RenderConfig]:
    """Each task as it is built and as `variation`, strong where nothing else was said, has it."""
    varied = any(text.startswith("variation=") for text in overrides)
    pairs, render = [], RenderConfig()
    for job in expand_sweep(overrides):
        looks = compose([*job, *["variation=strong"] * (not varied)])
        task = dataclasses.replace(looks.task, image_size=_SIZE, source_size=0, state=False)
        pairs.append((dataclasses.replace(task, variation=VariationConfig()), task))
        render = looks.render
    return pairs, render


# --------------------------------------------------------------------- from successes


def _progress(arguments: argparse.Namespace, out: Path) -> str:
    """Folders of successes, of as many tasks as there are."""
    config = progress.ProgressConfig(encoder=arguments.encoder, seed=arguments.seed)
    given = compose(arguments.overrides).task.reward_model.goal
    shown: dict[str, list[np.ndarray]] = {}
    for folder in map(Path, arguments.episodes):
        interface = told(folder)[0]
        sentence = goal_of(interface.task, given)
        shown.setdefault(sentence, []).extend(
            demonstrated(str(folder), camera_key(interface, arguments.camera))
        )
    print(f"learning from {sum(map(len, shown.values()))} successes", flush=True)
    net, loss = progress.train_progress(shown, config)
    progress.save(net, config, out, loss)
    print(f"loss {loss:.4f}")
    return f"reward=progress task.reward_model.settings.folder={out}"


def _steps_to_go(arguments: argparse.Namespace, out: Path) -> str:
    """Folders of successes of one task."""
    config = steps_to_go.StepsToGoConfig(encoder=arguments.encoder, seed=arguments.seed)
    key = camera_key(told(Path(arguments.episodes[0]))[0], arguments.camera)
    shown = [frames for folder in arguments.episodes for frames in demonstrated(folder, key)]
    net, error = steps_to_go.train(shown, config)
    steps_to_go.save(net, config, out, error)
    print(f"{len(shown)} successes; off by {error:.1f} steps in the mean on them")
    return f"reward=steps_to_go task.reward_model.settings.folder={out}"


# -------------------------------------------------------------------- from comparisons


def _preferences(arguments: argparse.Namespace, out: Path) -> str:
    """Pairs of clips from the episodes, and who chooses is `task.reward_model.teaching`."""
    truth = "task.reward_model.teaching.teacher=truth"
    reward = compose(["reward=preferences", truth, *arguments.overrides]).task.reward_model
    interface, found = _all(arguments)
    episodes = [episode for _, episode in found]
    key, teaching = camera_key(interface, arguments.camera), reward.teaching
    rng = np.random.default_rng(arguments.seed)
    long = [e for e in episodes if len(e.steps) >= teaching.clip_steps]
    if not long:
        raise ConfigError(
            f"no episode has {teaching.clip_steps} steps, as many as a clip: set "
            "task.reward_model.teaching.clip_steps lower."
        )
    asked = [_question(long, key, teaching.clip_steps, rng) for _ in range(teaching.queries)]
    teacher = make_teacher(teaching, arguments.seed, out.with_suffix(".answers.sqlite"))
    with contextlib.closing(teacher):
        chosen = teacher.choose(asked, goal_of(interface.task, reward.goal, teacher.slow))
    height = next(c.height for c in interface.cameras if c.key == key)
    config = preferences.PreferenceConfig.of(height, teaching.updates)
    torch.manual_seed(arguments.seed)
    net, choices = preferences.PreferenceNet(config), preferences.Choices(config)
    said = choices.add(asked, chosen)
    explained = preferences.fit(net, choices, config, rng)
    frames = np.concatenate([np.stack([o[key] for o in e.obs]) for e in episodes])
    worth = preferences.worth_of(net, frames, config)
    preferences.save(net, config, out, worth, said)
    print(f"{said} of {len(asked)} choices say something; {explained:.0%} of them are explained")
    return f"reward=preferences task.reward_model.settings.folder={out}"


def _question(
    episodes: Sequence[StoredEpisode], key: str, steps: int, rng: np.random.Generator
) -> Question:
    clips, truths = [], []
    for _ in range(2):
        episode = episodes[int(rng.integers(len(episodes)))]
        start = int(rng.integers(len(episode.steps) - steps + 1))
        seen = range(start + 1, start + 1 + steps)
        clips.append(np.stack([episode.obs[t][key] for t in seen]))
        truths.append(sum(episode.steps[t - 1].reward for t in seen))
    return Question(clips[0], clips[1], (truths[0], truths[1]))


def _rapl(arguments: argparse.Namespace, out: Path) -> str:
    """What the simulator says of triplets aligns the encoder."""
    config = rapl.RaplConfig(encoder=arguments.encoder, seed=arguments.seed)
    interface, found = _all(arguments)
    key = camera_key(interface, arguments.camera)
    returns = [episode.episode_return for _, episode in found]
    triplets = rapl.triplets_by_truth(
        [succeeded for succeeded, _ in found], returns, config.triplets, config.seed
    )
    frames = [np.stack([obs[key] for obs in episode.obs]) for _, episode in found]
    align, explained = rapl.train(frames, triplets, config)
    rapl.save(align, config, out, explained)
    print(f"{explained:.0%} of {len(triplets)} triplets are explained")
    return (
        f"reward=demonstrated task.reward_model.settings.encoder=rapl:{out} "
        "task.reward_model.settings.demos=FOLDER"
    )


def _all(arguments: argparse.Namespace) -> tuple[Interface, Told]:
    """Of all folders, and the interface of the first."""
    parts = [told(Path(folder)) for folder in arguments.episodes]
    return parts[0][0], [one for _, part in parts for one in part]
