"""Environments, simulated and real: how they are opened, wrapped and described."""
