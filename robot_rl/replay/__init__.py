"""Replay: frames stored once as uint8, drawn with vectorised indexing, journalled to disk."""

from robot_rl.replay.buffer import Replay
from robot_rl.replay.draws import Draws, Segments, Transitions

__all__ = ["Draws", "Replay", "Segments", "Transitions"]
