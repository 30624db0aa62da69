"""Names and qualities of service of the whole graph, in one place (docs/ros2.md)."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

POLICY_TWIST = "/policy/delta_twist_cmds"
POLICY_JOINTS = "/policy/joint_trajectory"
TELEOP_TWIST = "/teleop/delta_twist_cmds"
TELEOP_JOINTS = "/teleop/joint_trajectory"
TELEOP_DEADMAN = "/teleop/deadman"
TELEOP_SAID = "/teleop/said"
ARM_TWIST = "/servo_node/delta_twist_cmds"
ARM_JOINTS = "/arm_controller/joint_trajectory"
ARM_FEATURES = "/arm/features"
CAMERA_FEATURES = "features"  # in the namespace of each
ARM_MODE = "/arm/mode"
ARM_RECOVER = "/arm/recover"
ARM_ENABLE = "/arm/enable"
JOINT_STATES = "/joint_states"
TCP_POSE = "/tcp_pose"
TCP_TWIST = "/tcp_twist"
WRENCH = "/wrench"
ESTOP = "/safety/estop"
SAFETY_TRIGGER = "/safety/trigger"
SAFETY_RESET = "/safety/reset"
SAFETY_STEP = "/safety/step"
HEARTBEAT = "/safety/heartbeat"
INTERVENTION = "/intervention/active"
EPISODE_START = "/episode/start"
EPISODE_STOP = "/episode/stop"
EPISODE_SUCCESS = "/episode/success"
RECORDING = "/episode/recording"
POLICY_RESET = "/policy/reset"
POLICY_ACTIVATION = "/policy/activation"
DIAGNOSTICS = "/diagnostics"
SIM_RESET = "/sim/reset"
SIM_SUCCESS = "/sim/success"
SIM_FAULT = "/sim/fault"
SIM_SCENE = "/sim/scene"


def _profile(reliability: ReliabilityPolicy, depth: int, latched: bool = False) -> QoSProfile:
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(
        reliability=reliability, durability=durability, history=HistoryPolicy.KEEP_LAST, depth=depth
    )


# Publishers of images offer RELIABLE so that any subscriber fits; consumers want the newest only.
IMAGE_OUT = _profile(ReliabilityPolicy.RELIABLE, 2)
IMAGE_IN = _profile(ReliabilityPolicy.BEST_EFFORT, 1)
COMMAND = _profile(ReliabilityPolicy.RELIABLE, 1)
STATE = _profile(ReliabilityPolicy.RELIABLE, 10)
LATCHED = _profile(ReliabilityPolicy.RELIABLE, 1, latched=True)
RECORDED = _profile(ReliabilityPolicy.RELIABLE, 50)
