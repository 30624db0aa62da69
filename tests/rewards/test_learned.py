"""What is trained for rewards: progress, the aligned encoder, sim_clip, and the commands."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from robot_rl.cli import main
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy
from robot_rl.rewards import steps_to_go
from robot_rl.rewards.encoders import rapl
from robot_rl.rewards.encoders.registry import make_encoder
from robot_rl.rewards.encoders.sentences import SentenceEncoder
from robot_rl.rewards.encoders.sim_clip import SimClip
from robot_rl.rewards.progress import (
    Progress,
    ProgressConfig,
    ProgressNet,
    past,
    rewound,
    save,
    train_progress,
)
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.rewards.sim_clip_training import (
    Captioned,
    SimClipConfig,
    fit,
    info_nce,
    judge,
    look,
    train_sim_clip,
    truths,
)
from robot_rl.rewards.steps_to_go import StepsToGo, StepsToGoConfig
from tests.rewards.seen import INTERFACE, STEPS, climb, clip, record

SMALL = ProgressConfig(encoder="pixels:8", frames=6, layers=1, width=32, heads=2, updates=250)
UP, DOWN = "the square is high up", "a dog sleeps on the sofa"


def shown() -> dict[str, list[np.ndarray]]:
    """Climbing squares, and as another task the same pictures upside down."""
    up = [clip(left=x)["image/cam0"] for x in (6, 9, 12)]
    return {UP: up, DOWN: [frames[:, ::-1] for frames in up]}


def test_a_rewound_video_goes_back_and_so_does_its_progress():
    config = ProgressConfig(frames=8, rewind=1.0)
    for seed in range(50):
        seen, progress = rewound(20, config, np.random.default_rng(seed))
        assert seen.shape == progress.shape == (8,)
        np.testing.assert_allclose(progress, seen / 19, atol=1e-6)
        top = int(seen.argmax())
        assert (np.diff(seen[: top + 1]) >= 0).all()
        assert (np.diff(seen[top:]) <= 0).all()
    straight, _ = rewound(20, ProgressConfig(frames=8, rewind=0.0), np.random.default_rng(0))
    assert (np.diff(straight) >= 0).all()
    assert past(3, 6).tolist() == [0, 1, 1, 2, 2, 3]


def test_what_comes_later_changes_nothing_before():
    torch.manual_seed(0)
    net = ProgressNet(5, SMALL).eval()
    features, sentence = torch.randn(1, 6, 5), torch.randn(1, 384)
    before = net(features, sentence)
    features[:, 4:] = 0.0
    torch.testing.assert_close(net(features, sentence)[:, :4], before[:, :4])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.manual_seed(0)
    net, loss = train_progress(shown(), SMALL)
    folder = tmp_path_factory.mktemp("progress") / "model"
    save(net, SMALL, folder, loss)
    return folder


def test_progress_rises_stops_and_falls_with_what_is_seen(trained):
    model = Progress(INTERFACE, str(trained))
    good = model.score(clip(left=8), UP).progress
    assert rank_correlation(good, np.arange(STEPS + 1)) > 0.9
    assert good[-1] > 0.7
    back = np.concatenate((clip()["image/cam0"], clip()["image/cam0"][::-1]))
    assert model.score({"image/cam0": back}, UP).progress[-1] < 0.45  # rewound: undone
    assert model.score(clip(left=8), DOWN).progress[-1] < good[-1] - 0.3  # not what was asked
    with pytest.raises(ConfigError, match="no success was shown"):
        train_progress({}, SMALL)
    with pytest.raises(CorruptFileError, match="no usable progress model"):
        Progress(INTERFACE, str(trained.parent))


def test_the_steps_that_are_left_are_counted(tmp_path):
    config = StepsToGoConfig(encoder="pixels:16", most=20, updates=250, lr=1e-3)
    frames = [clip(left=x)["image/cam0"] for x in (6, 9, 12)]
    net, error = steps_to_go.train(frames, config)
    assert error < 1.0
    steps_to_go.save(net, config, tmp_path / "left", error)
    model = StepsToGo(INTERFACE, str(tmp_path / "left"))
    scores = model.score(clip(left=9), "")
    np.testing.assert_allclose(-20 * scores.per_step, np.arange(STEPS + 1)[::-1], atol=2.0)
    np.testing.assert_allclose(scores.progress, 1.0 + scores.per_step, atol=1e-6)
    assert scores.success[-1] > 0.8 > 0.2 > scores.success[:-4].max()
    with pytest.raises(ConfigError, match="no success was shown"):
        steps_to_go.train([], config)


def test_triplets_prefer_success_then_what_was_paid_more():
    found = rapl.triplets_by_truth([True, True, False, False], [9.0, 8.0, 2.0, 1.0], 40, seed=0)
    assert len(found) == 40
    order = {0: 3, 1: 2, 2: 1, 3: 0}
    for t in found:
        assert t.anchor in (0, 1)
        assert t.first_is_nearer == (order[t.first] > order[t.second])
        assert t.anchor not in (t.first, t.second)


def test_the_gradient_of_the_transport_is_that_of_its_costs():
    """The envelope theorem: with the plan held fixed, against differences of the whole."""
    torch.manual_seed(0)
    a = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64), dim=1)
    b = torch.nn.functional.normalize(torch.randn(5, 3, dtype=torch.float64), dim=1)
    a.requires_grad_()
    rapl.transport_cost(a, b).backward()
    from robot_rl.rewards.transport import sinkhorn

    plan = sinkhorn((1.0 - a @ b.T).detach().numpy())
    np.testing.assert_allclose(a.grad, -4.0 * plan @ b.numpy(), atol=1e-6)


def test_preferences_align_an_encoder_that_looked_elsewhere(tmp_path):
    """Height decides, and so does not where it stands; before, both counted alike."""
    reaches = [1.0, 1.0, 1.0, 0.3, 0.3, 0.6]
    frames = [clip(h, left=4 + 3 * i)["image/cam0"] for i, h in enumerate(reaches)]
    config = rapl.RaplConfig(encoder="pixels:16", dim=8, moments=4, updates=60, lr=1e-3)
    triplets = rapl.triplets_by_truth([h == 1.0 for h in reaches], reaches, 60, seed=0)
    align, explained = rapl.train(frames, triplets, config)
    assert explained > 0.9
    rapl.save(align, config, tmp_path / "rapl", explained)
    encoded = make_encoder(f"rapl:{tmp_path}/rapl").encode(frames[0])
    assert encoded.shape == (STEPS + 1, 8)
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), 1.0, atol=1e-5)
    with pytest.raises(ConfigError, match="nobody compared"):
        rapl.train(frames, [], config)


# --------------------------------------------------------------------------- sim_clip


def captioned() -> Captioned:
    """Two things that can be told of, of two tasks: two pictures of each."""
    level = torch.tensor([[0.0, math.nan], [1.0, math.nan], [math.nan, 0.0], [math.nan, 1.0]])
    said = [(0, 0.0, "low"), (0, 1.0, "high"), (1, 0.0, "shut"), (1, 1.0, "open")]
    torch.manual_seed(0)
    return Captioned(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), level, said)


def test_a_sentence_that_is_nearly_true_is_nearly_right():
    data = captioned()
    truth = truths(data, torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]), softness=0.5)
    e = math.exp(-2.0)
    np.testing.assert_allclose(
        truth, [[1, e, math.nan], [e, 1, math.nan], [math.nan, math.nan, 1]], atol=1e-6
    )


def test_the_loss_is_zero_where_every_picture_knows_its_sentence():
    class Perfect(SimClip):
        def image(self, frames):
            return torch.eye(4)

        def sentence(self, encoded):
            return torch.eye(4)

    model = Perfect(32)
    model.log_scale.data.fill_(math.log(50.0))
    apart = torch.tensor(
        [
            [1, 0, math.nan, math.nan],
            [0, 1, math.nan, math.nan],
            [math.nan, math.nan, 1, 0],
            [math.nan, math.nan, 0, 1.0],
        ]
    )
    assert info_nce(model, torch.empty(0), torch.empty(0), apart).item() < 1e-6
    # Alike: each could be either of two, whatever the other task's sentences are.
    model.log_scale.data.fill_(-100.0)
    alike = info_nce(model, torch.empty(0), torch.empty(0), apart).item()
    assert alike == pytest.approx(math.log(2.0), abs=1e-4)


def task(**settings) -> TaskConfig:
    return TaskConfig(name="arm/reach", cameras={"front": CameraSpec()}, image_size=32, **settings)


def test_it_learns_what_the_simulator_says():
    config = SimClipConfig(episodes=16, updates=250, batch_size=32, shift_pad=1, softness=0.05)
    pair = (task(), task())
    learned, held_out = look([pair], RenderConfig(), config)
    assert {about for about, *_ in learned.said} == {0}
    assert len(held_out.frames) > 0
    torch.manual_seed(0)
    model, text = SimClip(32), torch.from_numpy(SentenceEncoder()([t for *_, t in learned.said]))
    before = judge(model, learned, text)
    fit(model, learned, text, config)
    accuracy, tau = judge(model, learned, text)
    assert accuracy > max(0.6, before[0] + 0.2)  # of five stages
    assert tau > max(0.6, before[1] + 0.2)
    _, report = train_sim_clip([pair], RenderConfig(), dataclasses.replace(config, updates=1))
    assert report.pictures == len(learned.frames)
    with pytest.raises(ConfigError, match="too few to learn from"):
        SimClipConfig(episodes=4)


def test_it_sees_the_episodes_of_those_who_fooled_it():
    """Every other episode is the policy's, from beginning to end, with the simulator's words."""
    env = open_env(task(), RenderConfig())
    network = NetworkConfig(frame_stack=1, hidden_dim=16)
    fooling = StackedPolicy(StackedConfig(network=network), env.interface)
    steps = env.unwrapped.max_episode_steps
    env.close()
    config = SimClipConfig(episodes=16)
    alone, _ = look([(task(), task())], RenderConfig(), config)
    beside, _ = look([(task(), task())], RenderConfig(), config, [fooling])
    assert len(beside.frames) > len(alone.frames)
    assert len(beside.frames) >= 8 * (steps + 1)
    assert not torch.isnan(beside.level).any()
    other = dataclasses.replace(task(), image_size=36)
    with pytest.raises(InterfaceMismatchError, match="the task to be put into words"):
        look([(other, other)], RenderConfig(), config, [fooling])


def test_the_commands_train_from_folders(tmp_path, capsys):
    for name, reaches in (("success", 1.0), ("near_miss", 0.4)):
        record(tmp_path / "eps" / name, [climb(reaches, x) for x in (6, 9, 12)])
    folder = ["--threads", "1", "--episodes", str(tmp_path / "eps")]
    few = ["task.reward_model.teaching.queries=30", "task.reward_model.teaching.updates=10"]
    for what, extra, words in (
        ("preferences", few, "of 30 choices say something"),
        ("rapl", ["--encoder", "pixels:8"], "triplets are explained"),
    ):
        out = str(tmp_path / what)
        assert main(["rewards", "train", what, *folder, "--out", out, *extra]) == 0
        said = capsys.readouterr().out
        assert words in said
        assert f":{out}" in said or f"folder={out}" in said
    successes = ["--threads", "1", "--episodes", str(tmp_path / "eps" / "success")]
    left = ["rewards", "train", "steps_to_go", *successes, "--out", str(tmp_path / "left")]
    assert main([*left, "--encoder", "pixels:8"]) == 0
    assert "3 successes; off by" in capsys.readouterr().out
    assert main(["rewards", "train", "rapl", "--out", "x"]) == 1
    assert "learns from episodes: --episodes FOLDER" in capsys.readouterr().err
    assert main(["rewards", "train", "progress", *folder, "--out", "x"]) == 1
    assert "nobody has said what shall be in test/tiny" in capsys.readouterr().err
