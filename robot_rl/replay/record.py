"""One record of the journal as bytes.

A record is a header (magic, payload length, CRC-32, kind, flags, reward, segment, stamp) and a
zlib-compressed payload: the action applied, the policy's and the human's own (NaN where there was
none), proprio and frames, as the interface lays them out.
"""

import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from robot_rl.errors import CorruptFileError
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, SOURCES, Interface, Observation

BEGIN, STEP, DISCARD = 0, 1, 2
_HEADER = struct.Struct("<4sIIBBfId")
_META = struct.Struct("<BBfId")  # from the kind on: what the checksum covers as well
_MAGIC = b"RRL2"
_TERMINATED, _TRUNCATED = 1, 2
_SOURCE_SHIFT = 2  # the flags' upper bits: who chose the action


@dataclass(frozen=True)
class Raw:
    """A record whose checksum held. `size` bytes on disk; `payload` is unpacked."""

    kind: int
    flags: int
    reward: float
    segment: int
    stamp_s: float
    payload: bytes
    size: int


def encode(kind: int, step: Step | None, obs: Observation | None, interface: Interface) -> bytes:
    payload = zlib.compress(b"".join(_parts(step, obs, interface)), 1)
    meta = _META.pack(kind, 0, 0.0, 0, math.nan)
    if step is not None:
        meta = _META.pack(kind, _flags(step), step.reward, step.segment, step.stamp_s)
    return struct.pack("<4sII", _MAGIC, len(payload), zlib.crc32(meta + payload)) + meta + payload


def read_raw(data: bytes, place: int) -> Raw | None:
    """The record at byte `place`, or None where the file ends within it.

    Raises `ValueError` for one that is whole and wrong: that is damage, not a killed process.
    """
    # A file system may leave zeros where the last write did not arrive.
    if place + _HEADER.size > len(data) or not any(data[place:]):
        return None
    magic, length, crc, kind, flags, reward, segment, stamp_s = _HEADER.unpack_from(data, place)
    meta = _META.pack(kind, flags, reward, segment, stamp_s)
    if magic != _MAGIC:
        raise ValueError(f"no record begins there ({magic!r}); another version may have written it")
    payload = data[place + _HEADER.size : place + _HEADER.size + length]
    at_end = place + _HEADER.size + length >= len(data)
    if len(payload) < length or zlib.crc32(meta + payload) != crc:
        if at_end:
            return None
        raise ValueError("a record fails its checksum, and others follow it")
    size = _HEADER.size + length
    return Raw(kind, flags, reward, segment, stamp_s, zlib.decompress(payload), size)


def decode(raw: Raw, interface: Interface, where: str) -> tuple[Step | None, Observation]:
    """(None, first observation) opens an episode. Raises `CorruptFileError` for other layouts."""
    actions = 3 * 4 * interface.action_size * (raw.kind == STEP)
    sizes = [actions, 4 * interface.proprio_size]
    sizes += [3 * camera.height * camera.width for camera in interface.cameras]
    if sum(sizes) != len(raw.payload):
        raise CorruptFileError(
            f"the records in {where} hold {len(raw.payload)} bytes where the interface needs "
            f"{sum(sizes)}: they were written by another task. Use a new folder."
        )
    chunks = np.split(np.frombuffer(raw.payload, np.uint8), np.cumsum(sizes)[:-1])
    obs: Observation = {
        camera.key: chunk.reshape(camera.height, camera.width, 3)
        for camera, chunk in zip(interface.cameras, chunks[2:], strict=True)
    }
    if interface.proprio:
        obs[PROPRIO] = chunks[1].view(np.float32)
    return (_step(raw, chunks[0].view(np.float32)) if raw.kind == STEP else None), obs


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
