"""What datasets of other projects have in common when they become episodes here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.envs.frames import cut
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import InterfaceMismatchError
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, Interface, Observation


@dataclass(frozen=True)
class ForeignEpisode:
    """Columns of T rows: `frames` uint8 [T, H, W, 3] by camera's name, `proprio` [T, P],
    `action` [T, A], `reward` [T], `terminated` and `source` of each step.

    `after` are the frames and proprio of the observation after the last step, where they are told;
    else the last one stands for it.
    """

    frames: Mapping[str, np.ndarray]
    proprio: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    source: Sequence[str]
    after: tuple[Mapping[str, np.ndarray], np.ndarray] | None = None

    def stored(self, name: str, interface: Interface, where: str, success: bool) -> StoredEpisode:
        """As this project keeps it; with `success` the last step pays 1 and ends it.

        Raises `InterfaceMismatchError` for other numbers of actions or of proprio.
        """
        self._require_fit(interface, where)
        count = len(self.action)
        obs = [
            self._obs(interface, {k: x[t] for k, x in self.frames.items()}, self.proprio[t])
            for t in range(count)
        ]
        obs.append(obs[-1] if self.after is None else self._obs(interface, *self.after))
        steps = []
        for t in range(count):
            last = t == count - 1
            done = bool(self.terminated[t]) or (last and success)
            steps.append(
                Step(
                    action=np.clip(self.action[t], -1.0, 1.0).astype(np.float32),
                    reward=1.0 if last and success else float(self.reward[t]),
                    terminated=done,
                    truncated=last and not done,
                    source=self.source[t],
                )
            )
        return StoredEpisode(name, obs, steps)

    def _require_fit(self, interface: Interface, where: str) -> None:
        wanted = interface.action_size, interface.proprio_size
        found = self.action.shape[1], self.proprio.shape[1]
        if wanted != found:
            raise InterfaceMismatchError(
                f"{where} has {found[0]} actions and {found[1]} numbers of proprio a step, and "
                f"{interface.task} {wanted[0]} and {wanted[1]}. Give --policy FOLDER of a policy "
                "with that robot's interface."
            )

    def _obs(
        self, interface: Interface, frames: Mapping[str, np.ndarray], proprio: np.ndarray
    ) -> Observation:
        obs: Observation = {}
        for camera in interface.cameras:
            frame = cut(frames[camera.name], (), camera.height, camera.width)
            obs[camera.key] = np.ascontiguousarray(frame)
        if interface.proprio:
            obs[PROPRIO] = proprio.astype(np.float32)
        return obs


def require_columns(
    names: Mapping[str, str], there: Sequence[str], where: str, option: str
) -> None:
    """Raise `InterfaceMismatchError` unless all of `names`, ours to theirs, are `there`."""
    missing = {own: theirs for own, theirs in names.items() if theirs not in there}
    if missing:
        own, theirs = next(iter(missing.items()))
        raise InterfaceMismatchError(
            f"{where} has no '{theirs}', which {own} is taken from; it has "
            f"{', '.join(sorted(there)[:12])}. {option}"
        )
