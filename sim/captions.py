"""What a simulation shows, in words: what an image-text model is trained on (sim_clip)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from robot_rl.errors import ConfigError
from sim.arm import Arm
from sim.tasks import cubes

_NEAR_M, _AT_M = 0.12, 0.05  # of the gripper, from what it is about to move
_TURNED_RAD = 0.3  # of a handle


@dataclass(frozen=True)
class Fact:
    """One thing that can be said of a picture. `level` in [0, 1] orders what can be said of it."""

    about: str
    level: float
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Story:
    """`stage` is how far it has got, None where the scene has no such thing; what can be said at
    each stage are `sentences`, the first stage first."""

    about: str
    stage: Callable[[Any, Arm], int | None]
    sentences: tuple[tuple[str, ...], ...]


def facts(simulation: Any) -> tuple[Fact, ...]:
    """Of the present state of a task of the arm suite. Raises `ConfigError` for another one."""
    if simulation.name not in _STORIES:
        raise ConfigError(
            f"there are no captions for {simulation.name}; there are for {', '.join(captioned())}."
        )
    task, arm = simulation.task, simulation.arm
    said = ((story, story.stage(task, arm)) for story in _STORIES[simulation.name])
    return tuple(_fact(story, stage) for story, stage in said if stage is not None)


def captioned() -> tuple[str, ...]:
    """The tasks that can be put into words."""
    return tuple(_STORIES)


def _fact(story: _Story, stage: int) -> Fact:
    return Fact(story.about, stage / (len(story.sentences) - 1), story.sentences[stage])


def _past(value: float, *bounds: float) -> int:
    """How many of the rising bounds were passed."""
    return int(np.searchsorted(bounds, value, side="right"))


def _approach(arm: Arm, at: np.ndarray) -> int:
    """0, 1 or 2: the gripper is far from `at` [3] m, near it, or there."""
    return 2 - _past(float(np.linalg.norm(at - arm.grip_pos)), _AT_M, _NEAR_M)


# ------------------------------------------------------------------------------- cubes


def _lifted(colour: str, body: str) -> _Story:
    cube = f"the {colour} cube"

    def stage(task: Any, arm: Arm) -> int | None:
        if not _has(arm, body):
            return None
        at = arm.data.body(body).xpos
        raised = _past(float(at[2]) - cubes.HALF_M, 0.005, 0.03, 0.055, 0.08)
        return 2 + raised if raised else _approach(arm, at)

    return _Story(
        cube,
        stage,
        (
            (f"{cube} lies on the table", f"nobody is near {cube}"),
            (f"the gripper comes near {cube}",),
            (f"the gripper is at {cube}, which lies on the table",),
            (f"{cube} is a little above the table", f"{cube} has just left the table"),
            (f"{cube} is lifted halfway", f"{cube} hangs low above the table"),
            (f"{cube} is lifted almost high enough",),
            (
                f"{cube} is lifted high above the table",
                f"the gripper holds {cube} up in the air",
                f"{cube} is high up",
            ),
        ),
    )


def _pushed(colour: str, body: str) -> _Story:
    cube, disc = f"the {colour} cube", "the green disc"

    def stage(task: Any, arm: Arm) -> int | None:
        if not _has(arm, body):
            return None
        at = arm.data.body(body).xpos
        left_m = float(np.linalg.norm((arm.data.mocap_pos[0] - at)[:2]))
        near = 3 - _past(left_m, task.tolerance_m, 0.06, 0.08)
        return 2 + near if near else _approach(arm, at)

    return _Story(
        cube,
        stage,
        (
            (f"{cube} is away from {disc}", f"{cube} is away from {disc}, nobody is near it"),
            (f"the gripper comes near {cube}, away from {disc}",),
            (f"the gripper is at {cube}, away from {disc}",),
            (f"{cube} is close to {disc}", f"{cube} is near {disc}"),
            (f"{cube} is beside {disc}", f"{cube} nearly touches {disc}"),
            (f"{cube} is on {disc}", f"{cube} has been pushed onto {disc}"),
        ),
    )


def _has(arm: Arm, body: str) -> bool:
    return mujoco.mj_name2id(arm.model, mujoco.mjtObj.mjOBJ_BODY, body) >= 0


def _stacked(task: Any, arm: Arm) -> int:
    if task.at_goal(arm):
        return 6
    if task.placed(arm):
        return 5
    if task.red(arm)[2] - cubes.HALF_M < 0.005:
        return _approach(arm, task.red(arm))
    return 3 + (float(np.linalg.norm(task.red_to_place(arm)[:2])) < 0.02)


# ------------------------------------------------------------------------ other things


def _opened(task: Any, arm: Arm) -> int:
    opened = _past(task.opened(arm), 0.04, 0.2, 0.4, task.open_rad)
    if opened:
        return 3 + opened
    turned = task.turned(arm) > _TURNED_RAD
    return 3 if turned else _approach(arm, arm.data.site("lever").xpos)


def _putted(task: Any, arm: Arm) -> int:
    if task.at_goal(arm):
        return 5
    left_m = float(np.linalg.norm(task.ball_to_hole(arm)))
    near = 2 - _past(left_m, 0.07, 0.15)
    return 2 + near if near else _approach(arm, arm.data.body("ball").xpos)


def _inserted(task: Any, arm: Arm) -> int:
    gap = task.tip_to_hole(arm)
    if task.at_goal(arm):
        return 5
    across_m, deep_m = task.across(arm), float(gap[2])
    if across_m < 0.006 and deep_m > 0.003:
        return 4
    return 3 - _past(max(across_m, -deep_m), 0.015, 0.04, 0.1)


_STORIES: Mapping[str, tuple[_Story, ...]] = {
    "arm/reach": (
        _Story(
            "the ball",
            lambda task, arm: 4 - _past(task.distance(arm), task.tolerance_m, 0.06, 0.12, 0.2),
            (
                ("the gripper is far away from the ball",),
                ("the gripper is some way from the ball",),
                ("the gripper is close to the ball", "the gripper is near the ball"),
                ("the gripper is beside the ball",),
                ("the gripper touches the ball", "the gripper is at the ball"),
            ),
        ),
    ),
    "arm/push": (_pushed("blue", "cube"), _pushed("red", cubes.DECOY)),
    "arm/lift": (_lifted("red", "cube"), _lifted("blue", cubes.DECOY)),
    "arm/stack": (
        _Story(
            "the red cube",
            _stacked,
            (
                ("the red cube lies beside the blue cube", "the cubes are apart"),
                ("the gripper comes near the red cube",),
                ("the gripper is at the red cube",),
                ("the gripper carries the red cube",),
                ("the red cube hangs over the blue cube",),
                ("the gripper holds the red cube on the blue cube",),
                ("the red cube lies on the blue cube", "the cubes are stacked"),
            ),
        ),
    ),
    "arm/door": (
        _Story(
            "the door",
            _opened,
            (
                ("the door is closed", "the door is shut"),
                ("the door is closed, the gripper comes near the handle",),
                ("the door is closed, the gripper is at the handle",),
                ("the door is closed, its handle is down",),
                ("the door is open a crack", "the door has just come open"),
                ("the door is half open",),
                ("the door is almost open",),
                ("the door is wide open", "the door has been opened"),
            ),
        ),
    ),
    "arm/golf": (
        _Story(
            "the ball",
            _putted,
            (
                ("the ball is far away from the hole",),
                ("the putter comes near the ball",),
                ("the putter is at the ball",),
                ("the ball rolls towards the hole",),
                ("the ball is close to the hole",),
                ("the ball is in the hole", "the ball has been putted"),
            ),
        ),
    ),
    "arm/cable_route": (
        _Story(
            "the cable",
            lambda task, arm: int(task.laid(arm, 0)) + int(task.laid(arm, 1)),
            (
                ("the cable lies in none of the clips",),
                ("the cable lies in one of the clips",),
                ("the cable lies in both clips", "the cable is routed"),
            ),
        ),
    ),
    "arm/peg_insert": (
        _Story(
            "the peg",
            _inserted,
            (
                ("the peg is away from the hole",),
                ("the peg comes near the hole",),
                ("the peg is above the hole",),
                ("the peg is at the mouth of the hole",),
                ("the peg is halfway in the hole",),
                ("the peg is in the hole", "the peg has been inserted"),
            ),
        ),
    ),
}
