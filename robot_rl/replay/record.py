"""One record of the journal as bytes.

Its header has kind, flags, reward, segment and stamp; its payload, compressed by zlib, the action
applied, the policy's and the human's own (NaN where there was none), proprio and frames, as the
interface lays them out.
"""

import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from robot_rl.errors import CorruptFileError
from robot_rl.replay.checked import Layout
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, SOURCES, Interface, Observation

BEGIN, STEP, DISCARD = 0, 1, 2
LAYOUT = Layout(
    magic=b"RRL2",
    meta=struct.Struct("<BBfId"),
    remedy="Restore it from a backup, or move the folder away to continue without old data.",
)
_TERMINATED, _TRUNCATED = 1, 2
_SOURCE_SHIFT = 2  # the flags' upper bits: who chose the action


@dataclass(frozen=True)
class Raw:
    """A record whose checksum held, still packed."""

    kind: int
    flags: int
    reward: float
    segment: int
    stamp_s: float
    payload: bytes

    @property
    def ends_episode(self) -> bool:
        return bool(self.flags & (_TERMINATED | _TRUNCATED))


def encode(kind: int, step: Step | None, obs: Observation | None, interface: Interface) -> bytes:
    payload = zlib.compress(b"".join(_parts(step, obs, interface)), 1)
    if step is None:
        return LAYOUT.pack((kind, 0, 0.0, 0, math.nan), payload)
    meta = (kind, _flags(step), step.reward, step.segment, step.stamp_s)
    return LAYOUT.pack(meta, payload)


def decode(raw: Raw, interface: Interface, where: str) -> tuple[Step | None, Observation]:
    """(None, first observation) opens an episode. Raises `CorruptFileError` for other layouts."""
    actions = 3 * interface.action_size * (raw.kind == STEP)
    numbers = actions + interface.proprio_size
    size = 4 * numbers + sum(3 * camera.height * camera.width for camera in interface.cameras)
    payload = zlib.decompress(raw.payload, bufsize=size)
    if size != len(payload):
        raise CorruptFileError(
            f"the records in {where} hold {len(payload)} bytes where the interface needs "
            f"{size}: they were written by another task. Use a new folder."
        )
    obs: Observation = {}
    place = 4 * numbers
    for camera in interface.cameras:
        shape = (camera.height, camera.width, 3)
        obs[camera.key] = np.ndarray(shape, np.uint8, payload, place)
        place += 3 * camera.height * camera.width
    flat = np.frombuffer(payload, np.float32, numbers)
    if interface.proprio:
        obs[PROPRIO] = flat[actions:]
    return (_step(raw, flat[:actions]) if raw.kind == STEP else None), obs


def _parts(step: Step | None, obs: Observation | None, interface: Interface) -> list[bytes]:
    parts: list[bytes] = []
    if step is not None:
        nobody = np.full(interface.action_size, np.nan, np.float32)
        actions = (step.action, step.policy_action, step.human_action)
        parts += [np.asarray(nobody if a is None else a, np.float32).tobytes() for a in actions]
    if obs is not None:
        parts += [obs[PROPRIO].tobytes()] if interface.proprio else []
        parts += [np.ascontiguousarray(obs[c.key]).tobytes() for c in interface.cameras]
    return parts


def _flags(step: Step) -> int:
    ends = _TERMINATED * step.terminated + _TRUNCATED * step.truncated
    return ends | SOURCES.index(step.source) << _SOURCE_SHIFT


def _step(raw: Raw, actions: np.ndarray) -> Step:
    action, policy, human = actions.reshape(3, -1)
    return Step(
        action=action,
        reward=raw.reward,
        terminated=bool(raw.flags & _TERMINATED),
        truncated=bool(raw.flags & _TRUNCATED),
        source=SOURCES[raw.flags >> _SOURCE_SHIFT],
        policy_action=None if np.isnan(policy).any() else policy,
        human_action=None if np.isnan(human).any() else human,
        segment=raw.segment,
        stamp_s=raw.stamp_s,
    )
