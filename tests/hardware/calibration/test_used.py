"""A calibration in use: by the simulation, by a driver, and by the commands that make it."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from hardware.calibration.lens import matrix_of
from hardware.camera import CameraFeatures, Frame
from hardware.cameras.straight import StraightCamera
from robot_rl.envs.calibration import CameraCalibration
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.errors import ConfigError, HardwareError
from tests.hardware.calibration.test_solve import BOARD, TRUE, drawn, pose, views
from tests.test_cli import assert_one_clear_line
from tests.training.tiny_run import run_cli


def look(**camera):
    name = camera.pop("name")
    task = TaskConfig(name="arm/lift", cameras={name: CameraSpec(height=64, width=64, **camera)})
    env = open_env(task, RenderConfig())
    try:
        obs, _ = env.reset(seed=3)
        return obs[f"image/{name}"], env.unwrapped.simulation
    finally:
        env.close()


@pytest.mark.parametrize(("name", "mount"), [("front", "base"), ("wrist", "tool")])
def test_the_simulated_camera_stands_where_the_calibration_says(tmp_path, name, mount):
    """Written down as OpenCV sees it, the suite's own camera draws the same picture."""
    picture, simulation = look(name=name)
    import mujoco

    model, data = simulation.model, simulation.data
    camera = model.camera(name).id
    axes = data.cam_xmat[camera].reshape(3, 3) * np.array([1.0, -1.0, -1.0])
    at = data.cam_xpos[camera]
    if mount == "tool":
        tcp = model.site("tcp").id
        tool = data.site_xmat[tcp].reshape(3, 3)
        axes, at = tool.T @ axes, tool.T @ (at - data.site_xpos[tcp])
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, axes.ravel())
    focal = float(32.0 / np.tan(np.radians(model.cam_fovy[camera]) / 2))
    path = tmp_path / "camera.yaml"
    CameraCalibration(
        width=64,
        height=64,
        fx=focal,
        fy=focal,
        cx=31.5,
        cy=31.5,
        mount=mount,
        pos_m=tuple(at.tolist()),
        quat=tuple(quat.tolist()),
    ).save(path)
    # Moved away first, so that nothing but the file can have put it there.
    again, _ = look(name=name, calibration=str(path))
    assert np.abs(again.astype(int) - picture).max() <= 2
    with pytest.raises(ConfigError, match="leave out pos"):
        CameraSpec(calibration=str(path), fovy_deg=50.0)


class Drawn:
    """A camera that sends one picture."""

    def __init__(self, image):
        self._image = image
        height, width = image.shape[:2]
        self.features = CameraFeatures(name="front", height=height, width=width, rate_hz=30.0)

    def connect(self): ...
    def disconnect(self): ...

    def read(self, timeout_s):
        return Frame(image=self._image, stamp_s=1.0)


def test_the_driver_sends_what_a_pinhole_would_see():
    view = next(iter(views()))
    bent = Drawn(drawn(view))
    straight = StraightCamera(bent, TRUE).read(1.0).image
    pinhole = dataclasses.replace(
        TRUE, fx=TRUE.fy, cx=0.5 * 639, cy=0.5 * 479, distortion=(0.0,) * 5
    )
    expected = drawn(view, pinhole)
    inside = np.s_[60:-60, 60:-60]
    off = np.abs(straight[inside].astype(int) - expected[inside])
    assert off.mean() < 4.0
    assert np.abs(bent.read(1.0).image[inside].astype(int) - expected[inside]).mean() > 10.0
    with pytest.raises(HardwareError, match="480x640 were calibrated"):
        StraightCamera(Drawn(np.zeros((240, 320, 3), np.uint8)), TRUE).read(1.0)


def test_from_pictures_to_a_file_by_command(tmp_path):
    folder, out = tmp_path / "pictures", tmp_path / "front.yaml"
    folder.mkdir()
    camera, board = pose((-2.1, 0.3, 0.2), (0.7, -0.1, 0.5)), pose((0.2, -0.1, 0.4), (0.02, 0, 0.1))
    with (folder / "poses.jsonl").open("w") as lines:
        for place, view in enumerate(views()):
            cv2.imwrite(str(folder / f"{place:03d}.png"), drawn(view))
            tool = camera @ view @ np.linalg.inv(board)
            turn = cv2.Rodrigues(tool[:3, :3])[0].ravel()
            half = 0.5 * np.linalg.norm(turn)
            quat = [np.cos(half), *(np.sin(half) * turn / (2 * half))]
            row = {"picture": f"{place:03d}.png", "pos_m": tool[:3, 3].tolist(), "quat": quat}
            lines.write(json.dumps(row) + "\n")
    done = run_cli("calibrate", "solve", str(folder), "--mount=base", f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert "lens: 0." in done.stdout
    found = CameraCalibration.load(out)
    np.testing.assert_allclose(found.pos_m, camera[:3, 3], atol=2e-3)
    np.testing.assert_allclose(matrix_of(found), matrix_of(TRUE), atol=2.0)
    cv2.imwrite(str(folder / "zzz.png"), np.zeros((10, 10, 3), np.uint8))
    done = run_cli("calibrate", "solve", str(folder), f"--out={out}")
    assert_one_clear_line(done, "2 sizes")


def test_a_board_to_print_and_nothing_to_solve(tmp_path):
    out = tmp_path / "board.png"
    done = run_cli("calibrate", "board", f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert "210 x 150 mm" in done.stdout
    assert BOARD.find(
        cv2.copyMakeBorder(cv2.imread(str(out)), *(80,) * 4, cv2.BORDER_CONSTANT, value=(255,) * 3)
    )
    empty = run_cli("calibrate", "solve", str(tmp_path / "none"), f"--out={tmp_path / 'c.yaml'}")
    assert_one_clear_line(empty, "no pictures")
    assert_one_clear_line(run_cli("calibrate", "record", f"--out={tmp_path}"), "robot=NAME")
