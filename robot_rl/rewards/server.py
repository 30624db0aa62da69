"""A vision-language model behind an OpenAI-compatible server: vLLM, llama.cpp, and others."""

import base64
import http.client
import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from robot_rl.errors import ConfigError, RewardUnavailableError
from robot_rl.rewards.cache import ContentCache, content_key

# What a message holds: sentences, and pictures uint8 [H, W, 3].
Part = str | np.ndarray

_PASSING = 408, 429  # refusals that pass
_LARGEST = 448  # pixels: a llama.cpp on a CPU takes minutes for more


@dataclass(frozen=True)
class Answer:
    """`text`, and for its first token the log-probabilities of the likeliest ones, by token."""

    text: str
    first_token: Mapping[str, float]


class ChatServer:
    """Asks one question at a time, at temperature 0, and again where the answer was no answer.

    `model` empty takes the first one that the server has. Answers are kept in `cache` by what was
    asked, where there is one.
    """

    def __init__(
        self,
        url: str,
        model: str = "",
        timeout_s: float = 60.0,
        tries: int = 3,
        pause_s: float = 1.0,
        cache: ContentCache | None = None,
    ) -> None:
        self.url, self._model = url.rstrip("/"), model
        self._timeout_s, self._tries, self._pause_s = timeout_s, tries, pause_s
        self._cache = cache

    @property
    def identity(self) -> str:
        """Raises `RewardUnavailableError` where the server has to be asked for it and is down."""
        return f"{self._resolved()}@{self.url}"

    def _resolved(self) -> str:
        """The model's name: the first one that the server has, where none was given."""
        if not self._model:
            self._model = str(self._tried(lambda: self._sent("/models", None)["data"][0]["id"]))
        return self._model

    def ask(self, parts: Sequence[Part], tokens: int = 256, likeliest: int = 0) -> Answer:
        """`likeliest` log-probabilities of the first token are asked for.

        Raises `RewardUnavailableError` where nobody answers, or nothing that can be read.
        """
        key = content_key(self.identity, str((tokens, likeliest)), *parts)
        known = None if self._cache is None else self._cache.get(key)
        if known is not None:
            return Answer(**json.loads(known))
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": [_content(part) for part in parts]}],
            "max_tokens": tokens,
            "temperature": 0,
        }
        if likeliest:
            body |= {"logprobs": True, "top_logprobs": likeliest}
        body = {"model": self._resolved(), **body}
        answer = self._tried(lambda: _read(self._sent("/chat/completions", body)["choices"][0]))
        if self._cache is not None:
            self._cache.put(key, json.dumps(vars(answer)).encode())
        return answer

    def _tried(self, ask: Callable[[], Any]) -> Any:
        trouble = ""
        for attempt in range(self._tries):
            if attempt:
                time.sleep(self._pause_s * 2 ** (attempt - 1))
            try:
                return ask()
            except urllib.error.HTTPError as error:
                trouble = f"HTTP {error.code} {error.reason}"
                if 400 <= error.code < 500 and error.code not in _PASSING:
                    raise self._refused(error) from error
            except OSError as error:  # refused, cut off, or silent for too long
                trouble = str(getattr(error, "reason", error)) or type(error).__name__
            except (ValueError, KeyError, IndexError, TypeError, EOFError) as error:
                trouble = f"an answer that cannot be read ({type(error).__name__}: {error})"
            except http.client.HTTPException as error:
                trouble = f"an answer that was cut off ({type(error).__name__})"
        raise RewardUnavailableError(
            f"the model server at {self.url} gave {trouble}. Start it (vllm serve MODEL, or "
            "llama-server -m MODEL --mmproj FILE), or give its address: the url setting."
        )

    def _refused(self, error: urllib.error.HTTPError) -> ConfigError:
        """Asking again would change nothing."""
        said = error.read(300).decode(errors="replace").strip()
        return ConfigError(
            f"the model server at {self.url} refuses what it is asked (HTTP {error.code} "
            f"{error.reason}): {said or 'without a word'}. Give it a model that it has and that "
            "sees pictures, or fewer of them: the settings model, moments."
        )

    def _sent(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
            return json.loads(response.read())


def probability_of(answer: Answer, yes: str, no: str) -> tuple[float, bool]:
    """P(yes) / (P(yes) + P(no)) of the first token, and whether either was among the likeliest.

    Spellings with other cases and blanks count together; one that is missing is less likely than
    the least likely one that was told.
    """
    chances = dict.fromkeys((yes, no), 0.0)
    for token, logarithm in answer.first_token.items():
        word = token.strip().lower()
        for wanted in chances:
            if word == wanted.lower() and math.isfinite(logarithm):
                chances[wanted] += math.exp(min(logarithm, 0.0))
    told = [x for x in answer.first_token.values() if math.isfinite(x)]
    floor = math.exp(min(told)) if told else 1e-6
    found = any(chances.values())
    either = {word: chance or min(floor, 1e-3) for word, chance in chances.items()}
    return either[yes] / (either[yes] + either[no]), found


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_png(part)}"}}


def _png(frame: np.ndarray) -> str:
    largest = max(frame.shape[:2])
    if largest > _LARGEST:
        share = _LARGEST / largest
        frame = cv2.resize(frame, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".png", frame[..., ::-1])
    return base64.b64encode(data.tobytes()).decode()


def _read(choice: Mapping[str, Any]) -> Answer:
    text = choice["message"]["content"]
    if not isinstance(text, str):
        raise ValueError("its content is no text")
    tokens = ((choice.get("logprobs") or {}).get("content") or [{}])[0]
    likeliest = tokens.get("top_logprobs") or []
    return Answer(text, {str(t["token"]): float(t["logprob"]) for t in likeliest})
