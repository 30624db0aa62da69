"""Arms as data, by name: those here and those that packages add."""

from robot_rl.plugins import Plugins
from sim.arms.model import ArmModel, Finger

# What each name loads is an `ArmModel`.
ARM_MODELS = Plugins(
    "simulated arm",
    "robot_rl.sim_arms",
    {
        "primitive": "sim.arms.primitive:PRIMITIVE",
        "panda": "sim.arms.panda:PANDA",
        "so101": "sim.arms.so101:SO101",
        "ur5e": "sim.arms.ur5e:UR5E",
    },
)

__all__ = ["ARM_MODELS", "ArmModel", "Finger"]
