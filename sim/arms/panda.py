"""The Franka Panda with its own hand, from the meshes that robosuite ships."""

import mujoco

from sim.arms.assembly import add_tool, hide_collision_shapes, replace_servos
from sim.arms.model import ArmModel, Finger
from sim.packages import ROBOSUITE

_QUARTER = (0.70710678, 0.0, 0.0, 0.70710678)
_FINGERS = ("finger_joint1", "finger_joint2")
_JOINTS = tuple(f"joint{i}" for i in range(1, 8))
_GAINS = [
    *((joint, 2000.0, 200.0, 87.0) for joint in _JOINTS[:4]),
    *((joint, 600.0, 60.0, 12.0) for joint in _JOINTS[4:]),
    *((joint, 1000.0, 100.0, 40.0) for joint in _FINGERS),
]


def load() -> mujoco.MjSpec:
    assets = ROBOSUITE.file("models/assets")
    spec = mujoco.MjSpec.from_file(str(assets / "robots/panda/robot.xml"))
    hand = mujoco.MjSpec.from_file(str(assets / "grippers/panda_gripper.xml"))
    spec.attach(hand, frame=spec.body("right_hand").add_frame(), prefix="")
    for camera in list(spec.cameras):
        spec.delete(camera)
    replace_servos(spec, _GAINS)
    hide_collision_shapes(spec)
    # One motor moves both fingers of the real hand.
    together = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT, solref=[0.005, 1.0]
    )
    together.name1, together.name2 = _FINGERS
    together.data[:5] = (0.0, -1.0, 0.0, 0.0, 0.0)
    add_tool(spec, "right_gripper", (0, 0, 0.097), _QUARTER, camera_m=(0.08, 0.0, -0.07))
    return spec


PANDA = ArmModel(
    name="panda",
    summary="Franka Panda with its hand, seven joints; meshes of robosuite",
    load=load,
    joints=_JOINTS,
    home_rad=(0.0, 0.0, 0.0, -2.3, 0.0, 2.3, 0.785),
    fingers=(
        Finger(joint="finger_joint1", closed=0.0, open=0.04),
        Finger(joint="finger_joint2", closed=0.0, open=-0.04),
    ),
    sides=("leftfinger", "rightfinger"),
    gripper_max_m=0.04,
    mount_m=(-0.2, 0.0, 0.0),
    workspace_low=(0.22, -0.24, 0.012),
    workspace_high=(0.52, 0.24, 0.30),
    lag_s=0.03,
)
