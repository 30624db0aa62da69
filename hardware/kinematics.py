"""Where the tool of an arm is, and which joints move it: for arms that are told joints alone.

The arm is one of `robot-rl list sim_arms`, mounted as it is there, so that a policy's workspace is
the same on the desk.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robot_rl.axes import Vector

# Where both cannot be had, a radian of the tool counts as so many metres.
_LEVER_M = 0.1
_WEIGHTS = np.array([1.0, 1.0, 1.0, _LEVER_M, _LEVER_M, _LEVER_M])
_DAMPING_M = 0.01  # near a straight elbow the tool lags rather than joints race


class Tool(NamedTuple):
    """Pose and velocity in the base frame; `quat` is (w, x, y, z)."""

    pos_m: Vector
    quat: Vector
    vel_m_s: Vector
    rot_vel_rad_s: Vector


class Kinematics:
    """Of the `ArmModel` that `arm` names. Not for two threads at once.

    Raises `UnknownNameError`, or `MissingPackageError` where its meshes are not installed.
    """

    def __init__(self, arm: str) -> None:
        from sim.arms import ARM_MODELS  # first: it chooses how MuJoCo draws

        import mujoco  # isort: skip

        self.arm = ARM_MODELS.load(arm)
        self._mujoco = mujoco
        self._model = self.arm.load().compile()
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in self.arm.joints]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        self.joint_low_rad: Vector = tuple(float(joint.range[0]) for joint in joints)
        self.joint_high_rad: Vector = tuple(float(joint.range[1]) for joint in joints)
        self._tcp = self._model.site("tcp").id

    def tool(self, joints_rad: Sequence[float], rates_rad_s: Sequence[float]) -> Tool:
        """Where it is, and how it moves at these joint rates."""
        jacobian = self._jacobian(joints_rad)
        moving = jacobian @ np.asarray(rates_rad_s, float)
        quat = np.zeros(4)
        self._mujoco.mju_mat2Quat(quat, self._data.site_xmat[self._tcp])
        at = self._data.site_xpos[self._tcp] + np.array(self.arm.mount_m)
        parts = (at, quat, moving[:3], moving[3:])
        return Tool(*(tuple(part.tolist()) for part in parts))

    def rates(
        self, joints_rad: Sequence[float], linear_m_s: Sequence[float], turn_rad_s: Sequence[float]
    ) -> np.ndarray:
        """Joint rates [n] rad/s that come nearest to moving the tool so (damped least squares)."""
        jacobian = _WEIGHTS[:, None] * self._jacobian(joints_rad)
        wanted = _WEIGHTS * np.array([*linear_m_s, *turn_rad_s])
        square = jacobian @ jacobian.T + _DAMPING_M**2 * np.eye(6)
        return jacobian.T @ np.linalg.solve(square, wanted)

    def _jacobian(self, joints_rad: Sequence[float]) -> np.ndarray:
        self._data.qpos[self._qpos] = joints_rad
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_comPos(self._model, self._data)
        whole = np.zeros((6, self._model.nv))
        self._mujoco.mj_jacSite(self._model, self._data, whole[:3], whole[3:], self._tcp)
        return whole[:, self._dof]
