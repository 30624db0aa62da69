"""How fast the simulated arm moves where more is asked than its limits allow, at every rate.

Bar: the limit, whatever the rate of the messages.
"""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.timing import Row
from hardware.sim import SimulatedArm, SimWorld
from robot_rl.axes import Vector
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.deploy.verdicts import Command, Now
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import TaskConfig

TITLE = "speed under a stream of commands"
RATES_HZ = (10.0, 50.0, 200.0, 500.0)
_LIMITS = {"tcp_x": 0.3, "tcp_y": 0.3, "tcp_z": 0.3, "tcp_rz": 1.5, "gripper": 0.2}
_TURNING = TaskConfig(
    name="arm/peg_insert", options={"random_yaw": True}, cameras={"front": CameraSpec()}
)
_SECONDS = 0.9  # from one side of the table towards the other
_STEADY_S = 0.3


def run() -> list[Row]:
    """Of the tool along y and about the vertical, asked for three times what is allowed."""
    world = SimWorld(_TURNING)
    arm = SimulatedArm(world)
    arm.connect()
    try:
        return [row for rate_hz in RATES_HZ for row in _measure(world, arm, rate_hz)]
    finally:
        arm.disconnect()


def _measure(world: SimWorld, arm: SimulatedArm, rate_hz: float) -> list[Row]:
    world.reset(0)
    asked = {"tcp_y": 0.9, "tcp_rz": 4.5}
    _stream(arm, {"tcp_y": -0.3, "tcp_rz": -1.5}, 50.0, 0.6, lambda: None)
    at: list[tuple[float, float, float]] = []

    def note() -> None:
        state = arm.state()
        place = [axis.name for axis in arm.features.axes].index("tcp_rz")
        at.append((state.stamp_s, state.tcp_pos_m[1], arm.features.reading(state).position[place]))

    _stream(arm, asked, rate_hz, _SECONDS, note)
    track = np.array(at)
    return [
        Row(f"tool along y at {rate_hz:g} Hz", _speed(track[:, 0], track[:, 1]), "m/s", "<= 0.3"),
        Row(f"tool's yaw at {rate_hz:g} Hz", _speed(track[:, 0], track[:, 2]), "rad/s", "<= 1.5"),
    ]


def _speed(times_s: np.ndarray, places: np.ndarray) -> float:
    """The straight line through what came after the start."""
    later = times_s > times_s[0] + _STEADY_S
    return float(np.polyfit(times_s[later], places[later], 1)[0])


def _stream(
    arm: SimulatedArm,
    rates: dict[str, float],
    rate_hz: float,
    seconds: float,
    note: Callable[[], None],
) -> None:
    """Commands through the filter; `note` looks 100 times a second."""
    features, safety = arm.features, SafetyFilter(_limits(arm), StopLatch([]))
    wish: Vector = tuple(rates.get(axis.name, 0.0) for axis in features.axes)
    began_s = time.monotonic()
    sent = seen = 0
    while (gone_s := time.monotonic() - began_s) < seconds:
        if gone_s >= sent / rate_hz:
            sent += 1
            reading = features.reading(arm.state())
            command = Command(values=wish, source="policy", stamp_s=time.time())
            verdict = safety.apply(command, reading, Now.read())
            arm.command(verdict.applied, safety.limits.duration_s)
        if gone_s >= seen / 100.0:
            seen += 1
            note()
        time.sleep(0.0005)
    arm.stop()


def _limits(arm: SimulatedArm) -> SafetyLimits:
    axes = arm.features.axes
    top = tuple(_LIMITS[axis.name] for axis in axes)
    return SafetyLimits(
        axes=axes,
        position_low=(-10.0,) * len(axes),
        position_high=(10.0,) * len(axes),
        action_bound=top,
        max_step=tuple(0.1 * rate for rate in top),
        max_velocity=top,
        max_acceleration=tuple(20.0 * rate for rate in top),
        period_s=0.1,
    )
