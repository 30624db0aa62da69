"""The UR5e of Universal Robots with a Robotiq 2F-85, from the meshes that ogbench ships."""

import mujoco

from sim.arms.assembly import add_tool, replace_servos
from sim.arms.model import ArmModel, Finger
from sim.packages import OGBENCH

_JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
_GAINS = [
    *((joint, 2000.0, 200.0, 150.0) for joint in _JOINTS[:3]),
    *((joint, 500.0, 50.0, 28.0) for joint in _JOINTS[3:]),
]
_DRIVER = "hand/right_driver_joint"
# Of the driver: the pads touch, and are 8 cm apart.
_CLOSED_RAD, _OPEN_RAD = 0.79, 0.05
# The fingertips move along the tool as they close; this lies between.
_BELOW_PINCH_M = 0.008


def load() -> mujoco.MjSpec:
    assets = OGBENCH.file("manipspace/descriptions")
    spec = mujoco.MjSpec.from_file(str(assets / "universal_robots_ur5e/ur5e.xml"))
    hand = mujoco.MjSpec.from_file(str(assets / "robotiq_2f85/2f85.xml"))
    for extra in (*spec.lights, *spec.keys):
        spec.delete(extra)
    pinch = hand.site("pinch")
    tool = (*pinch.pos[:2], pinch.pos[2] + _BELOW_PINCH_M)
    spec.attach(hand, site=spec.site("attachment_site"), prefix="hand/")
    replace_servos(spec, _GAINS)
    _drive_fingers(spec)
    add_tool(spec, "hand/base", tool, pinch.quat)
    return spec


def _drive_fingers(spec: mujoco.MjSpec) -> None:
    """One motor, which takes the angle of the driver."""
    motor = spec.add_actuator(
        name=_DRIVER,
        target="hand/split",
        trntype=mujoco.mjtTrn.mjTRN_TENDON,
        forcerange=[-5.0, 5.0],
        ctrlrange=[0.0, 0.8],
    )
    motor.set_to_position(100.0, kv=10.0)


def _moves(joint: str, sign: float) -> Finger:
    return Finger(joint=f"hand/{joint}_joint", closed=sign * _CLOSED_RAD, open=sign * _OPEN_RAD)


UR5E = ArmModel(
    name="ur5e",
    summary="Universal Robots UR5e with a Robotiq 2F-85, six joints; meshes of ogbench",
    load=load,
    joints=_JOINTS,
    home_rad=(-1.5708, -1.5708, 1.5708, -1.5708, -1.5708, 0.0),
    fingers=(_moves("right_driver", 1.0),),
    linkage=(
        _moves("left_driver", 1.0),
        _moves("right_spring_link", 1.0),
        _moves("left_spring_link", 1.0),
        _moves("right_follower", -1.0),
        _moves("left_follower", -1.0),
    ),
    sides=("hand/left_spring_link", "hand/right_spring_link"),
    gripper_max_m=0.04,
    mount_m=(-0.2, 0.0, 0.0),
    workspace_low=(0.22, -0.24, 0.012),
    workspace_high=(0.52, 0.24, 0.30),
    lag_s=0.03,
    physics_dt_s=0.005,
)
