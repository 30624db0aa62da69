"""What a motion does to the robot and to what it touches, measured once a control step."""

import mujoco
import numpy as np

_ONE_AXIS = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
SPEED, JERK, FORCE = "joint_speed", "joint_jerk", "contact_force_n"


class MotionMeter:
    """Of the robot in `model`: every body in a tree that an actuator moves, with its joints.

    Speed and jerk are the largest of all joints, in rad/s and rad/s^3 (m/s and m/s^3 where one
    slides), jerk as the second difference of the speeds between control steps: what an encoder
    would show. Forces are those between the robot and everything else, summed.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        roots = np.unique(model.body_rootid[model.jnt_bodyid[_actuated(model)]])
        robot = np.isin(model.body_rootid, roots)
        self._robot_geom = robot[model.geom_bodyid]
        self._dofs = model.jnt_dofadr[robot[model.jnt_bodyid] & np.isin(model.jnt_type, _ONE_AXIS)]
        self._wrench = np.zeros(6)
        self.begin()

    def begin(self) -> None:
        """An episode starts: what was before it is no motion."""
        self._speeds: list[np.ndarray] = []

    def measure(self, data: mujoco.MjData, period_s: float) -> dict[str, float]:
        """After a control step of `period_s`. Empty where nothing is actuated; the first two steps
        have no jerk yet."""
        if not len(self._dofs):
            return {}
        self._speeds = [*self._speeds[-2:], data.qvel[self._dofs].copy()]
        speed = float(np.abs(self._speeds[-1]).max())
        found = {SPEED: speed, FORCE: self._force(data)}
        if len(self._speeds) == 3:
            before, last, now = self._speeds
            found[JERK] = float(np.abs(now - 2.0 * last + before).max()) / period_s**2
        return found

    def _force(self, data: mujoco.MjData) -> float:
        total, count = 0.0, data.ncon
        if not count:
            return total
        geoms = data.contact.geom[:count]
        outward = self._robot_geom[geoms[:, 0]] != self._robot_geom[geoms[:, 1]]
        for i in np.flatnonzero(outward & (geoms >= 0).all(axis=1)):
            mujoco.mj_contactForce(self._model, data, int(i), self._wrench)
            total += float(np.linalg.norm(self._wrench[:3]))
        return total


def _actuated(model: mujoco.MjModel) -> np.ndarray:
    """Joints that an actuator moves, by itself or through a tendon."""
    kind, target = model.actuator_trntype, model.actuator_trnid[:, 0]
    joints = list(target[kind == mujoco.mjtTrn.mjTRN_JOINT])
    for tendon in target[kind == mujoco.mjtTrn.mjTRN_TENDON]:
        first = model.tendon_adr[tendon]
        wraps = slice(first, first + model.tendon_num[tendon])
        moved = model.wrap_type[wraps] == mujoco.mjtWrap.mjWRAP_JOINT
        joints += list(model.wrap_objid[wraps][moved])
    return np.array(joints, int)
