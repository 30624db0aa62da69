"""arm/peg_insert: put a square peg, held in the hand, into a square hole."""

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.tasks.base import ArmTask, closeness, toward

CLEARANCE_M = 0.002
_PEG_HALF_M = 0.008
_PEG_BELOW_TCP_M = 0.05
_HOLE_HALF_M = _PEG_HALF_M + CLEARANCE_M
_WALL_HALF_M = 0.012
_TOP_M = 0.04
_LOW, _HIGH = np.array([0.30, -0.12]), np.array([0.44, 0.12])
_START_LOW, _START_HIGH = np.array([0.32, -0.08, 0.14]), np.array([0.42, 0.08, 0.20])
_HOVER_M = 0.015
_TOOL_ROLL_RAD = (-2 * np.pi, 2 * np.pi)


class PegInsert(ArmTask):
    """The peg has 2 mm of play on each side; success is its depth in the hole."""

    name = "peg_insert"
    summary = "put a 16 mm square peg into a hole at a random place, 2 mm of clearance a side"
    cameras = ("front", "wrist")
    episode_s = 6.0
    depth_m = 0.02
    state_fields = (ProprioField(name="tip_to_hole", unit="m", size=3),)

    def build(self, spec: mujoco.MjSpec) -> None:
        # The arm's own range ends where the tool points down squarely; a square peg needs that yaw.
        spec.joint("tool_roll").range = _TOOL_ROLL_RAD
        spec.actuator("tool_roll").ctrlrange = _TOOL_ROLL_RAD
        hand = spec.body("hand")
        tcp = spec.site("tcp").pos
        length_m = _PEG_BELOW_TCP_M + 0.01
        hand.add_geom(
            name="peg",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            rgba=(0.95, 0.75, 0.15, 1),
            mass=0.03,
            size=[_PEG_HALF_M, _PEG_HALF_M, length_m / 2],
            friction=[0.3, 0.005, 0.0001],
            pos=tcp + np.array([0, 0, _PEG_BELOW_TCP_M - length_m / 2]),
        )
        socket = spec.worldbody.add_body(name="socket", mocap=True)
        across = _HOLE_HALF_M + _WALL_HALF_M
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            # The walls along y are longer, so that the corners are closed.
            long = across + _WALL_HALF_M if x else _HOLE_HALF_M
            socket.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=[x * across, y * across, _TOP_M / 2],
                size=[_WALL_HALF_M if x else long, long if x else _WALL_HALF_M, _TOP_M / 2],
                rgba=(0.2, 0.35, 0.6, 1),
                friction=[0.3, 0.005, 0.0001],
            )

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        arm.reset(rng.uniform(_START_LOW, _START_HIGH), gripper_opening=_PEG_HALF_M)
        arm.data.mocap_pos[0] = (*rng.uniform(_LOW, _HIGH), 0.0)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        return self.tip_to_hole(arm)

    def tip_to_hole(self, arm: Arm) -> np.ndarray:
        """[3] m from the middle of the peg's tip to the middle of the hole's mouth."""
        tip = arm.tcp_pos - (0.0, 0.0, _PEG_BELOW_TCP_M)
        return arm.data.mocap_pos[0] + (0.0, 0.0, _TOP_M) - tip

    def at_goal(self, arm: Arm) -> bool:
        gap = self.tip_to_hole(arm)
        return bool(gap[2] > self.depth_m and np.abs(gap[:2]).max() < 2 * CLEARANCE_M)

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        gap = self.tip_to_hole(arm)
        across_m = float(np.linalg.norm(gap[:2]))
        distance_m = float(np.linalg.norm(gap))
        depth = min(max(gap[2] / self.depth_m, 0.0), 1.0) if across_m < 2 * CLEARANCE_M else 0.0
        # The second slope leads the last centimetre, where the first is flat.
        return (
            0.25 * closeness(distance_m, 0.3)
            + 0.25 * closeness(across_m, 0.02)
            + 0.3 * float(depth)
        )

    def expert_action(self, arm: Arm) -> np.ndarray:
        gap, tcp = self.tip_to_hole(arm), arm.tcp_pos
        hole = tcp[:2] + gap[:2]
        across_m = float(np.abs(gap[:2]).max())
        if across_m < 0.75 * CLEARANCE_M or (across_m < 2 * CLEARANCE_M and gap[2] > 0):
            return toward(arm, np.array([*hole, tcp[2] + gap[2] - 1.5 * self.depth_m]))
        over = hole if gap[2] < 0 else tcp[:2]  # rise beside the block before travelling
        return toward(arm, np.array([*over, tcp[2] + gap[2] + _HOVER_M]))
