"""What differs between the episodes of a simulation, as data: ranges that are drawn from."""

from dataclasses import dataclass, fields
from typing import Literal

from robot_rl.errors import ConfigError

# (low, high): uniform between them.
Range = tuple[float, ...]
_NOTHING: Range = (0.0, 0.0)
_AS_BUILT: Range = (1.0, 1.0)
_NOT_BELOW_0 = (
    "texture",
    "light",
    "friction",
    "mass",
    "gain",
    "damping",
    "joint_friction_n_m",
    "action_delay_s",
    "action_noise",
    "camera_delay_s",
    "camera_noise",
)
# What changes how a simulation moves, or when it is seen, and not how it looks.
BEYOND_LOOKS = (
    "friction",
    "mass",
    "gain",
    "damping",
    "joint_friction_n_m",
    "action_delay_s",
    "action_noise",
    "camera_delay_s",
)

Covers = Literal["nothing", "sky", "ground", "room"]


@dataclass(frozen=True, kw_only=True)
class VariationConfig:
    """Drawn anew for every episode, from its seed. The defaults vary nothing.

    Offsets are drawn for each element: a colour's channels, a camera's axes, a light's two tilts.
    Factors multiply all elements alike. `background` says what moving pictures hide: the sky, the
    ground planes too, or all large things that are fixed to the world (a table, walls). The
    pictures come from the videos and photos in the folder `clips`, or are made where it is empty.
    One in five is kept for evaluations, which set `held_out`.

    Raises `ConfigError` for a range that is none.
    """

    # The look.
    colour: Range = _NOTHING  # added to every channel of every colour, of 1
    texture: Range = _NOTHING  # contrast of a pattern on large surfaces, of 1
    light: Range = _AS_BUILT  # factor on every lamp
    light_tilt_rad: Range = _NOTHING
    camera_pos_m: Range = _NOTHING
    camera_rot_rad: Range = _NOTHING
    camera_fovy_deg: Range = _NOTHING
    # k where a pixel at r (1 in the corner) shows what was at r (1 + k r^2): a barrel above 0.
    camera_distortion: Range = _NOTHING
    background: Covers = "nothing"
    clips: str = ""
    held_out: bool = False
    # The physics.
    friction: Range = _AS_BUILT
    mass: Range = _AS_BUILT
    gain: Range = _AS_BUILT  # of every servo
    damping: Range = _AS_BUILT  # of every joint
    joint_friction_n_m: Range = _NOTHING  # dry, of every hinge that a motor turns
    # How the commands arrive, and the pictures.
    action_delay_s: Range = _NOTHING  # rounded to control steps
    action_noise: Range = _NOTHING  # standard deviation, of an action's scale
    camera_delay_s: Range = _NOTHING  # beside the camera's own
    camera_noise: Range = _NOTHING  # standard deviation in grey levels, beside the camera's own

    def __post_init__(self) -> None:
        for name in self.ranges():
            _require_range(f"task.variation.{name}", getattr(self, name), name in _NOT_BELOW_0)

    @classmethod
    def ranges(cls) -> tuple[str, ...]:
        """The fields that are ranges."""
        return tuple(field.name for field in fields(cls) if field.type == Range)

    @property
    def varies(self) -> bool:
        """Whether any episode differs from another by it."""
        return self.background != "nothing" or bool(self.varied)

    @property
    def varied(self) -> tuple[str, ...]:
        """The ranges that are not as built."""
        plain = VariationConfig()
        names = self.ranges()
        return tuple(name for name in names if getattr(self, name) != getattr(plain, name))


def _require_range(where: str, value: Range, not_below_0: bool) -> None:
    if len(value) != 2:
        raise ConfigError(f"{where} is {list(value)}; a range has two numbers: {where}=[LOW,HIGH].")
    low, high = value
    if low > high:
        raise ConfigError(
            f"{where} is {list(value)}: its minimum is above its maximum. "
            f"Write {where}=[{high:g},{low:g}]."
        )
    if not_below_0 and low < 0:
        raise ConfigError(f"{where} is {list(value)}; it cannot be below 0.")
