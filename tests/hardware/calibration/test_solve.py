"""Known lenses and mounts, recovered from boards that are drawn through them."""

import dataclasses
import itertools

import cv2
import numpy as np
import pytest

from hardware.calibration.board import Board
from hardware.calibration.lens import calibrate_lens, matrix_of
from hardware.calibration.mount import calibrate_mount
from hardware.rotation import rotation_vector
from robot_rl.envs.calibration import CameraCalibration
from robot_rl.errors import ConfigError, CorruptFileError

BOARD = Board(columns=7, rows=5, square_m=0.03)
TRUE = CameraCalibration(
    width=640,
    height=480,
    fx=612.0,
    fy=608.0,
    cx=331.0,
    cy=233.0,
    distortion=(-0.21, 0.08, 0.001, -0.0015, 0.0),
)


def pose(turn, shift):
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = cv2.Rodrigues(np.array(turn, float))[0], shift
    return made


def drawn(board_pose, camera=TRUE, square_px=120):
    """uint8 RGB: every pixel's ray is followed to the board, two by two of them averaged."""
    print_ = BOARD.picture(square_px)
    height, width = camera.height, camera.width
    x, y = np.meshgrid(np.arange(0, width, 0.5) - 0.25, np.arange(0, height, 0.5) - 0.25)
    pixels = np.stack([x.ravel(), y.ravel()], 1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(pixels, matrix_of(camera), np.array(camera.distortion))
    rays = np.hstack([rays.reshape(-1, 2), np.ones((x.size, 1))])
    normal, at = board_pose[:3, 2], board_pose[:3, 3]
    points = rays * ((normal @ at) / (rays @ normal))[:, None]
    on_board = (points - at) @ board_pose[:3, :3]
    scale = square_px / BOARD.square_m
    columns = (on_board[:, 0] * scale - 0.5).reshape(x.shape).astype(np.float32)
    rows = (on_board[:, 1] * scale - 0.5).reshape(x.shape).astype(np.float32)
    grey = cv2.remap(print_, columns, rows, cv2.INTER_LINEAR, borderValue=190)
    small = grey.reshape(height, 2, width, 2).mean((1, 3)).astype(np.uint8)
    return np.repeat(small[:, :, None], 3, axis=2)


def views():
    """Board poses in the camera: near and far, tilted every way."""
    rng = np.random.default_rng(0)
    middle = np.array([-0.105, -0.075, 0.0])
    for tilt_x, tilt_y in itertools.product((-0.7, -0.4, 0.0, 0.4, 0.7), (-0.7, -0.3, 0.3, 0.7)):
        shift = np.array([rng.uniform(-0.1, 0.1), rng.uniform(-0.07, 0.07), 0.0])
        turned = pose((tilt_x, tilt_y, rng.uniform(-1.5, 1.5)), (0, 0, rng.uniform(0.25, 0.45)))
        yield turned @ pose((0, 0, 0), middle + shift)


@pytest.fixture(scope="module")
def looks():
    """(board's pose in the camera, what is seen of it)."""
    looked = [(view, BOARD.find(drawn(view))) for view in views()]
    found = [(view, seen) for view, seen in looked if seen is not None]
    assert len(found) >= 12
    return found


@pytest.fixture(scope="module")
def lens(looks):
    return calibrate_lens([seen for _, seen in looks], TRUE.height, TRUE.width)


def test_the_lens_is_found_within_half_a_pixel(lens):
    assert lens.lens_error_px < 0.5
    grid = np.array([[x, y, 0.5] for x in (-0.2, 0.0, 0.2) for y in (-0.15, 0.0, 0.15)])
    still = np.zeros(3)
    ours, true = (
        cv2.projectPoints(grid, still, still, matrix_of(c), np.array(c.distortion))[0]
        for c in (lens, TRUE)
    )
    assert np.abs(ours - true).max() < 0.5


@pytest.mark.parametrize("mount", ["base", "tool"])
def test_the_mount_is_found_within_two_millimetres(lens, looks, mount):
    rng = np.random.default_rng(1)
    camera = (
        pose((-2.1, 0.3, 0.2), (0.7, -0.1, 0.5))
        if mount == "base"
        else pose((0.1, 0.05, 1.5), (0.05, -0.03, -0.08))
    )
    seen, tools = [], []
    # Where the board is in the camera says where the tool is, with the board somewhere on its own.
    board = pose((0.2, -0.1, 0.4), (0.02, 0.01, 0.1))
    for view, found in looks:
        tool = camera @ view @ np.linalg.inv(board)
        if mount == "tool":
            tool = np.linalg.inv(tool)
        seen.append(found)
        noise = pose(rng.normal(0, 2e-4, 3), rng.normal(0, 1e-4, 3))  # of the robot
        tools.append(tool @ noise)
    solved = calibrate_mount(lens, seen, tools, mount)
    np.testing.assert_allclose(solved.pos_m, camera[:3, 3], atol=2e-3)
    turn = cv2.Rodrigues(camera[:3, :3])[0].ravel()
    off = np.subtract(rotation_vector(solved.quat), turn)
    assert np.linalg.norm(off) < 5e-3
    assert solved.mount == mount
    assert 0 < solved.mount_error_px < 1.0


def test_a_tool_that_turned_about_one_axis_says_too_little(lens, looks):
    found = [seen for _, seen in looks]
    tools = [pose((0, 0, 0.1 * place), (0.01 * place, 0, 0)) for place in range(len(found))]
    with pytest.raises(ConfigError, match="about one axis at most"):
        calibrate_mount(lens, found, tools, "base")
    with pytest.raises(ConfigError, match="5 are needed"):
        calibrate_mount(lens, found[:3], tools[:3], "base")
    with pytest.raises(ConfigError, match="6 are needed"):
        calibrate_lens(found[:4], 480, 640)


def test_a_picture_without_the_board_and_a_board_that_is_none():
    assert BOARD.find(np.full((480, 640, 3), 128, np.uint8)) is None
    with pytest.raises(ConfigError, match="4x4"):
        Board(columns=2)


def test_the_file_holds_all_of_it(tmp_path):
    path = tmp_path / "front.yaml"
    full = dataclasses.replace(TRUE, mount="base", pos_m=(0.1, 0.2, 0.3), pictures=12)
    full.save(path)
    assert CameraCalibration.load(path) == full
    path.write_text("fx: 3\n")
    with pytest.raises(CorruptFileError, match="no calibration of a camera"):
        CameraCalibration.load(path)
