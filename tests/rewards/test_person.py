"""The page that asks a person: a browser that knows the truth answers, and what it must not do."""

import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

from robot_rl.errors import HardwareError
from robot_rl.rewards.person import PersonTeacher
from robot_rl.rewards.teachers import Question
from tests.rewards.seen import picture


@pytest.fixture
def teacher():
    asks = PersonTeacher(port=0)
    yield asks
    asks.close()


def clips(a: float, b: float) -> Question:
    return Question(*(np.stack([picture(h), picture(h)]) for h in (a, b)))


def asked_beside(
    teacher: PersonTeacher, questions: list[Question]
) -> tuple[threading.Thread, list]:
    said: list = []
    ask = threading.Thread(target=lambda: said.extend(teacher.choose(questions, "up")))
    ask.start()
    return ask, said


def post(teacher: PersonTeacher, body: object, origin: str = "") -> dict:
    base, _, token = teacher.url.partition("/?")
    request = urllib.request.Request(f"{base}/answer?{token}", json.dumps(body).encode())
    request.add_header("Origin", origin or base)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def test_a_browser_that_knows_the_truth(browser, teacher):
    """Clicks and keys in Chromium: left, right, alike, cannot say."""
    ask, said = asked_beside(
        teacher, [clips(0.9, 0.1), clips(0.1, 0.9), clips(0.5, 0.5), clips(0.2, 0.3)]
    )
    page = browser.new_page()
    page.goto(teacher.url)
    for number, press in enumerate(("left", "right", "ArrowDown", "ArrowUp")):
        page.get_by_text(f"question {number + 1}", exact=True).wait_for()
        if press.startswith("Arrow"):
            page.keyboard.press(press)
        else:
            page.click(f"[data-say={press}]")
    page.get_by_text("waiting for a question").wait_for()
    page.close()
    ask.join(10)
    assert said == [1.0, 0.0, 0.5, None]


def test_an_answer_counts_once_and_for_its_own_question(teacher):
    ask, said = asked_beside(teacher, [clips(1, 0), clips(0, 1)])
    first = {"number": 1, "choice": "left"}
    while not post(teacher, first)["taken"]:
        pass  # until it is asked
    assert post(teacher, first) == {"taken": False}  # a second click
    assert post(teacher, {"number": 7, "choice": "left"}) == {"taken": False}
    while not post(teacher, {"number": 2, "choice": "equal"})["taken"]:
        pass
    ask.join(10)
    assert said == [1.0, 0.5]


def test_strangers_and_nonsense_are_refused(teacher):
    base = teacher.url.partition("/?")[0]
    for address in (f"{base}/?token=wrong", f"{base}/question"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address, timeout=5)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        post(teacher, {"number": 1, "choice": "left"}, origin="http://elsewhere")
    for body in ({"number": 1, "choice": "up"}, {"number": "x", "choice": "left"}, [1]):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(teacher, body)


def test_who_waits_is_let_go_when_the_run_ends(teacher):
    ask, said = asked_beside(teacher, [clips(1, 0), clips(0, 1)])
    while not teacher._now:
        pass
    teacher.close()
    ask.join(10)
    assert said == [None, None]


def test_a_port_that_is_taken(teacher):
    port = int(teacher.url.partition("/?")[0].rpartition(":")[2])
    with pytest.raises(HardwareError, match=r"task\.reward_model\.teaching\.port=PORT"):
        PersonTeacher(port=port)
