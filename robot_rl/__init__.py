"""Visual reinforcement learning for real robots: train in simulation, correct, deploy."""

__version__ = "0.1.0"
