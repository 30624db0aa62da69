"""The success classifier: learning, threshold, reward, end of the episode, its folder."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from robot_rl.build.envs import build_env
from robot_rl.cli import main
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig
from robot_rl.envs.reward import RewardConfig
from robot_rl.episodes.folder import StoredEpisode, create, write_episode
from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError
from robot_rl.replay.storage import Step
from robot_rl.rewards.classifier import load, make_classifier, save
from robot_rl.rewards.classifier_training import ClassifierConfig, train_classifier
from tests.conftest import make_interface

INTERFACE = make_interface(cameras=1, size=36, proprio=0)
QUICK = ClassifierConfig(updates=60, batch_size=32, lr=1e-3, shift_pad=1)


def frame(rng: np.random.Generator, success: bool) -> dict[str, np.ndarray]:
    """A bright square low in a noisy picture, or high where the task is done."""
    image = rng.integers(0, 60, (36, 36, 3), np.uint8)
    top, left = (4 if success else 22), int(rng.integers(4, 24))
    image[top : top + 8, left : left + 8] = 230
    return {"image/cam0": image}


def episode(seed: int, outcome: bool = True) -> StoredEpisode:
    rng = np.random.default_rng(seed)
    marks = [outcome and t >= 8 for t in range(14)]
    obs = [frame(rng, False), *(frame(rng, mark) for mark in marks)]
    steps = [
        Step(np.zeros(2, np.float32), float(mark), False, t == 13) for t, mark in enumerate(marks)
    ]
    return StoredEpisode(str(seed), obs, steps)


@pytest.fixture(scope="module")
def trained():
    return train_classifier([episode(seed) for seed in range(15)], INTERFACE, QUICK)


def test_it_sees_success_on_episodes_it_has_never_seen(trained):
    classifier, report = trained
    assert (report.precision, report.recall) == (1.0, 1.0)
    assert (report.positives, report.negatives) == (18, 24)  # 3 of 15 episodes
    rng = np.random.default_rng(99)
    said = classifier.probability([frame(rng, s) for s in (True, False)]) >= report.threshold
    assert said.tolist() == [True, False]


def test_the_folder_gives_it_back(trained, tmp_path):
    classifier, report = trained
    save(classifier, QUICK.encoder, tmp_path, dataclasses.asdict(report))
    again = load(tmp_path)
    obs = [frame(np.random.default_rng(1), True)]
    assert float(again.probability(obs)) == pytest.approx(float(classifier.probability(obs)))
    assert again.threshold == classifier.threshold
    (tmp_path / "reward.safetensors").write_bytes(b"torn")
    with pytest.raises(CorruptFileError, match="no usable success classifier"):
        load(tmp_path)


def fooling(seed: int) -> StoredEpisode:
    """The square is high, but only its outline: paid by a classifier that knew no better."""
    made = episode(seed)
    for obs, step in zip(made.obs[1:], made.steps, strict=True):
        if step.reward:
            obs["image/cam0"][6:10] = 0
    return made


def record(root: Path, episodes: Iterable[StoredEpisode]) -> str:
    journal = create(root, INTERFACE)
    for made in episodes:
        write_episode(journal, made)
    journal.close()
    return str(root)


def test_a_run_that_fooled_it_teaches_it(tmp_path, capsys):
    labelled = record(tmp_path / "labelled", map(episode, range(15)))
    fooled = record(tmp_path / "fooled", map(fooling, range(20, 30)))
    tricks = fooling(77).obs[-6:]
    for name, negatives, wanted in (("naive", [], 1.0), ("taught", ["--negatives", fooled], 0.0)):
        out = tmp_path / name
        assert main(["classifier", labelled, *negatives, "--out", str(out)]) == 0
        assert f"task.reward_model.settings.folder={out}" in capsys.readouterr().out
        classifier = load(out)
        said = classifier.probability(tricks) >= classifier.threshold
        assert float(said.float().mean()) == wanted


def test_without_a_success_it_says_what_to_record():
    mixed = [episode(seed, outcome=seed == 0) for seed in range(8)]
    with pytest.raises(ConfigError, match=r"show no success\. Record more of both"):
        train_classifier(mixed, INTERFACE, QUICK)


def test_episodes_without_a_camera_are_refused():
    blind = dataclasses.replace(make_interface(cameras=0), task="arm/reach")
    with pytest.raises(InterfaceMismatchError, match=r"arm/reach show no camera, .*\.state=false"):
        make_classifier(blind, "compact")


def test_demonstrations_that_end_at_success_are_no_labels():
    cut = [StoredEpisode(e.name, e.obs[:10], e.steps[:9]) for e in map(episode, range(8))]
    assert [sum(step.reward for step in e.steps) for e in cut] == [1.0] * 8
    with pytest.raises(ConfigError, match=r"none was labelled.*collect --label"):
        train_classifier(cut, INTERFACE, QUICK)


def test_as_reward_it_pays_once_and_ends_the_episode(tmp_path):
    task = TaskConfig(name="arm/reach", cameras={"front": CameraSpec()}, image_size=36)
    plain = build_env(task, RenderConfig())
    by_classifier = dataclasses.replace(
        task,
        reward_model=RewardConfig(
            name="classifier", settings={"folder": str(tmp_path)}, threshold=0.5, ends_after=2
        ),
    )
    untrained = train_classifier(
        [episode(seed) for seed in range(15)],
        dataclasses.replace(
            INTERFACE, cameras=(dataclasses.replace(INTERFACE.cameras[0], name="cam0"),)
        ),
        QUICK,
    )[0]
    save(untrained, QUICK.encoder, tmp_path, {})
    with pytest.raises(InterfaceMismatchError, match="cam0 36x36; the task has front"):
        build_env(by_classifier, RenderConfig())
    untrained.interface = dataclasses.replace(plain.interface, proprio=(), task="arm/lift")
    save(untrained, QUICK.encoder, tmp_path, {})
    with pytest.raises(InterfaceMismatchError, match="success at arm/lift, not at arm/reach"):
        build_env(by_classifier, RenderConfig())
    untrained.interface = dataclasses.replace(plain.interface, proprio=())
    untrained.encoder.keys = ("image/front",)
    untrained.threshold = 0.0  # everything is a success
    save(untrained, QUICK.encoder, tmp_path, {})
    env = build_env(by_classifier, RenderConfig())
    env.reset(seed=0)
    first, second = (env.step(np.zeros(3, np.float32)) for _ in range(2))
    assert (first[1], first[2]) == (0.0, False)  # one frame might be an accident
    assert (second[1], second[2], second[4]["success"]) == (1.0, True, True)
    assert not second[4]["task_success"]
