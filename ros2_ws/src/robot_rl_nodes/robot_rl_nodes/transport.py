"""Where nodes can be reached from: this machine alone, unless they are told otherwise."""

import os
from importlib.resources import files
from pathlib import Path

NETWORK = "ROBOT_RL_NETWORK"
_PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"


def profile(name: str) -> Path:
    """The file of the transport profile `local` or `network`."""
    return Path(str(files("robot_rl_nodes"))) / "profiles" / f"{name}.xml"


def choose_profile() -> None:
    """Before rclpy starts. A profile of the user's own, or another RMW, is left alone."""
    told = os.environ.get(NETWORK, "").lower() in ("1", "true")
    os.environ.setdefault(_PROFILE, str(profile("network" if told else "local")))
