"""Encoders by name: `pixels`, `effnet_lite0`, `sim_clip:FOLDER`, `hf:NAME` ... Imports no torch."""

from functools import lru_cache
from typing import Any

from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins

# An entry point names a class or a function that is called with the text after the colon, empty
# where there is none, and returns a `FrameEncoder`.
ENCODERS = Plugins(
    "encoder",
    "robot_rl.reward_encoders",
    {
        "effnet_lite0": "robot_rl.rewards.encoders.imagenet:pooled",
        "effnet_lite0_map": "robot_rl.rewards.encoders.imagenet:mapped",
        "hf": "robot_rl.rewards.encoders.hub:hugging_face",
        "open_clip": "robot_rl.rewards.encoders.hub:OpenClip",
        "pixels": "robot_rl.rewards.encoders.pixels:Pixels",
        "rapl": "robot_rl.rewards.encoders.rapl:RaplEncoder",
        "run": "robot_rl.rewards.encoders.own:OwnEncoder",
        "sim_clip": "robot_rl.rewards.encoders.sim_clip:load",
    },
)


@lru_cache(maxsize=4)
def make_encoder(spec: str) -> Any:
    """The `FrameEncoder` that `spec`, NAME or NAME:OF_WHAT, stands for; one for all who ask."""
    name, _, of_what = spec.partition(":")
    return ENCODERS.load(name)(of_what)


def make_image_text_encoder(spec: str) -> Any:
    """The same where sentences are read, too. Raises `ConfigError` for one that sees alone."""
    encoder = make_encoder(spec)
    if not hasattr(encoder, "encode_text"):
        raise ConfigError(
            f"the encoder '{spec}' reads no sentences. Take sim_clip:FOLDER, open_clip:NAME, or "
            "hf:NAME of a model that has text."
        )
    return encoder
