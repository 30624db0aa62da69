"""What varies is drawn from the episode's seed, set from the model as built, and told."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.cli import main
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig
from robot_rl.envs.variation import VariationConfig
from robot_rl.errors import ConfigError
from sim.env import SimEnv
from sim.grain import Grain
from sim.registry import make_env
from sim.variation.clips import FRAMES, RATE_HZ, Clip, clips, made
from sim.variation.commands import Commands
from sim.variation.draw import draw
from sim.variation.lens import Lens
from sim.variation.pictures import grid, overlay

FRONT = (CameraSpec(name="front", height=84, width=84),)
STRONG = VariationConfig(
    colour=(-0.1, 0.1),
    texture=(0.2, 0.6),
    light=(0.5, 0.9),
    light_tilt_rad=(-0.4, 0.4),
    camera_pos_m=(-0.01, 0.01),
    camera_rot_rad=(-0.02, 0.02),
    camera_fovy_deg=(-2.0, 2.0),
    camera_distortion=(-0.05, 0.1),
    friction=(0.7, 0.9),
    mass=(1.2, 1.5),
    gain=(0.7, 0.9),
    damping=(1.2, 1.5),
)


@contextmanager
def opened(variation: VariationConfig | None, task: str = "arm/lift") -> Iterator[SimEnv]:
    with closing(make_env(task, FRONT, variation=variation)) as env:
        yield env


def picture(env: SimEnv, seed: int) -> np.ndarray:
    return env.reset(seed=seed)[0]["image/front"]


# ------------------------------------------------------------------------- what is drawn


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_every_draw_lies_in_its_range_and_widening_one_moves_no_other(seed):
    drawn = draw(STRONG, seed, ("front", "wrist"))
    for name, value in drawn.scalars.items():
        low, high = getattr(STRONG, name)
        assert low <= value <= high
    wider = draw(dataclasses.replace(STRONG, mass=(0.1, 9.0)), seed, ("front",))
    assert wider.scalars["friction"] == drawn.scalars["friction"]
    np.testing.assert_array_equal(
        wider.cameras["front"]["camera_pos_m"], drawn.cameras["front"]["camera_pos_m"]
    )
    assert set(drawn.scalars) == {"texture", "light", "friction", "mass", "gain", "damping"}


def test_the_same_seed_is_the_same_episode_and_its_start_is_that_of_an_unvaried_one():
    with opened(STRONG) as env, opened(None) as plain:
        frame, info = picture(env, 3), env.reset(seed=3)[1]["variation"]
        start = env.simulation.data.qpos.copy()
        picture(env, 4)
        np.testing.assert_array_equal(picture(env, 3), frame)
        assert env.reset(seed=3)[1]["variation"] == info
        assert env.reset(seed=4)[1]["variation"] != info
        assert plain.reset(seed=3)[1]["variation"] == {}
        np.testing.assert_allclose(plain.simulation.data.qpos, start, atol=1e-9)


def test_nothing_varied_is_the_picture_as_built():
    untouched = VariationConfig()
    assert not untouched.varies
    with opened(untouched) as env, opened(None) as plain:
        np.testing.assert_array_equal(picture(env, 1), picture(plain, 1))


# ------------------------------------------------------------------------------ the look


@pytest.mark.parametrize(
    "setting",
    [
        {"colour": (-0.2, 0.2)},
        {"texture": (0.5, 0.5)},
        {"light": (0.5, 0.5)},
        {"light_tilt_rad": (0.5, 0.5)},
        {"camera_pos_m": (0.02, 0.02)},
        {"camera_rot_rad": (0.03, 0.03)},
        {"camera_fovy_deg": (3.0, 3.0)},
        {"camera_distortion": (0.1, 0.1)},
        {"camera_noise": (5.0, 5.0)},
        {"background": "ground"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_every_setting_of_the_look_is_seen(setting):
    with opened(VariationConfig(**setting)) as env, opened(None) as plain:
        seen, built = picture(env, 0).astype(int), picture(plain, 0).astype(int)
    assert np.abs(seen - built).mean() > 1.0


def test_half_the_light_is_half_as_bright():
    # Between the lamps nothing is clipped on the dark floor.
    with opened(VariationConfig(light=(0.5, 0.5))) as env, opened(None) as plain:
        seen, built = picture(env, 0)[:4].astype(float), picture(plain, 0)[:4].astype(float)
    assert seen.mean() / built.mean() == pytest.approx(0.5, abs=0.03)


def test_the_model_is_varied_from_what_was_built_and_not_from_the_episode_before():
    with opened(VariationConfig(camera_fovy_deg=(2.0, 2.0), mass=(1.5, 1.5))) as env:
        model = env.simulation.model
        for seed in range(3):
            env.reset(seed=seed)
            assert model.camera("front").fovy[0] == pytest.approx(38.0)
            assert model.body("cube").mass[0] == pytest.approx(0.12)


def test_moving_pictures_stand_where_nothing_is_drawn_and_move():
    with opened(VariationConfig(background="ground")) as env, opened(None) as plain:
        seen, built = picture(env, 0), picture(plain, 0)
        told = env.reset(seed=0)[1]["variation"]
        clip = clips("", held_out=False)[int(told["background_clip"])]
        shown = clip.at(told["background_start_s"], 84, 84)
        # The floor above the table's edge, and the table itself.
        np.testing.assert_array_equal(seen[:6, :20], shown[:6, :20])
        np.testing.assert_array_equal(seen[70:], built[70:])
        for _ in range(5):
            later = env.step(np.zeros(env.action_space.shape, np.float32))[0]["image/front"]
        assert np.abs(later[:6, :20].astype(int) - seen[:6, :20]).max() > 5


def test_a_barrel_shows_at_its_corner_what_lay_beyond_and_leaves_the_middle():
    frame = np.zeros((101, 101, 3), np.uint8)
    frame[50, 50] = 255
    cv2.circle(frame, (50, 50), 44, (255, 255, 255), 1)
    bent = Lens(0.2, 101, 101).bend(frame)
    assert bent[50, 50, 0] == 255
    # A ring at r comes from r (1 + k r^2), r = 1 in the corner: 44 px are seen at about 41.
    radius = np.flatnonzero(bent[50, 51:, 0] > 100)[0] + 1
    solved = next(r for r in np.arange(30, 44, 0.1) if r * (1 + 0.2 * (r / 71.4) ** 2) >= 44)
    assert radius == pytest.approx(solved, abs=1.5)


# --------------------------------------------------------------------------- the physics


def test_factors_multiply_the_physics_and_leave_what_the_cameras_clip():
    with opened(STRONG) as env, opened(None) as plain:
        told = env.reset(seed=0)[1]["variation"]
        plain.reset(seed=0)
        model, built = env.simulation.model, plain.simulation.model
        for factor, array in (
            ("friction", "geom_friction"),
            ("mass", "body_mass"),
            ("mass", "body_inertia"),
            ("gain", "actuator_gainprm"),
            ("gain", "actuator_biasprm"),
            ("damping", "dof_damping"),
            ("mass", "body_subtreemass"),  # derived
        ):
            expected = told[factor] * getattr(built, array)
            np.testing.assert_allclose(getattr(model, array), expected, rtol=1e-9)
        assert model.stat.extent == built.stat.extent
        assert model.body_subtreemass[0] > 1.19 * built.body_subtreemass[0]


def test_commands_arrive_as_late_as_was_drawn_and_the_replay_keeps_what_was_sent():
    commands = Commands(2, rate_hz := 10.0)
    commands.begin(draw(VariationConfig(action_delay_s=(0.2, 0.2)), 0, ()))
    sent = [np.full(2, value, np.float32) for value in (0.1, 0.2, 0.3, 0.4)]
    arrived = [float(commands.arrive(action)[0]) for action in sent]
    assert arrived == pytest.approx([0.0, 0.0, 0.1, 0.2])
    assert rate_hz == 10.0
    with opened(VariationConfig(action_delay_s=(0.1, 0.1))) as env:
        env.reset(seed=0)
        before = env.simulation.data.ctrl.copy()
        action = np.full(env.action_space.shape, 0.5, np.float32)
        info = env.step(action)[4]
        np.testing.assert_array_equal(info["applied_action"], action)
        np.testing.assert_allclose(env.simulation.data.ctrl, before, atol=2e-3)
        env.step(action)
        assert np.abs(env.simulation.data.ctrl - before).max() > 5e-3


def test_noise_on_commands_has_the_drawn_deviation():
    commands = Commands(4, 10.0)
    commands.begin(draw(VariationConfig(action_noise=(0.1, 0.1)), 0, ()))
    arrived = np.array([commands.arrive(np.zeros(4, np.float32)) for _ in range(2000)])
    assert arrived.std() == pytest.approx(0.1, rel=0.03)


def test_grain_has_the_drawn_deviation_and_another_place_in_every_frame():
    rng, grey = np.random.default_rng(0), np.full((84, 84, 3), 128, np.uint8)
    grain = Grain(6.0, grey.size)
    first, second = (grain.on(grey, rng).astype(float) - 128 for _ in range(2))
    assert first.std() == pytest.approx(6.0, rel=0.03)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_a_camera_delivers_as_late_as_was_drawn():
    with opened(VariationConfig(camera_delay_s=(0.2, 0.2))) as env:
        first = picture(env, 0)
        action = np.full(env.action_space.shape, 0.8, np.float32)
        frames = [env.step(action)[0]["image/front"] for _ in range(4)]
        np.testing.assert_array_equal(frames[0], first)
        assert (frames[3] != first).any()


# --------------------------------------------------------------------------------- clips


def test_training_and_evaluation_share_no_clip():
    seen, unseen = clips("", held_out=False), clips("", held_out=True)
    assert (len(seen), len(unseen)) == (16, 4)
    starts = {clip.at(0.0, 84, 84).tobytes() for clip in seen}
    assert not starts & {clip.at(0.0, 84, 84).tobytes() for clip in unseen}


def test_clips_come_from_a_folder_and_are_shown_there_and_back(tmp_path):
    for i, grey in enumerate((10, 200)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((50, 60, 3), grey, np.uint8))
    (photo,) = clips(str(tmp_path), held_out=False)
    assert photo.at(1.7, 84, 84).tolist() == np.full((84, 84, 3), 200).tolist()
    numbered = Clip(
        np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((2, 2, 3), np.uint8)
    )
    order = [int(numbered.at(k / RATE_HZ + 1e-3, 2, 2)[0, 0, 0]) for k in range(8)]
    assert order == [0, 1, 2, 3, 2, 1, 0, 1]
    assert made(3).shape == (FRAMES, 84, 84, 3)


# ---------------------------------------------------------------------------- bad inputs


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        ({"friction": (1.2, 0.8)}, "its minimum is above its maximum"),
        ({"mass": (1.0,)}, "a range has two numbers"),
        ({"light": (-0.1, 1.0)}, "cannot be below 0"),
    ],
)
def test_a_range_that_is_none_is_refused(variation, message):
    with pytest.raises(ConfigError, match=message):
        VariationConfig(**variation)


def test_a_folder_without_clips_is_refused(tmp_path):
    for folder, message in ((tmp_path, "has 0 videos and photos"), (tmp_path / "no", "no folder")):
        with (
            pytest.raises(ConfigError, match=message),
            opened(VariationConfig(background="sky", clips=str(folder))),
        ):
            pass


def test_a_robot_varies_by_itself():
    from robot_rl.envs.registry import open_env
    from robot_rl.envs.robot import DriverConfig, RobotConfig

    task = TaskConfig(cameras={"front": CameraSpec()}, variation=STRONG)
    robot = RobotConfig(arm=DriverConfig(driver="sim"))
    with pytest.raises(ConfigError, match=r"task\.variation is of simulations"):
        open_env(task, RenderConfig(), robot)


# ------------------------------------------------------------------------- the commands


def run(*arguments: Any) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def test_drawn_values_are_stored_with_collected_episodes_and_exported(tmp_path):
    from robot_rl.episodes.folder import EpisodesFolder

    out = tmp_path / "demos"
    size = ("task.image_size=32", "--episodes", 2, "--keep-failures")
    run("collect", "task=arm/reach", "variation=mild", *size, "--out", out)
    episodes = list(EpisodesFolder(out).episodes())
    told = [episode.variation for episode in episodes]
    assert len(told) == 2
    assert all(0.9 <= drawn["friction"] <= 1.1 for drawn in told)
    assert told[0] != told[1]
    run("episodes", "merge", out, "--out", tmp_path / "merged")
    assert [e.variation for e in EpisodesFolder(tmp_path / "merged").episodes()] == told
    run("episodes", "export", out, "--format", "robomimic", "--out", tmp_path / "d.hdf5")
    import h5py

    with h5py.File(tmp_path / "d.hdf5") as file:
        attributes: Any = file["data/demo_1"].attrs
        assert json.loads(attributes["variation"]) == told[1]
    run("episodes", "export", out, "--format", "lerobot", "--out", tmp_path / "set")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "set/meta/episodes/chunk-000/file-000.parquet")
    assert [json.loads(text) for text in table["variation"].to_pylist()] == told


def test_the_grid_and_the_overlay_are_drawn(tmp_path):
    shape = ("--rows", 2, "--columns", 3)
    run(
        "variation",
        "grid",
        "task=arm/lift",
        "variation=strong",
        *shape,
        "--out",
        tmp_path / "g.png",
    )
    drawn = cv2.imread(str(tmp_path / "g.png"))
    assert drawn is not None
    assert drawn.shape == (2 * 128 + 2, 3 * 128 + 4, 3)
    real = np.full((120, 160, 3), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "real.png"), real)
    source = ("--picture", tmp_path / "real.png", "--out", tmp_path / "o.png")
    run("variation", "overlay", "task=arm/lift", *source)
    laid = cv2.imread(str(tmp_path / "o.png"))
    assert laid is not None
    np.testing.assert_array_equal(laid[:, :160], real)
    assert (laid[:, 324:] == (0, 255, 0)).all(axis=-1).any()  # the simulated edges


def test_pictures_of_one_size_stand_in_rows():
    cells = [np.full((4, 5, 3), i, np.uint8) for i in range(3)]
    rows = grid(cells, columns=2)
    assert rows.shape == (10, 12, 3)
    assert (rows[6:, :5] == 2).all()
    assert (rows[6:, 7:] == 255).all()
    mixed = overlay(cells[0], np.full((4, 5, 3), 200, np.uint8), share=0.5)
    assert (mixed[:, 14:] == 100).all()
