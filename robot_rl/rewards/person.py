"""A person who chooses: a web page that shows two clips and takes left, right, equal, neither."""

import asyncio
import base64
import logging
import queue
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from robot_rl.interventions.page_server import PageServer
from robot_rl.rewards.teachers import Choice, Question, Teacher

log = logging.getLogger(__name__)

_CHOICES: dict[str, Choice] = {"left": 1.0, "right": 0.0, "equal": 0.5, "neither": None}
_LARGEST_BYTES = 1024
_SHOWN_PX = 256


class PersonTeacher(Teacher):
    """Asks on a page of its own; a question waits for its answer however long that takes."""

    slow = True

    def __init__(self, port: int = 8091, host: str = "127.0.0.1") -> None:
        self._answers: queue.Queue[tuple[int, str]] = queue.Queue()
        self._now: dict[str, Any] = {}
        self._asked = 0
        self._closed = False
        routes = {
            ("GET", "/question"): self._question,
            ("POST", "/answer"): self._answer,
        }
        html = ("robot_rl.rewards", "choose.html")
        remedy = "task.reward_model.teaching.port=PORT"
        self._server = PageServer(html, routes, _LARGEST_BYTES, remedy, host, port)
        self._server.start()
        log.info("choose between two clips at  %s", self._server.url)

    @property
    def url(self) -> str:
        return self._server.url

    def choose(self, questions: Sequence[Question], task: str) -> list[Choice]:
        return [self._chosen(question, task) for question in questions]

    def close(self) -> None:
        """Nobody is asked any more."""
        self._closed = True
        self._answers.put((self._asked, "neither"))
        self._server.close()

    def _chosen(self, question: Question, task: str) -> Choice:
        if self._closed:
            return None
        self._asked += 1
        self._now = {
            "number": self._asked,
            "task": task,
            "clips": [[_jpeg(f) for f in clip] for clip in (question.first, question.second)],
        }
        number, said = self._answers.get()
        while number != self._asked:  # of a question before
            number, said = self._answers.get()
        self._now = {"number": 0, "task": task, "clips": []}
        return _CHOICES[said]

    async def _question(self, request: Any) -> Any:
        """What is asked now; number 0 where nothing is."""
        self._server.require_token(request)
        return self._server.web.json_response(self._now or {"number": 0})

    async def _answer(self, request: Any) -> Any:
        """Taken once, and of the question that is asked: a second click changes nothing."""
        self._server.require_token(request)
        self._server.require_origin(request)
        try:
            said = await request.json()
            number, choice = int(said["number"]), str(said["choice"])
        except (ValueError, KeyError, TypeError, asyncio.IncompleteReadError):
            raise self._server.web.HTTPBadRequest(text="no answer in that") from None
        if choice not in _CHOICES:
            raise self._server.web.HTTPBadRequest(text=f"choose one of {', '.join(_CHOICES)}")
        taken = bool(number) and number == self._now.get("number") and self._answers.empty()
        if taken:
            self._answers.put((number, choice))
        return self._server.web.json_response({"taken": taken})


def _jpeg(frame: np.ndarray) -> str:
    times = max(1, _SHOWN_PX // max(frame.shape[:2]))
    large = cv2.resize(frame, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    _, data = cv2.imencode(".jpg", large[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
