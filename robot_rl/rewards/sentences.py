"""What the tasks of the arm suite are about, in words: what shall be, and what is before it."""

from dataclasses import dataclass

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class Sentences:
    """`near` are what is nearly the goal and is not."""

    goal: str
    baseline: str
    near: tuple[str, ...]


SENTENCES = {
    "arm/reach": Sentences(
        "the gripper touches the ball",
        "the gripper is far away from the ball",
        ("the gripper is close to the ball", "the gripper is beside the ball"),
    ),
    "arm/push": Sentences(
        "the blue cube is on the green disc",
        "the blue cube is away from the green disc",
        (
            "the gripper is at the blue cube, away from the green disc",
            "the blue cube is near the green disc",
            "the blue cube is beside the green disc",
        ),
    ),
    "arm/lift": Sentences(
        "the red cube is lifted high above the table",
        "the red cube lies on the table",
        (
            "the gripper is at the red cube, which lies on the table",
            "the red cube is a little above the table",
            "the red cube is lifted halfway",
            "the red cube is lifted almost high enough",
        ),
    ),
    "arm/stack": Sentences(
        "the red cube lies on the blue cube",
        "the red cube lies beside the blue cube",
        (
            "the gripper carries the red cube",
            "the red cube hangs over the blue cube",
            "the gripper holds the red cube on the blue cube",
        ),
    ),
    "arm/door": Sentences(
        "the door is wide open",
        "the door is closed",
        (
            "the door is closed, the gripper is at the handle",
            "the door is open a crack",
            "the door is half open",
            "the door is almost open",
        ),
    ),
    "arm/golf": Sentences(
        "the ball is in the hole",
        "the ball is far away from the hole",
        ("the ball is close to the hole", "the ball rolls towards the hole"),
    ),
    "arm/cable_route": Sentences(
        "the cable lies in both clips",
        "the cable lies in none of the clips",
        ("the cable lies in one of the clips",),
    ),
    "arm/peg_insert": Sentences(
        "the peg is in the hole",
        "the peg is away from the hole",
        (
            "the peg is above the hole",
            "the peg is at the mouth of the hole",
            "the peg is halfway in the hole",
        ),
    ),
}


def goal_of(task: str, given: str, needed: bool = True) -> str:
    """The sentence that was `given`, or the task's.

    Raises `ConfigError` where there is neither, and one is `needed`.
    """
    if given:
        return given
    if task not in SENTENCES and not needed:
        return ""
    if task not in SENTENCES:
        raise ConfigError(
            f"nobody has said what shall be in {task}. Say it: "
            'task.reward_model.goal="the drawer is open"'
        )
    return SENTENCES[task].goal


def baseline_of(task: str, given: str) -> str:
    """As `goal_of`, for what a scene of the task shows anyway."""
    if given:
        return given
    if task not in SENTENCES:
        raise ConfigError(
            f"nobody has said what {task} looks like before it is done. Say it: "
            'task.reward_model.settings.baseline="a closed drawer"'
        )
    return SENTENCES[task].baseline


def near_misses(task: str) -> tuple[str, ...]:
    """What is nearly the goal of a known task."""
    return SENTENCES[task].near if task in SENTENCES else ()
