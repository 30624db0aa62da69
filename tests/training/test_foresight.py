"""The film of what a model expected to see."""

from typing import Any

import av
import numpy as np

from robot_rl.training.foresight import CONTEXT_STEPS, FILMED_STEPS, Recording, prediction_film
from tests.training.tiny_run import TINY, run_cli

BANNER, SIDE = 32, 128
GREEN, ORANGE = (47, 191, 113), (245, 165, 36)


class AlwaysDark:
    """Expects to see a frame of 40 everywhere."""

    def foresee(self, seen: Any, applied: np.ndarray, context: int) -> dict[str, np.ndarray]:
        assert context == min(CONTEXT_STEPS, len(applied))
        assert len(seen) == len(applied) + 1
        return {"image/front": np.full((len(seen), 16, 16, 3), 40, np.uint8)}


def recording(steps: int) -> Recording:
    recorded = Recording()
    recorded.add({"image/front": np.full((16, 16, 3), 100, np.uint8)})
    for _ in range(steps):
        recorded.add({"image/front": np.full((16, 16, 3), 100, np.uint8)}, np.zeros(2))
    return recorded


def film_of(steps: int) -> list[np.ndarray]:
    return prediction_film(AlwaysDark(), recording(steps))


def test_true_imagined_and_difference_stand_side_by_side():
    film = film_of(9)
    assert len(film) == 10
    assert film[0].shape == (BANNER + SIDE, 3 * SIDE, 3)
    for column, value in enumerate((100, 40, 60)):
        part = film[7][BANNER:, column * SIDE : (column + 1) * SIDE]
        assert (part == value).all()


def test_the_banner_says_from_where_on_it_imagines():
    film = film_of(9)
    colours = [tuple(int(x) for x in frame[1, 200]) for frame in film]
    assert colours == [GREEN] * CONTEXT_STEPS + [ORANGE] * (10 - CONTEXT_STEPS)


def test_of_a_short_episode_the_last_frame_at_least_is_imagined():
    colours = [tuple(int(x) for x in frame[1, 200]) for frame in film_of(3)]
    assert colours == [GREEN] * 3 + [ORANGE]


def test_a_long_episode_is_filmed_at_its_beginning():
    recorded = recording(3 * FILMED_STEPS)
    assert len(recorded.applied) == FILMED_STEPS
    assert len(recorded.seen) == FILMED_STEPS + 1


def test_who_draws_nothing_gets_no_film():
    assert prediction_film(object(), recording(9)) == []  # type: ignore[arg-type]
    assert prediction_film(AlwaysDark(), Recording()) == []  # type: ignore[arg-type]


def test_every_evaluation_of_a_run_leaves_one(tmp_path):
    settings = ("agent=dreamer", "agent.segment_length=8", "agent.imagined=3", "steps=40")
    run = run_cli(
        "train", *TINY, *settings, f"run_dir={tmp_path}", "eval_every_steps=30", "video=true"
    )
    assert run.returncode == 0, run.stderr
    films = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*-prediction.mp4"))
    names = [str(path) for path in films]
    assert names[0] == "policy-prediction.mp4"
    assert names[1:] == [
        "videos/step-000000000-prediction.mp4",
        "videos/step-000000030-prediction.mp4",
    ]
    with av.open(str(tmp_path / films[0])) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert 1 < len(frames) <= FILMED_STEPS + 1
    assert frames[0].shape == (BANNER + 2 * SIDE, 3 * SIDE, 3)
