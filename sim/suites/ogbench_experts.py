"""Experts for OGBench's tasks: a plan of errands, each run by one of OGBench's Markov oracles.

An oracle knows how to place a cube, press a button, slide a drawer or a window; which of them comes
next towards the goal of a task is planned here.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from sim.packages import OGBENCH as PACKAGE

Told = dict[str, Any]  # what OGBench's `compute_ob_info` says

_PLACED_M, _SLID_M, _OPEN = 0.02, 0.01, 0.1
_DRAWER_OPEN, _DRAWER_OPEN_ENOUGH = -0.16, -0.12
# As OGBench judges success, less a margin.
_IN_PLACE_M, _DRAWER_RIM_M = 0.03, 0.05


class Errand(ABC):
    """One thing to do. `above_m` is how high the hand is once it is out of the way again; after
    `patience_steps`, OGBench's own, it goes there and what to do is planned anew.
    """

    kind: ClassVar[str]
    above_m: ClassVar[float]
    patience_steps: ClassVar[int]

    @abstractmethod
    def reached(self, told: Told) -> bool:
        """Whether it is done."""

    @abstractmethod
    def goal(self, told: Told, leaving: bool) -> Told:
        """What the oracle is told to do; `leaving`, that all is as it should be."""

    def clear(self, told: Told) -> bool:
        return bool(told["proprio/effector_pos"][2] > self.above_m)


class Place(Errand):
    """Cube number `cube` to `at` [3]."""

    kind, above_m, patience_steps = "cube", 0.16, 200

    def __init__(self, cube: int, at: np.ndarray) -> None:
        self.cube, self.at = cube, at

    def reached(self, told: Told) -> bool:
        return gap(told, self.cube, self.at) < _PLACED_M

    def goal(self, told: Told, leaving: bool) -> Told:
        place = told[f"privileged/block_{self.cube}_pos"] if leaving else self.at
        return {
            "privileged/target_block": self.cube,
            "privileged/target_block_pos": place,
            "privileged/target_block_yaw": np.zeros(1),
        }

    def clear(self, told: Told) -> bool:
        return super().clear(told) and bool(told["proprio/gripper_contact"][0] < _OPEN)


class Press(Errand):
    """Button number `button`, whose top is at `top` [3], into another state than `before`."""

    kind, above_m, patience_steps = "button", 0.16, 100

    def __init__(self, button: int, top: np.ndarray, before: int) -> None:
        self.button, self.top, self.wanted = button, top, 1 - before

    def reached(self, told: Told) -> bool:
        return bool(told[f"privileged/button_{self.button}_state"] == self.wanted)

    def goal(self, told: Told, leaving: bool) -> Told:
        now = told[f"privileged/button_{self.button}_state"]
        return {
            "privileged/target_button": self.button,
            "privileged/target_button_top_pos": self.top,
            "privileged/target_button_state": now if leaving else self.wanted,
        }


class Slide(Errand):
    """A drawer, along `axis` [3] of the world, to joint position `to`."""

    kind, above_m, patience_steps = "drawer", 0.18, 75

    def __init__(self, axis: np.ndarray, to: float) -> None:
        self._axis, self._to = axis, to

    def reached(self, told: Told) -> bool:
        return abs(self._left(told)) < _SLID_M

    def _left(self, told: Told) -> float:
        return self._to - float(told[f"privileged/{self.kind}_pos"][0])

    def goal(self, told: Told, leaving: bool) -> Told:
        handle = told[f"privileged/{self.kind}_handle_pos"]
        move = 0.0 if leaving else self._left(told)
        return {f"privileged/target_{self.kind}_handle_pos": handle + move * self._axis}


class SlideWindow(Slide):
    """A window, whose frame is higher."""

    kind, above_m = "window", 0.28


Plan = Callable[[Any, Told], Errand]


class Expert:
    """One errand after the other, as `plan` says whenever the hand is out of the way."""

    def __init__(self, env: Any, plan: Plan) -> None:
        self._env, self._plan = env, plan
        self._oracles: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        self._errand: Errand | None = None
        self._leaving, self._steps = False, 0

    def action(self) -> np.ndarray:
        """[5] in [-1, 1]."""
        told = self._env.compute_ob_info()
        if self._errand is None or (self._leaving and self._errand.clear(told)):
            self._errand = self._plan(self._env, told)
            self._leaving, self._steps = False, 0
        self._steps += 1
        given_up = self._steps > self._errand.patience_steps
        self._leaving = self._leaving or given_up or self._errand.reached(told)
        goal = self._errand.goal(told, self._leaving)
        return self._oracle(self._errand.kind).select_action(None, {**told, **goal})

    def _oracle(self, kind: str) -> Any:
        if kind not in self._oracles:
            module = PACKAGE.load(f"ogbench.manipspace.oracles.markov.{kind}_markov")
            oracle = getattr(module, f"{kind.capitalize()}MarkovOracle")(env=self._env)
            # Where it would go when all is done; its own reset draws that from nobody's seed.
            oracle._final_pos = self._env._arm_sampling_bounds.mean(axis=0)
            oracle._final_yaw, oracle._step, oracle._done = 0.0, 0, False
            self._oracles[kind] = oracle
        return self._oracles[kind]


# ------------------------------------------------------------------------------- plans


def gap(told: Told, cube: int, at: np.ndarray) -> float:
    return float(np.linalg.norm(told[f"privileged/block_{cube}_pos"] - at))


def next_cube(env: Any, told: Told) -> Errand:
    """Of the cubes that are not in place the one whose place is lowest."""
    places = env._data.mocap_pos[env._cube_target_mocap_ids]
    cubes = range(env._num_cubes)
    wrong = [cube for cube in cubes if gap(told, cube, places[cube]) >= _PLACED_M] or list(cubes)
    cube = min(wrong, key=lambda cube: places[cube][2])
    return Place(cube, places[cube].copy())


def next_button(env: Any, told: Told) -> Errand:
    """Of the buttons that a shortest solution presses the nearest one."""
    left = np.asarray(env._cur_button_states) != np.asarray(env._target_button_states)
    presses = np.flatnonzero(lights_out(left.reshape(env._num_rows, env._num_cols)))
    hand = told["proprio/effector_pos"][:2]
    tops = env._data.site_xpos[env._button_site_ids]
    away = np.linalg.norm(tops[:, :2] - hand, axis=1)
    return press(env, int(min(presses if len(presses) else [0], key=lambda i: away[i])))


def next_of_scene(env: Any, told: Told) -> Errand:
    """The cube first, then window and drawer, the locks last: these open what must be moved."""
    place = env._data.mocap_pos[env._cube_target_mocap_ids[0]].copy()
    inside = env._is_in_drawer(told["privileged/block_0_pos"])
    into_drawer = place[2] > _DRAWER_RIM_M  # the drawer's floor is above the table
    if into_drawer and not inside:
        if told["privileged/drawer_pos"][0] > _DRAWER_OPEN_ENOUGH:
            return unlocked(env, told, 0, drawer(env, _DRAWER_OPEN))
        return Place(0, env._drawer_center.copy())
    if not into_drawer and gap(told, 0, place) > _IN_PLACE_M:
        return Place(0, place)
    if abs(told["privileged/window_pos"][0] - env._target_window_pos) > _IN_PLACE_M:
        return unlocked(env, told, 1, window(env, env._target_window_pos))
    if abs(told["privileged/drawer_pos"][0] - env._target_drawer_pos) > _IN_PLACE_M:
        return unlocked(env, told, 0, drawer(env, env._target_drawer_pos))
    wrong = np.flatnonzero(np.asarray(env._cur_button_states) != env._target_button_states)
    return press(env, int(wrong[0]) if len(wrong) else 0)


def unlocked(env: Any, told: Told, lock: int, errand: Errand) -> Errand:
    """`errand`, or the button before it."""
    locked = told[f"privileged/button_{lock}_state"] == 0
    return press(env, lock) if locked else errand


def press(env: Any, button: int) -> Press:
    top = env._data.site_xpos[env._button_site_ids[button]].copy()
    return Press(button, top, int(env._cur_button_states[button]))


def drawer(env: Any, to: float) -> Slide:
    return Slide(_axis(env, "drawer_slide"), to)


def window(env: Any, to: float) -> Slide:
    return SlideWindow(_axis(env, "window_slide"), to)


def _axis(env: Any, joint: str) -> np.ndarray:
    return env._data.xaxis[env._model.joint(joint).id].copy()


def lights_out(lit: np.ndarray) -> np.ndarray:
    """The fewest presses, bool [rows * cols], that turn all of `lit` [rows, cols] off.

    A press toggles a button and its neighbours, so that the first row decides all the others.
    """
    rows, cols = lit.shape
    best: np.ndarray | None = None
    for first in itertools.product((False, True), repeat=cols):
        presses = np.zeros((rows + 1, cols), bool)
        presses[0] = first
        left = lit.copy()
        for row in range(rows):
            around = np.pad(presses[row], 1)
            left[row] ^= presses[row] ^ around[:-2] ^ around[2:]
            if row:
                left[row] ^= presses[row - 1]
            presses[row + 1] = left[row]
        if not presses[rows].any() and (best is None or presses.sum() < best.sum()):
            best = presses
    if best is None:
        raise ValueError(f"no presses turn these off: {lit.astype(int).tolist()}")
    return best[:rows].ravel()
