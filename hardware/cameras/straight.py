"""A camera whose pictures are made straight: what a pinhole of the same height would see."""

import dataclasses

import cv2
import numpy as np

from hardware.calibration.lens import matrix_of
from hardware.camera import Camera, CameraFeatures, Frame
from robot_rl.envs.calibration import CameraCalibration
from robot_rl.errors import HardwareError


class StraightCamera:
    """`camera`, whose lens `calibration` describes. Raises `HardwareError` for frames of another
    size: they were not what was calibrated."""

    def __init__(self, camera: Camera, calibration: CameraCalibration) -> None:
        self._camera, self._calibration = camera, calibration
        height, width, focal = calibration.height, calibration.width, calibration.fy
        straight = np.array(
            [[focal, 0.0, 0.5 * (width - 1)], [0.0, focal, 0.5 * (height - 1)], [0.0, 0.0, 1.0]]
        )
        self._maps = cv2.initUndistortRectifyMap(
            matrix_of(calibration),
            np.array(calibration.distortion),
            np.eye(3),
            straight,
            (width, height),
            cv2.CV_16SC2,
        )

    @property
    def features(self) -> CameraFeatures:
        return dataclasses.replace(self._camera.features, fovy_deg=self._calibration.fovy_deg)

    def connect(self) -> None:
        self._camera.connect()

    def read(self, timeout_s: float) -> Frame:
        frame = self._camera.read(timeout_s)
        height, width = self._calibration.height, self._calibration.width
        if frame.image.shape[:2] != (height, width):
            raise HardwareError(
                f"camera '{self.features.name}' sends {frame.image.shape[0]}x"
                f"{frame.image.shape[1]} pixels, and {height}x{width} were calibrated. Set its "
                "height and width, or calibrate it as it is."
            )
        straight = cv2.remap(frame.image, *self._maps, cv2.INTER_LINEAR)
        return Frame(image=straight, stamp_s=frame.stamp_s)

    def disconnect(self) -> None:
        self._camera.disconnect()
