"""A ChArUco board: a chessboard whose squares tell which they are. A part of it is enough."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from robot_rl.errors import ConfigError

_LEAST_CORNERS = 8


class Seen(NamedTuple):
    """Corners of one picture: where they are on the board [N, 3] and in the picture [N, 2]."""

    on_board_m: np.ndarray
    in_picture_px: np.ndarray


@dataclass(frozen=True)
class Board:
    """`columns` x `rows` squares of `square_m`, as measured on the print."""

    columns: int = 7
    rows: int = 5
    square_m: float = 0.03

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 4 or self.square_m <= 0:
            raise ConfigError(
                f"a board of {self.columns}x{self.rows} squares of {self.square_m} m: it needs 4x4 "
                "of more than nothing."
            )

    def picture(self, square_px: int = 100) -> np.ndarray:
        """uint8 [rows * square_px, columns * square_px], to be printed without a border."""
        size = (self.columns * square_px, self.rows * square_px)
        return self._made().generateImage(size, marginSize=0, borderBits=1)

    def find(self, picture: np.ndarray) -> Seen | None:
        """None where too little of the board is seen in uint8 RGB [H, W, 3]."""
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        detector = cv2.aruco.CharucoDetector(self._made())
        corners, numbers, _, _ = detector.detectBoard(grey)
        if numbers is None or len(numbers) < _LEAST_CORNERS:
            return None
        on_board, in_picture = self._made().matchImagePoints(corners, numbers)
        on_board = on_board.reshape(-1, 3)
        if np.linalg.matrix_rank(on_board[:, :2] - on_board[0, :2], tol=1e-6) < 2:
            return None  # in one row: they do not say how it is tilted
        return Seen(on_board, in_picture.reshape(-1, 2))

    def _made(self) -> Any:
        words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_250)
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoBoard(size, self.square_m, 0.75 * self.square_m, words)
