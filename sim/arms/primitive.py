"""An arm of capsules and boxes with a parallel gripper: the fastest to draw and to step."""

from pathlib import Path

import mujoco

from sim.arms.model import ArmModel, Finger

_ASSET = Path(__file__).parents[1] / "assets" / "primitive.xml"


def load() -> mujoco.MjSpec:
    return mujoco.MjSpec.from_file(str(_ASSET))


PRIMITIVE = ArmModel(
    name="primitive",
    summary="capsules and boxes, six joints, a parallel gripper",
    load=load,
    joints=("base_yaw", "shoulder", "elbow", "forearm_roll", "wrist_pitch", "tool_roll"),
    home_rad=(0.0, 0.3, 1.6, 0.0, 1.2, 3.14159265),
    fingers=(
        Finger(joint="left_finger", closed=0.0, open=0.04),
        Finger(joint="right_finger", closed=0.0, open=0.04),
    ),
    sides=("left_finger", "right_finger"),
    gripper_max_m=0.04,
    mount_m=(0.0, 0.0, 0.0),
    workspace_low=(0.22, -0.24, 0.012),
    workspace_high=(0.52, 0.24, 0.30),
    lag_s=0.03,
)
