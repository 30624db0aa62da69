"""A model server, its moods, and the rewards that ask it."""

import math

import numpy as np
import pytest

from robot_rl.errors import ConfigError, RewardUnavailableError
from robot_rl.rewards.cache import ContentCache
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.rewards.server import Answer, ChatServer, probability_of
from robot_rl.rewards.server_scores import Gvl, Rating, TopReward, percents
from robot_rl.rewards.teachers import Question
from robot_rl.rewards.vlm_teacher import VlmTeacher, parse
from tests.rewards.model_server import ModelServer
from tests.rewards.seen import INTERFACE, STEPS, clip, picture

TASK = "the square is high"


@pytest.fixture
def server():
    served = ModelServer()
    yield served
    served.close()


def client(server: ModelServer, **settings) -> ChatServer:
    return ChatServer(server.url, pause_s=0.01, **{"timeout_s": 0.4, **settings})


@pytest.mark.parametrize("trouble", ["slow", "500", "cut", "json", "empty"])
def test_an_answer_that_fails_is_asked_for_again(server, trouble):
    server.trouble = [trouble, trouble]
    answer = client(server).ask([picture(0.5), "ANSWER"])
    assert answer.text.endswith("ANSWER: 3")
    assert len(server.asked) == 3
    assert server.asked[0]["model"] == "truthful"  # the first one that it has
    assert server.asked[0]["temperature"] == 0


@pytest.mark.parametrize(
    ("trouble", "words", "tries"),
    [
        ("slow", "timed out", 3),
        ("500", "HTTP 500", 3),
        ("cut", "IncompleteRead|cut off", 3),
        ("json", "cannot be read", 3),
        ("empty", "IndexError", 3),
    ],
)
def test_what_goes_on_failing_is_told_with_what_to_do(server, trouble, words, tries):
    server.trouble = [trouble] * 9
    with pytest.raises(RewardUnavailableError, match=words) as told:
        client(server).ask(["hello"])
    assert "or give its address" in str(told.value)
    assert len(server.asked) == tries


def test_a_refusal_is_told_at_once_with_its_reason(server):
    server.trouble = ["404"]
    with pytest.raises(ConfigError, match=r"refuses what it is asked \(HTTP 404") as told:
        client(server).ask(["hello"])
    assert "Give it a model that it has" in str(told.value)
    assert len(server.asked) == 1  # asking again changes nothing


def test_nobody_there():
    with pytest.raises(RewardUnavailableError, match=r"Connection refused.*vllm serve MODEL"):
        ChatServer("http://127.0.0.1:9/v1", "m", pause_s=0.01).ask(["hello"])


def test_what_was_answered_is_not_asked_again(server, tmp_path):
    question = [picture(0.25), "ANSWER"]
    for _ in range(2):  # another process, later
        cache = ContentCache(tmp_path / "said.sqlite")
        said = client(server, cache=cache).ask(question)
        cache.close()
    assert said.text.endswith("ANSWER: 2")
    assert len(server.asked) == 1


def test_large_pictures_are_made_smaller(server):
    seen = []
    server.say = lambda text, heights: seen.append(heights) or "ok"
    tall = np.zeros((1000, 500, 3), np.uint8)
    tall[:200, :200] = 255
    client(server).ask([tall])
    url = server.asked[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")
    assert len(url) < 8000


def test_probabilities_by_hand():
    spelt = Answer("x", {"True": math.log(0.5), " true": math.log(0.1), "FALSE": math.log(0.2)})
    assert probability_of(spelt, "True", "False") == (pytest.approx(0.6 / 0.8), True)
    # No "False" among the likeliest: no likelier than the least likely that was told.
    alone = Answer("x", {"True": math.log(0.9), "Maybe": math.log(0.0001)})
    chance, found = probability_of(alone, "True", "False")
    assert found
    assert chance == pytest.approx(0.9 / 0.9001)
    assert probability_of(Answer("x", {"Maybe": -0.1}), "True", "False") == (0.5, False)
    for broken in ({}, {"True": float("nan")}, {"True": float("-inf")}):
        assert probability_of(Answer("x", broken), "True", "False") == (0.5, False)
    assert probability_of(Answer("x", {"True": 3.0}), "True", "False")[0] <= 1.0  # a wrong one


@pytest.mark.parametrize("kind", [TopReward, Gvl, Rating])
def test_progress_is_what_the_model_sees(server, kind):
    model = kind(INTERFACE, server.url, moments=5)
    good, bad = model.score(clip(), TASK), model.score(clip(0.4), TASK)
    np.testing.assert_allclose(good.progress[[0, 6, 12]], [0.0, 0.5, 1.0], atol=0.06)
    assert bad.progress[-1] == pytest.approx(0.4, abs=0.11)
    assert rank_correlation(good.progress, np.arange(STEPS + 1)) > 0.9
    assert "truthful" in model.identity
    assert TASK in str(server.asked[0])


def test_a_server_without_log_probabilities_has_its_word_taken(server):
    server.say = lambda text, seen: "True" if seen[-1] > 0.9 else "False."
    progress = TopReward(INTERFACE, server.url, moments=3).score(clip(), TASK).progress
    assert progress[[0, 6, 12]].tolist() == [0.0, 0.0, 1.0]


def test_pictures_that_the_model_forgot_lie_between_the_others(server):
    def forgetful(text: str, seen: list[float]) -> str:
        low, high = int(np.argmin(seen[1:])) + 1, int(np.argmax(seen[1:])) + 1
        return f'[{{"picture": {low}, "percent": 0}}, {{"picture": {high}, "percent": 100}}]'

    server.say = forgetful
    progress = Gvl(INTERFACE, server.url, moments=3).score(clip(), TASK).progress
    np.testing.assert_allclose(progress, np.linspace(0, 1, STEPS + 1), atol=1e-6)


def test_percentages_are_read_out_of_words():
    assert percents('so: [{"picture": 2, "percent": "140"}] ok', 2).tolist()[1] == 100.0
    for text in ("", "none", "[broken", '[{"picture": 9, "percent": 1}]', '[{"frame": 1}]', "[3]"):
        assert np.isnan(percents(text, 2)).all()


def test_a_model_chooses_in_two_stages(server):
    def question(a: float, b: float) -> Question:
        return Question(picture(a)[None], picture(b)[None])

    teacher = VlmTeacher(client(server))
    asked = [question(0.9, 0.1), question(0.1, 0.9), question(0.5, 0.5)]
    assert teacher.choose(asked, TASK) == [1.0, 0.0, None]
    assert len(server.asked) == 6
    second = server.asked[1]["messages"][0]["content"]
    assert [part["type"] for part in second] == ["text"]  # its own words alone
    assert "The first is at" in second[0]["text"]
    server.say = lambda text, seen: "I would rather not say."
    assert teacher.choose(asked[:1], TASK) == [None]


def test_verdicts_are_read_from_the_last_line():
    said = ["0", "Both...\n1\n", "-1.", "**1**", "10", "the first", "0 or 1", ""]
    assert [parse(text) for text in said] == [0, 1, -1, 1, None, None, None, None]
