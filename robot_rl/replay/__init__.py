"""Replay: frames stored once as uint8, sampled with vectorised indexing, journalled to disk."""

from robot_rl.replay.buffer import Replay, ReplayConfig

__all__ = ["Replay", "ReplayConfig"]
