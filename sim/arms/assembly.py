"""How arms of other packages are made into what `ArmModel` promises."""

from collections.abc import Sequence

import mujoco
import numpy as np

_LOOK_RAD = np.array([np.pi, 0.3, -np.pi / 2])
_HIDDEN_GROUP = 3  # MuJoCo draws groups 0 to 2


def hide_collision_shapes(spec: mujoco.MjSpec) -> None:
    """They are not what a camera sees. Contacts stay as they are."""
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            geom.group = _HIDDEN_GROUP


def replace_servos(spec: mujoco.MjSpec, gains: Sequence[tuple[str, float, float, float]]) -> None:
    """Position servos in place of all actuators.

    `gains`: joint, stiffness (Nm/rad or N/m), damping, and the largest torque or force.
    """
    for actuator in list(spec.actuators):
        spec.delete(actuator)
    for joint, kp, kv, limit in gains:
        servo = spec.add_actuator(
            name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT, forcerange=[-limit, limit]
        )
        servo.set_to_position(kp, kv=kv)
        servo.ctrlrange = spec.joint(joint).range


def add_tool(
    spec: mujoco.MjSpec,
    body: str,
    pos: Sequence[float],
    quat: Sequence[float],
    camera_m: Sequence[float] = (0.075, 0.0, -0.095),
) -> None:
    """The site `tcp` on `body` and the camera `wrist`, in place of all sites and sensors.

    The camera sits at `camera_m` in the axes of the tool and looks past its tip.
    """
    for mark in (*spec.sensors, *spec.sites):
        spec.delete(mark)
    hand = spec.body(body)
    hand.add_site(name="tcp", pos=pos, quat=quat, size=[0.005] * 3, rgba=[0, 0, 0, 0])
    look, out, at = np.zeros(4), np.zeros(4), np.zeros(3)
    mujoco.mju_euler2Quat(look, _LOOK_RAD, "xyz")
    mujoco.mju_mulQuat(out, np.array(quat), look)
    mujoco.mju_rotVecQuat(at, np.array(camera_m), np.array(quat))
    hand.add_camera(name="wrist", pos=at + pos, quat=out, fovy=75)
