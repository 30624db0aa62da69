"""The arm suite."""

from sim.tasks.base import ArmTask
from sim.tasks.cable_route import CableRoute
from sim.tasks.door import Door
from sim.tasks.golf import Golf
from sim.tasks.lift import Lift
from sim.tasks.peg_insert import PegInsert
from sim.tasks.push import Push
from sim.tasks.reach import Reach
from sim.tasks.stack import Stack

ARM_TASKS: dict[str, type[ArmTask]] = {
    task.name: task for task in (Reach, Push, Lift, Stack, Door, Golf, CableRoute, PegInsert)
}

__all__ = ["ARM_TASKS", "ArmTask", "Lift", "Push", "Reach"]
