"""Orientations as unit quaternions (w, x, y, z), in plain Python."""

import math
from collections.abc import Sequence

from robot_rl.axes import Vector


def multiply(a: Sequence[float], b: Sequence[float]) -> Vector:
    """The rotation `b`, then `a`."""
    w, x, y, z = a
    v, i, j, k = b
    return (
        w * v - x * i - y * j - z * k,
        w * i + x * v + y * k - z * j,
        w * j - x * k + y * v + z * i,
        w * k + x * j - y * i + z * v,
    )


def rotation_vector(quat: Sequence[float], rest: Sequence[float] = (1.0, 0.0, 0.0, 0.0)) -> Vector:
    """[3] rad of the turn from `rest` to `quat` in the base frame, at most pi long."""
    w, x, y, z = multiply(quat, (rest[0], *(-part for part in rest[1:])))
    if w < 0:
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 * math.atan2(sine, w) / sine if sine > 1e-12 else 2.0
    return (scale * x, scale * y, scale * z)


def from_rotation_vector(turn_rad: Sequence[float]) -> Vector:
    """The quaternion of a turn [3] rad about its own direction."""
    angle = math.sqrt(sum(part * part for part in turn_rad))
    scale = math.sin(0.5 * angle) / angle if angle > 1e-12 else 0.5
    x, y, z = (scale * part for part in turn_rad)
    return (math.cos(0.5 * angle), x, y, z)


def from_roll_pitch_yaw(roll: float, pitch: float, yaw: float) -> Vector:
    """Turned about x, then y, then z of the base."""
    turns = ((0.0, 0.0, yaw), (0.0, pitch, 0.0), (roll, 0.0, 0.0))
    about_z, about_y, about_x = map(from_rotation_vector, turns)
    return multiply(about_z, multiply(about_y, about_x))


def columns(quat: Sequence[float]) -> Vector:
    """The first two columns [6] of the rotation matrix: continuous (Zhou et al. 2019)."""
    w, x, y, z = quat
    return (
        1 - 2 * (y * y + z * z),
        2 * (x * y + w * z),
        2 * (x * z - w * y),
        2 * (x * y - w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z + w * x),
    )
