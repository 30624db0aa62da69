"""Everything that varies in one simulation, drawn anew for every episode."""

from typing import Any

import mujoco
import numpy as np

from robot_rl.envs.variation import VariationConfig
from sim.rig import CameraRig, Optics
from sim.variation.clips import FRAMES, RATE_HZ, clips
from sim.variation.commands import Commands
from sim.variation.draw import Draw, draw
from sim.variation.lens import Lens
from sim.variation.look import Look
from sim.variation.physics import Physics
from sim.variation.surfaces import Patterns, hide


class Variation:
    """Varies `model` as `config` says. Made before the rig that draws it, which it then watches."""

    def __init__(
        self, config: VariationConfig, model: mujoco.MjModel, action_size: int, rate_hz: float
    ) -> None:
        self._config, self._model = config, model
        hide(model, config.background)
        self._patterns = Patterns(model) if "texture" in config.varied else None
        hides = config.background != "nothing"
        self._clips = clips(config.clips, config.held_out) if hides else ()
        self._physics = Physics(config, model)
        self._commands = Commands(action_size, rate_hz)
        self.seed = 0
        self.optics = Optics()

    def watch(self, rig: CameraRig) -> None:
        """The rig has placed its cameras: from there they are varied."""
        self._rig = rig
        self._look = Look(self._config, self._model, rig.ids)

    def begin(self, seed: int) -> dict[str, float]:
        """Set the model for an episode, before it is put into its first state; what was drawn."""
        self.seed = seed
        drawn = draw(self._config, seed, tuple(self._rig.ids))
        self._look.apply(drawn)
        self._physics.apply(drawn)
        self._commands.begin(drawn)
        if self._patterns is not None and self._patterns.apply(drawn):
            self._rig.upload_texture(self._patterns.texture)
        behind, clip = self._background(drawn)
        self.optics = Optics(
            behind=behind,
            lenses=self._lenses(drawn),
            delay_s=drawn.scalars.get("camera_delay_s", 0.0),
            noise_std=drawn.scalars.get("camera_noise", 0.0),
        )
        return drawn.record() | clip

    def arrive(self, action: np.ndarray) -> np.ndarray:
        """What acts where `action` [A] was sent."""
        return self._commands.arrive(action)

    def _background(self, drawn: Draw) -> tuple[Any, dict[str, float]]:
        if not self._clips:
            return None, {}
        rng = drawn.generator("background")
        number, start_s = int(rng.integers(len(self._clips))), rng.uniform(0, FRAMES / RATE_HZ)
        clip = self._clips[number]
        told = {"background_clip": float(number), "background_start_s": start_s}
        return lambda time_s, height, width: clip.at(start_s + time_s, height, width), told

    def _lenses(self, drawn: Draw) -> dict[str, Any]:
        if "camera_distortion" not in self._config.varied:
            return {}
        return {
            name: Lens(values["camera_distortion"][0], *self._rig.source_size(name)).bend
            for name, values in drawn.cameras.items()
        }
