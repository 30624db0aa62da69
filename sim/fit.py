"""A simulated arm that moves as a recorded one did: delay, gains, damping, friction.

The recorded actions are played to the simulated arm, open loop, from where each episode began; what
is compared is where the tool was after every step. The search is the cross-entropy method; every
set of parameters that explains the recording nearly as well as the best belongs to the ranges.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from robot_rl.envs.variation import Range, VariationConfig
from robot_rl.errors import ConfigError
from sim.arm import Arm
from sim.arm_config import ArmConfig
from sim.arms import ArmModel
from sim.variation.draw import Draw
from sim.variation.physics import Physics

# Name, and between what it is searched; factors by their logarithm.
_SEARCHED = {
    "gain": (0.2, 3.0),
    "damping": (0.2, 8.0),
    "joint_friction_n_m": (0.0, 3.0),
    "action_delay_s": (0.0, 0.25),
}
_FACTORS = ("gain", "damping")
_ROUNDS, _TRIED, _ELITE = 12, 24, 5
_AS_GOOD = 1.1  # times the least error

Parameters = dict[str, float]
AS_BUILT: Parameters = {name: getattr(VariationConfig(), name)[0] for name in _SEARCHED}


@dataclass(frozen=True)
class Track:
    """One recorded episode: `actions` [T, A] as applied, `tcp_m` [T + 1, 3], the fingers' place."""

    actions: np.ndarray
    tcp_m: np.ndarray
    gripper_m: float


@dataclass(frozen=True)
class Fit:
    """The best `parameters`, `ranges` of those as good, and errors of the tool in m (root mean
    square) before and after."""

    parameters: Parameters
    ranges: dict[str, Range]
    before_m: float
    after_m: float


class Replica:
    """The arm alone, whose physics can be changed."""

    def __init__(self, kind: ArmModel, config: ArmConfig, turns: bool, gripper: bool) -> None:
        self.arm = Arm(kind, config, lambda spec, model: None, turns, gripper)
        searched = VariationConfig(
            gain=_SEARCHED["gain"],
            damping=_SEARCHED["damping"],
            joint_friction_n_m=_SEARCHED["joint_friction_n_m"],
        )
        self._physics = Physics(searched, self.arm.model)

    def play(self, track: Track, parameters: Parameters) -> np.ndarray:
        """[T + 1, 3] m: where the tool is when the actions are played to it."""
        self._physics.apply(Draw(0, parameters, {}))
        self.arm.reset(track.tcp_m[0], track.gripper_m)
        return np.array([self.arm.tcp_pos.copy(), *self._steps(track, parameters)])

    def _steps(self, track: Track, parameters: Parameters) -> Iterator[np.ndarray]:
        arm, tick_s, ticks = self.arm, self.arm.config.tick_s, self.arm.config.ticks
        delay_s = parameters["action_delay_s"]
        under_way: deque[tuple[float, np.ndarray]] = deque()
        for step, action in enumerate(track.actions):
            under_way.append((step * ticks * tick_s + delay_s, action))
            for tick in range(ticks):
                now_s = (step * ticks + tick) * tick_s
                if under_way and under_way[0][0] < now_s + tick_s:
                    due_s, late = under_way.popleft()
                    self._tick(min(max(due_s - now_s, 0.0), tick_s), late)
                else:
                    arm.tick()
            yield arm.tcp_pos.copy()

    def _tick(self, before_s: float, action: np.ndarray) -> None:
        """One in which a command arrives. Were it put off to the next, the search would meet steps
        where there is a slope."""
        arm = self.arm
        if before_s > 0.0:
            arm.servo.tick(before_s)
        arm.command(action)
        arm.servo.tick(arm.config.tick_s - before_s)
        mujoco.mj_step(arm.model, arm.data, arm.config.substeps)

    def error_m(self, tracks: Sequence[Track], parameters: Parameters) -> float:
        """Root mean square over all steps."""
        off = [self.play(track, parameters) - track.tcp_m for track in tracks]
        return float(np.sqrt(np.mean(np.square(np.linalg.norm(np.concatenate(off), axis=1)))))


def fit(replica: Replica, tracks: Sequence[Track], seed: int) -> Fit:
    """Raises `ConfigError` where nothing moved."""
    _require_motion(tracks)
    rng = np.random.default_rng(seed)
    low, high = (np.array([_scaled(n, _SEARCHED[n][i]) for n in _SEARCHED]) for i in (0, 1))
    mean, spread = 0.5 * (low + high), 0.5 * (high - low)
    mean[:] = [_scaled(name, AS_BUILT[name]) for name in _SEARCHED]
    tried: list[tuple[float, Parameters]] = []
    for _ in range(_ROUNDS):
        drawn = np.clip(mean + spread * rng.normal(size=(_TRIED, len(mean))), low, high)
        errors = [replica.error_m(tracks, _parameters(point)) for point in drawn]
        tried += zip(errors, map(_parameters, drawn), strict=True)
        elite = drawn[np.argsort(errors)[:_ELITE]]
        mean, spread = elite.mean(0), 1.5 * elite.std(0) + 1e-4 * (high - low)
    least, best = min(tried, key=lambda pair: pair[0])
    good = [parameters for error, parameters in tried if error <= _AS_GOOD * least]
    ranges = {n: (min(p[n] for p in good), max(p[n] for p in good)) for n in _SEARCHED}
    return Fit(best, ranges, replica.error_m(tracks, AS_BUILT), least)


def _scaled(name: str, value: float) -> float:
    return float(np.log(value)) if name in _FACTORS else value


def _parameters(point: np.ndarray) -> Parameters:
    pairs = zip(_SEARCHED, point.tolist(), strict=True)
    return {name: float(np.exp(x)) if name in _FACTORS else x for name, x in pairs}


def _require_motion(tracks: Sequence[Track]) -> None:
    if not all(np.isfinite(track.tcp_m).all() for track in tracks):
        raise ConfigError("some of these episodes hold places that are no numbers (NaN).")
    ways = [float(np.ptp(track.tcp_m, axis=0).max()) for track in tracks]
    if not ways or max(ways) < 0.02:
        raise ConfigError(
            "nothing here moves by two centimetres: record free motion, quick and slow, back and "
            "forth, with nothing in the way."
        )
