"""Progress of a whole video from a vision-language model behind a server: three ways of asking."""

import json
import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robot_rl.rewards.cache import ContentCache
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.rewards.server import ChatServer, Part, probability_of
from robot_rl.types import Interface

_URL = "http://127.0.0.1:8000/v1"


class _Asked(RewardModel):
    """`moments` of an episode, evenly spread with its first and last, are scored by asking; what
    lies between them is interpolated."""

    sees, reads = "episode", True

    def __init__(
        self,
        interface: Interface,
        url: str = _URL,
        model: str = "",
        moments: int = 8,
        camera: str = "",
        timeout_s: float = 60.0,
        cache: str = "",
    ) -> None:
        self._key, self._moments = camera_key(interface, camera), moments
        kept = ContentCache(Path(cache)) if cache else None
        self._server = ChatServer(url, model, timeout_s, cache=kept)

    @property
    def identity(self) -> str:
        return f"{type(self).__name__}/{self._key}/{self._server.identity}/{self._moments}"

    def score(self, clip: Clip, task: str) -> Scores:
        frames = frames_of(clip, self._key)
        places = np.unique(np.linspace(0, len(frames) - 1, self._moments).round().astype(int))
        said = self._said([frames[: place + 1] for place in places], task)
        progress = np.interp(np.arange(len(frames)), places, said).astype(np.float32)
        return Scores.of_progress(progress)

    @abstractmethod
    def _said(self, videos: Sequence[np.ndarray], task: str) -> np.ndarray:
        """Of each video so far, uint8 [t, H, W, 3]."""


class TopReward(_Asked):
    """The chance of the answer True to: does this video complete the task? (TOPReward, 2602.19313)

    Where a server tells no log-probabilities its word alone counts, 1 or 0.
    """

    shown = 8  # pictures of a video

    def _said(self, videos: Sequence[np.ndarray], task: str) -> np.ndarray:
        return np.array([self._chance(video, task) for video in videos])

    def _chance(self, video: np.ndarray, task: str) -> float:
        asked = (
            f"The above video shows a robot that does the following task: {task}. Decide whether "
            "that is completed. Answer with one word, True or False."
        )
        answer = self._server.ask([*_spread(video, self.shown), asked], tokens=1, likeliest=20)
        chance, found = probability_of(answer, "True", "False")
        return chance if found else float(answer.text.strip().lower().startswith("true"))


class Gvl(_Asked):
    """Percentages of pictures in an order that was mixed (GVL, Ma et al. 2024, arXiv:2411.04549).

    Mixed, or the model would count upwards without looking. A picture it leaves out lies between
    its neighbours.
    """

    def _said(self, videos: Sequence[np.ndarray], task: str) -> np.ndarray:
        frames = [video[-1] for video in videos]
        order = np.random.default_rng(len(frames)).permutation(len(frames))
        parts: list[Part] = [
            f"You judge how far a robot's task is: {task}. The first picture shows the scene "
            "before anything was done: 0 percent.",
            frames[0],
            "The following pictures are in random order.",
        ]
        for number, place in enumerate(order, 1):
            parts += [f"Picture {number}:", frames[place]]
        parts.append(
            "Give for each picture how far the task is in percent, as JSON alone: "
            '[{"picture": 1, "percent": 0}, ...]'
        )
        percent = percents(self._server.ask(parts, tokens=32 * len(frames)).text, len(frames))
        said = np.full(len(frames), np.nan)
        said[order] = percent / 100.0
        known = np.flatnonzero(~np.isnan(said))
        if not len(known):
            return np.zeros(len(frames))
        return np.interp(np.arange(len(frames)), known, said[known])


class Rating(_Asked):
    """1 to 5 points for a video (RoboReward, 2601.00675); 5 is success."""

    shown = 8

    def _said(self, videos: Sequence[np.ndarray], task: str) -> np.ndarray:
        return np.array([self._points(video, task) for video in videos])

    def _points(self, video: np.ndarray, task: str) -> float:
        asked = (
            f"The pictures show a robot that shall do this: {task}. How far is it? 1: nothing of "
            "it, 2: hardly begun, 3: about half, 4: nearly, 5: done. Answer with ANSWER: <points>."
        )
        text = self._server.ask([*_spread(video, self.shown), asked], tokens=64).text
        found = re.findall(r"ANSWER:\s*([1-5])\b", text, re.IGNORECASE) or re.findall(
            r"\b([1-5])\b", text
        )
        return (int(found[-1]) - 1) / 4.0 if found else 0.0


def percents(text: str, pictures: int) -> np.ndarray:
    """[pictures] in [0, 100]; NaN where `text`, JSON with words around it, tells nothing of one."""
    said = np.full(pictures, np.nan)
    match = re.search(r"\[.*\]", text, re.DOTALL)
    try:
        rows = json.loads(match[0]) if match else []
    except ValueError:
        rows = []
    for row in rows:
        try:
            number, percent = int(row["picture"]), float(row["percent"])
        except (KeyError, TypeError, ValueError):
            continue
        if 1 <= number <= pictures:
            said[number - 1] = min(max(percent, 0.0), 100.0)
    return said


def _spread(video: np.ndarray, most: int) -> list[np.ndarray]:
    """At most so many of its pictures, its first and its last among them."""
    places = np.unique(np.linspace(0, len(video) - 1, most).round().astype(int))
    return [video[place] for place in places]
