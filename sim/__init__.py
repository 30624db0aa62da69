"""MuJoCo simulation: arm tasks, suites behind the same interface, one renderer for all."""

from sim.gl import select_backend

# MuJoCo, dm_control and PyOpenGL read the backend when they are imported.
select_backend()
