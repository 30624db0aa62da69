"""Friction, masses, servo gains, damping and dry joints of a model."""

import mujoco
import numpy as np

from robot_rl.envs.variation import VariationConfig
from sim.variation.draw import Draw

# The model's arrays that each factor multiplies.
_MULTIPLIED = {
    "friction": ("geom_friction", "pair_friction"),
    "mass": ("body_mass", "body_inertia"),
    "gain": ("actuator_gainprm", "actuator_biasprm"),
    "damping": ("dof_damping",),
}


class Physics:
    """Sets what `config` varies from the model as it was built."""

    def __init__(self, config: VariationConfig, model: mujoco.MjModel) -> None:
        varied = [name for name in _MULTIPLIED if name in config.varied]
        self._model = model
        self._built = {
            name: {array: getattr(model, array).copy() for array in _MULTIPLIED[name]}
            for name in varied
        }
        self._dry = "joint_friction_n_m" in config.varied
        self._motors, self._friction = _motors(model), model.dof_frictionloss.copy()
        # MuJoCo derives constants from the masses, and needs data of its own to do so.
        self._scratch = mujoco.MjData(model) if "mass" in varied else None

    def apply(self, draw: Draw) -> None:
        for name, arrays in self._built.items():
            for array, built in arrays.items():
                getattr(self._model, array)[:] = draw.scalars[name] * built
        if self._dry:
            more = draw.scalars["joint_friction_n_m"]
            self._model.dof_frictionloss[self._motors] = self._friction[self._motors] + more
        if self._scratch is not None:
            _derive_constants(self._model, self._scratch)


def _motors(model: mujoco.MjModel) -> np.ndarray:
    """Degrees of freedom of the hinges that actuators move; fingers that slide are none."""
    joints = model.actuator_trnid[:, 0][model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT]
    return model.jnt_dofadr[joints[model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_HINGE]]


def _derive_constants(model: mujoco.MjModel, scratch: mujoco.MjData) -> None:
    """`mj_setConst`, but for the statistics: what a camera clips depends on their extent."""
    extent, meansize, center = model.stat.extent, model.stat.meansize, model.stat.center.copy()
    mujoco.mj_setConst(model, scratch)
    model.stat.extent, model.stat.meansize = extent, meansize
    model.stat.center[:] = center
