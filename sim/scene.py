"""The table, with an arm on it."""

from pathlib import Path

import mujoco

from sim.arms.model import ArmModel, Point

_TABLE_EDGE_M = -0.15
_FLOOR_M = -0.6
_ASSET = Path(__file__).parent / "assets" / "scene.xml"


def with_arm(kind: ArmModel) -> mujoco.MjSpec:
    """The scene, to add a task's objects to. Raises `MissingPackageError` as `kind.load` does."""
    arm = kind.load()
    for body in arm.bodies:
        body.gravcomp = 1.0  # industrial arms compensate their own weight
    scene = mujoco.MjSpec.from_file(str(_ASSET))
    _add_stand(scene, kind.mount_m)
    scene.attach(arm, frame=scene.worldbody.add_frame(pos=kind.mount_m), prefix="")
    return scene


def _add_stand(scene: mujoco.MjSpec, mount_m: Point) -> None:
    """What an arm stands on that is not on the table: a pillar behind it, or a block."""
    x, y, top = mount_m
    behind = x < _TABLE_EDGE_M
    if top <= 0.0 and not behind:
        return
    middle, deep, wide = (_TABLE_EDGE_M - 0.1, 0.1, 0.15) if behind else (x, 0.06, 0.06)
    half = (top - _FLOOR_M if behind else top) / 2
    scene.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[deep, wide, half],
        pos=[middle, y, top - half],
        rgba=[0.3, 0.3, 0.32, 1],
        contype=0,
        conaffinity=0,
        group=1,
    )
