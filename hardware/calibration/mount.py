"""Where a camera is mounted, from pictures of a board and the tool's pose at each of them.

With T the tool in the base, X the camera (in the base or the tool) and Y the board (on the other of
the two), a picture in which the board is at C says T Y = X C where the camera stands, and
T^-1 Y = X C where it rides on the tool. Both unknowns are found in closed form (Shah 2013, "Solving
the robot-world/hand-eye calibration problem using the Kronecker product"), then by least squares on
what matters: the corners in the pictures.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

import cv2
import numpy as np

from hardware.calibration.board import Seen
from hardware.calibration.lens import matrix_of
from hardware.rotation import from_rotation_vector
from robot_rl.envs.calibration import CameraCalibration
from robot_rl.errors import ConfigError

_LEAST_PICTURES = 5
_LEAST_TURN_RAD = 0.15  # about a second axis
_WORST_PX = 3.0
_AGREEMENTS = 5
_ITERATIONS, _NUDGE = 30, 1e-6


def calibrate_mount(
    camera: CameraCalibration,
    seen: Sequence[Seen],
    tools: Sequence[np.ndarray],
    mount: Literal["base", "tool"],
) -> CameraCalibration:
    """`camera` with its pose. `tools` are the tool's poses [4, 4] in the base, one per picture.

    Raises `ConfigError` where too few pictures are there, or the tool hardly turned.
    """
    if len(seen) < _LEAST_PICTURES:
        raise ConfigError(
            f"the board is seen well in {len(seen)} pictures, and {_LEAST_PICTURES} are needed."
        )
    if not np.isfinite(np.array(tools)).all():
        raise ConfigError("some of the tool's poses are no numbers (NaN).")
    known = [tool if mount == "base" else np.linalg.inv(tool) for tool in tools]
    _require_turned(known)
    start = _start(known, [_board_poses(camera, each) for each in seen])
    best = _least_squares(start, lambda vector: _residuals(camera, seen, known, vector))
    error = float(np.sqrt(2.0 * np.mean(np.square(_residuals(camera, seen, known, best)))))
    if error > _WORST_PX:
        raise ConfigError(
            f"no place of the camera explains these pictures: the corners are {error:.1f} px off. "
            "Is --mount right, was every pose taken when the arm stood, and did the board stay "
            "where it was fixed?"
        )
    pose = _to_pose(best[:6])
    return dataclasses.replace(
        camera,
        mount=mount,
        pos_m=tuple(pose[:3, 3].tolist()),
        quat=_quat(pose[:3, :3]),
        mount_error_px=error,
    )


def _require_turned(known: Sequence[np.ndarray]) -> None:
    """About one axis alone there would be many answers."""
    turns = [cv2.Rodrigues(known[0][:3, :3].T @ pose[:3, :3])[0].ravel() for pose in known[1:]]
    second = np.linalg.svd(np.array(turns), compute_uv=False)[1] / np.sqrt(len(turns))
    if second < _LEAST_TURN_RAD:
        raise ConfigError(
            "between these pictures the tool turned about one axis at most. Turn it by 20 degrees "
            "and more about two: then only one place of the camera explains what it saw."
        )


def _board_poses(camera: CameraCalibration, seen: Seen) -> list[np.ndarray]:
    """Both that a flat board may have, the likelier first: from afar its mirror image fits, too."""
    lens = matrix_of(camera), np.array(camera.distortion)
    _, turns, shifts, _ = cv2.solvePnPGeneric(
        seen.on_board_m, seen.in_picture_px, *lens, flags=cv2.SOLVEPNP_IPPE
    )
    pairs = zip(turns, shifts, strict=True)
    return [_to_pose(np.concatenate([turn.ravel(), shift.ravel()])) for turn, shift in pairs]


def _start(known: Sequence[np.ndarray], boards: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """X and Y [12] in closed form, with the pose of every board that agrees with the others."""
    chosen = [poses[0] for poses in boards]
    for _ in range(_AGREEMENTS):
        camera, board = _closed_form(known, chosen)
        expected = [np.linalg.inv(camera) @ pose @ board for pose in known]
        chosen = [
            min(poses, key=lambda pose, e=e: float(np.abs(pose[:3, :3] - e[:3, :3]).sum()))
            for poses, e in zip(boards, expected, strict=True)
        ]
    return np.concatenate([_to_vector(pose) for pose in _closed_form(known, chosen)])


def _closed_form(
    known: Sequence[np.ndarray], boards: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of A Y = X C."""
    pairs = list(zip(known, boards, strict=True))
    kronecker = sum(np.kron(c[:3, :3], a[:3, :3]) for a, c in pairs)
    left, _, right = np.linalg.svd(kronecker)
    # The largest singular pair: vec(R_X) = K vec(R_Y) up to scale.
    camera, board = (_nearest_rotation(v.reshape(3, 3, order="F")) for v in (left[:, 0], right[0]))
    rows = [np.hstack([a[:3, :3], -np.eye(3)]) for a, _ in pairs]
    sides = [camera @ c[:3, 3] - a[:3, 3] for a, c in pairs]
    shifts = np.linalg.lstsq(np.vstack(rows), np.concatenate(sides), rcond=None)[0]
    return _pose(camera, shifts[3:]), _pose(board, shifts[:3])


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    matrix = matrix * np.sign(np.linalg.det(matrix))
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def _residuals(
    camera: CameraCalibration,
    seen: Sequence[Seen],
    known: Sequence[np.ndarray],
    vector: np.ndarray,
) -> np.ndarray:
    """In pixels: where the corners should be, and where they are."""
    to_camera, board = np.linalg.inv(_to_pose(vector[:6])), _to_pose(vector[6:])
    lens = matrix_of(camera), np.array(camera.distortion)
    parts = []
    for each, pose in zip(seen, known, strict=True):
        turn_shift = _to_vector(to_camera @ pose @ board)
        drawn, _ = cv2.projectPoints(each.on_board_m, turn_shift[:3], turn_shift[3:], *lens)
        parts.append((drawn.reshape(-1, 2) - each.in_picture_px).ravel())
    return np.concatenate(parts)


def _least_squares(start: np.ndarray, residuals: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Levenberg and Marquardt."""
    vector, damping = start, 1e-3
    now = residuals(vector)
    for _ in range(_ITERATIONS):
        columns = [(residuals(vector + nudge) - now) / _NUDGE for nudge in _NUDGE * np.eye(12)]
        jacobian = np.array(columns).T
        square = jacobian.T @ jacobian
        step = np.linalg.solve(square + damping * np.diag(np.diag(square)), -jacobian.T @ now)
        then = residuals(vector + step)
        if then @ then < now @ now:
            vector, now, damping = vector + step, then, damping / 10
        else:
            damping *= 10
        if np.abs(step).max() < 1e-10:
            break
    return vector


def _pose(rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, shift
    return pose


def _to_pose(vector: np.ndarray) -> np.ndarray:
    """[4, 4] of a rotation vector and a shift [6]."""
    return _pose(cv2.Rodrigues(vector[:3])[0], vector[3:])


def _to_vector(pose: np.ndarray) -> np.ndarray:
    return np.concatenate([cv2.Rodrigues(pose[:3, :3])[0].ravel(), pose[:3, 3]])


def _quat(rotation: np.ndarray) -> tuple[float, ...]:
    return from_rotation_vector(cv2.Rodrigues(rotation)[0].ravel().tolist())
