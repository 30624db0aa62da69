"""Inverse kinematics of a tool that points down, for arms of any number of joints."""

import math
from collections.abc import Sequence

import mujoco
import numpy as np

# How much of the way home an arm with joints to spare goes in a step, without moving its tool.
_HOMEWARD = 0.1


class ToolDown:
    """Damped least squares on the site `tcp` (Nakamura 1986), one step at a time.

    `joints` are the numbers of their degrees of freedom. An arm with more than six of them also
    leans towards `home_rad`, in the null space of its tool, so that it does not drift.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        joints: np.ndarray,
        home_rad: Sequence[float],
        damping: float,
    ) -> None:
        self._model, self._data = model, data
        self._tcp = model.site("tcp").id
        self._dof = joints
        self._qpos = model.jnt_qposadr[model.dof_jntid[joints]]
        self._home = np.array(home_rad) if len(joints) > 6 else None
        self._damping = damping**2 * np.eye(6)
        self._jac = np.zeros((6, model.nv))
        self._error, self._solution = np.zeros(6), np.zeros(6)

    def step(
        self, aim: np.ndarray, yaw_rad: float, linear_m_s: np.ndarray, turn_rad_s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [n] rad one step nearer to a tcp at `aim` [3] m, turned by `yaw_rad`.

        And the joint rates [n] rad/s at which the tool moves as fast as it is told.
        """
        mujoco.mj_jacSite(self._model, self._data, self._jac[:3], self._jac[3:], self._tcp)
        jac = self._jac[:, self._dof]
        # Positive definite; numpy's solver costs ten times as much on a matrix this small.
        factor = jac @ jac.T + self._damping
        mujoco.mju_cholFactor(factor, 0.0)
        self._error[:3] = aim - self._data.site_xpos[self._tcp]
        self._error[3:] = self._turn_error(yaw_rad)
        step = self._least(factor, jac)
        if self._home is not None:
            step = step + self._homeward(factor, jac)
        self._error[:3], self._error[3:5], self._error[5] = linear_m_s, 0.0, turn_rad_s
        return self._data.qpos[self._qpos] + step, self._least(factor, jac)

    def _least(self, factor: np.ndarray, jac: np.ndarray) -> np.ndarray:
        """The least joint step [n] for `_error`."""
        mujoco.mju_cholSolve(self._solution, factor, self._error)
        return jac.T @ self._solution

    def _homeward(self, factor: np.ndarray, jac: np.ndarray) -> np.ndarray:
        lean = _HOMEWARD * (self._home - self._data.qpos[self._qpos])
        self._error[:] = jac @ lean
        return lean - self._least(factor, jac)

    def _turn_error(self, yaw_rad: float) -> tuple[float, float, float]:
        """Rotation from the tool's axes to the wanted ones, in the world frame.

        Half the antisymmetric part (vee) of R_want R^T, R_want pointing down, turned by `yaw_rad`.
        """
        sine, cosine = math.sin(yaw_rad), math.cos(yaw_rad)
        want = np.array([[cosine, sine, 0.0], [sine, -cosine, 0.0], [0.0, 0.0, -1.0]])
        rotation = self._data.site_xmat[self._tcp].reshape(3, 3)
        (_, xy, xz), (yx, _, yz), (zx, zy, _) = (want @ rotation.T).tolist()
        return 0.5 * (zy - yz), 0.5 * (xz - zx), 0.5 * (yx - xy)
