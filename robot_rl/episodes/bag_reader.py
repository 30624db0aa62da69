"""A recorded bag as an episode of observations and applied actions, aligned by header stamps."""

import dataclasses
import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hardware.announced import RobotFeatures
from hardware.arm import ArmFeatures, ArmState
from hardware.proprio import ProprioReader
from hardware.ros_messages import StateAssembler, to_image, to_jpeg_image, to_seconds
from robot_rl.axes import Vector, hold_command
from robot_rl.deploy.actions import ActionMap
from robot_rl.envs.frames import fit
from robot_rl.episodes.bags import custom_data, require_rosbags, typestore
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import CorruptFileError, HardwareError
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, SOURCES, TCP_POS_FROM_START, Interface, Observation

STATE_TOPICS = {"joints": "/joint_states", "pose": "/tcp_pose", "twist": "/tcp_twist"}
STEP_TOPIC = "/safety/step"
_MAX_SKEW_S = 0.05
_REST_M_S = 0.02


@dataclass
class Recording:
    """`obs` has one more entry than `steps`. `gaps` counts periods without a usable frame."""

    obs: list[Observation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    gaps: int = 0
    success: bool | None = None

    def episode(self) -> StoredEpisode:
        return StoredEpisode("", self.obs, self.steps)


class _Applied(NamedTuple):
    """A command, where the axes stood when it was given, whose it was, and the policy's wish."""

    stamp_s: float
    command: Vector
    position: Vector
    source: str
    wish: Vector | None = None


@dataclass
class _Messages:
    """What a bag holds, each list in the order of its header stamps."""

    frames: dict[str, list[tuple[float, np.ndarray]]] = field(default_factory=dict)
    states: list[ArmState] = field(default_factory=list)
    applied: list[_Applied] = field(default_factory=list)

    def pacing_s(self, interface: Interface) -> list[float]:
        """Stamps of the first camera's frames, of the arm's states where there is no camera."""
        if not interface.cameras:
            return [state.stamp_s for state in self.states]
        return [stamp_s for stamp_s, _ in self.frames.get(interface.cameras[0].name, [])]

    def first_command_s(self) -> float:
        return next((told.stamp_s for told in self.applied if told.source != "nobody"), np.inf)


def read_recording(bag: Path, interface: Interface, cameras: Mapping[str, str]) -> list[Recording]:
    """The episode in `bag`, cut in two wherever a control period has no frame.

    `cameras` gives the namespace of each camera of `interface`. Raises `CorruptFileError` where
    the bag is unfinished, lacks a topic or what its arm is, or lacks the start that a relative
    frame counts from.
    """
    require_rosbags()
    noted = custom_data(bag)
    arm = _arm(bag, noted)
    messages = _read(bag, interface, cameras, arm)
    if any(field.name == TCP_POS_FROM_START for field in interface.proprio):
        _require_rest(messages, bag)
    recordings = _align(messages, interface, arm)
    success = {"true": True, "false": False}.get(noted.get("success", ""))
    for recording in recordings:
        _finish(recording, success if recording is recordings[-1] else None)
    return recordings


def _arm(bag: Path, noted: Mapping[str, str]) -> ArmFeatures:
    """What the recorder heard the arm say of itself."""
    try:
        return RobotFeatures.from_json(json.loads(noted.get("robot", "null"))).arm
    except (ValueError, HardwareError) as error:
        raise CorruptFileError(
            f"{bag} does not say which arm it is of: the recorder had not heard /arm/features."
        ) from error


def _read(
    bag: Path, interface: Interface, cameras: Mapping[str, str], arm: ArmFeatures
) -> _Messages:
    from rosbags.rosbag2 import Reader, ReaderError

    store, found = typestore(), _Messages()
    assembler = StateAssembler(arm)
    try:
        with Reader(bag) as reader:
            readers = _handlers(set(reader.topics), bag, interface, cameras, found, assembler)
            wanted = [c for c in reader.connections if c.topic in readers]
            for connection, _, raw in reader.messages(connections=wanted):
                message = store.deserialize_cdr(raw, connection.msgtype)
                readers[connection.topic](message)
    except (ReaderError, OSError, ValueError) as error:
        raise CorruptFileError(f"{bag} cannot be read to its end: {error}") from error
    for frames in found.frames.values():
        frames.sort(key=lambda pair: pair[0])
    found.states.sort(key=lambda state: state.stamp_s)
    found.applied.sort(key=lambda told: told.stamp_s)
    return found


def _handlers(
    topics: set[str],
    bag: Path,
    interface: Interface,
    cameras: Mapping[str, str],
    found: _Messages,
    assembler: StateAssembler,
) -> dict[str, Any]:
    """What to do with a message of each topic."""
    handlers: dict[str, Any] = {}

    def see(name: str, decode: Any, message: Any) -> None:
        camera = next(c for c in interface.cameras if c.name == name)
        image = fit(decode(message), camera)
        frames = found.frames.setdefault(name, [])
        frames.append((to_seconds(message.header.stamp), np.array(image)))

    for camera in interface.cameras:
        raw = f"{cameras[camera.name]}/image_raw"
        topic, decode = (raw, to_image) if raw in topics else (f"{raw}/compressed", to_jpeg_image)
        handlers[topic] = lambda m, n=camera.name, d=decode: see(n, d, m)
    for kind, topic in STATE_TOPICS.items():
        handlers[topic] = lambda m, k=kind: _keep_state(assembler.offer(k, m), found)
    handlers[STEP_TOPIC] = lambda m: found.applied.append(_applied(m))
    missing = sorted(set(handlers) - topics)
    if missing:
        raise CorruptFileError(
            f"{bag} has no messages on {', '.join(missing)}; it holds {', '.join(sorted(topics))}."
        )
    return handlers


def _keep_state(state: ArmState | None, found: _Messages) -> None:
    if state is not None:
        found.states.append(state)


def _applied(message: Any) -> _Applied:
    status = message.status[0]
    values = {pair.key: pair.value for pair in status.values}
    command, position = (tuple(map(float, values[key].split())) for key in ("applied", "position"))
    wish = tuple(map(float, values.get("proposed/policy", "").split()))
    source = status.message if status.message in SOURCES else "nobody"
    return _Applied(to_seconds(message.header.stamp), command, position, source, wish or None)


def _require_rest(messages: _Messages, bag: Path) -> None:
    """A recording that begins in the middle of a motion does not know where its episode began."""
    place = bisect_right(messages.states, messages.first_command_s(), key=lambda s: s.stamp_s)
    before = messages.states[:place]
    if not before or max(map(abs, before[-1].tcp_vel_m_s)) > _REST_M_S:
        raise CorruptFileError(
            f"{bag} begins in the middle of a motion, and the policy counts {TCP_POS_FROM_START} "
            "from the start of the episode. Start recording before the first command."
        )


# ------------------------------------------------------------------- alignment


def _align(messages: _Messages, interface: Interface, arm: ArmFeatures) -> list[Recording]:
    mapping, reader = ActionMap(interface, arm.axes), ProprioReader(interface.proprio)
    first_command_s = messages.first_command_s()
    period_s = 1.0 / interface.control_rate_hz
    recordings = [Recording()]
    last_s = -np.inf
    for stamp_s in messages.pacing_s(interface):
        if stamp_s - last_s < 0.75 * period_s:
            continue
        if stamp_s <= first_command_s:
            reader.begin_episode()
        obs = _observation(messages, interface, reader, stamp_s)
        if obs is None or stamp_s - last_s > 1.5 * period_s:
            recordings[-1].gaps += bool(recordings[-1].obs)
            recordings.append(Recording())
        elif recordings[-1].obs:
            applied = _within(messages.applied, last_s, stamp_s) or _held(messages, arm, stamp_s)
            recordings[-1].steps.append(_step(applied, mapping, stamp_s))
        last_s = stamp_s
        if obs is not None:
            recordings[-1].obs.append(obs)
    trimmed = (_without_idle_ends(recording) for recording in recordings)
    return [recording for recording in trimmed if recording.steps]


def _observation(
    messages: _Messages, interface: Interface, reader: ProprioReader, stamp_s: float
) -> Observation | None:
    obs: Observation = {}
    for camera in interface.cameras:
        frame = _nearest(messages.frames.get(camera.name, []), stamp_s, lambda pair: pair[0])
        if frame is None:
            return None
        obs[camera.key] = frame[1]
    if interface.proprio:
        state = _nearest(messages.states, stamp_s, lambda state: state.stamp_s)
        if state is None:
            return None
        obs[PROPRIO] = reader.read(state)
    return obs


def _nearest(items: list[Any], stamp_s: float, stamp_of: Any) -> Any:
    """Of `items`, sorted by their stamps, the closest within the allowed skew."""
    place = bisect_left(items, stamp_s, key=stamp_of)
    around = items[max(0, place - 1) : place + 1]
    best = min(around, key=lambda item: abs(stamp_of(item) - stamp_s), default=None)
    if best is None or abs(stamp_of(best) - stamp_s) > _MAX_SKEW_S:
        return None
    return best


def _within(applied: list[_Applied], from_s: float, to_s: float) -> _Applied | None:
    """The last command in [`from_s`, `to_s`)."""
    place = bisect_left(applied, to_s, key=lambda told: told.stamp_s)
    if place == 0 or applied[place - 1].stamp_s < from_s:
        return None
    return applied[place - 1]


def _held(messages: _Messages, arm: ArmFeatures, stamp_s: float) -> _Applied:
    """What it comes to where nobody commanded."""
    state = _nearest(messages.states, stamp_s, lambda state: state.stamp_s)
    at = arm.reading(state).position if state else (0.0,) * len(arm.axes)
    return _Applied(stamp_s, hold_command(arm.axes, at), at, "nobody")


def _step(applied: _Applied, mapping: ActionMap, stamp_s: float) -> Step:
    action = mapping.action(applied.command, applied.position)
    wished = None if applied.wish is None else mapping.action(applied.wish, applied.position)
    return Step(
        action,
        0.0,
        False,
        False,
        applied.source,
        policy_action=wished,
        human_action=action if applied.source == "human" else None,
        stamp_s=stamp_s,
    )


def _without_idle_ends(recording: Recording) -> Recording:
    """Cut what came before the first command and after the last."""
    busy = [i for i, step in enumerate(recording.steps) if step.source != "nobody"]
    if not busy:
        return Recording(gaps=recording.gaps)
    first, last = busy[0], busy[-1]
    return Recording(
        recording.obs[first : last + 2],
        recording.steps[first : last + 1],
        recording.gaps,
    )


def _finish(recording: Recording, success: bool | None) -> None:
    """Success ends the episode and pays 1; anything else only cuts it off."""
    recording.success = success
    recording.steps[-1] = dataclasses.replace(
        recording.steps[-1],
        reward=float(bool(success)),
        terminated=bool(success),
        truncated=not success,
    )
    begins = 0
    for i, step in enumerate(recording.steps):
        if step.source != recording.steps[begins].source:
            begins = i
        recording.steps[i] = dataclasses.replace(step, segment=begins)
