"""A vision-language model that chooses between two pictures, in two stages (RL-VLM-F)."""

import re
from collections.abc import Sequence

from robot_rl.rewards.server import ChatServer
from robot_rl.rewards.teachers import Choice, Question, Teacher

_DESCRIBE = """These are two pictures of the same scene at different moments. The goal is: {goal}.
1. What does the first picture show?
2. What does the second picture show?
3. Is there any difference between the two with regard to the goal?"""
_DECIDE = """Somebody described two pictures like this:
{said}
Judged by this text, in which of them is the goal better achieved: {goal}?
Reply with a single line: 0 for the first picture, 1 for the second one, or -1 where the text is
unsure or there is no difference."""
_TRIES = 3  # for an answer that names none of the three


class VlmTeacher(Teacher):
    """Looks first and decides then, from its own words alone: better than at once (section 4.1).

    Of a clip it sees the last picture. An unsure answer, or none that can be read, says nothing.
    """

    slow = True

    def __init__(self, server: ChatServer) -> None:
        self._server = server

    def choose(self, questions: Sequence[Question], task: str) -> list[Choice]:
        return [self._chosen(question, task) for question in questions]

    def _chosen(self, question: Question, task: str) -> Choice:
        first, second = question.first[-1], question.second[-1]
        described = _DESCRIBE.format(goal=task)
        said = self._server.ask(["The first picture:", first, "The second:", second, described])
        decide = _DECIDE.format(said=said.text, goal=task)
        for attempt in range(_TRIES):
            # Another wording of the request, or the same words would get the same answer.
            answer = self._server.ask([decide + "\n" * attempt], tokens=8)
            verdict = parse(answer.text)
            if verdict is not None:
                return {0: 1.0, 1: 0.0}.get(verdict)
        return None


def parse(text: str) -> int | None:
    """0, 1 or -1, alone on the last line that has anything on it; None where there is no such."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    match = re.fullmatch(r"[^\w-]*(-1|0|1)\W*", lines[-1]) if lines else None
    return None if match is None else int(match[1])
