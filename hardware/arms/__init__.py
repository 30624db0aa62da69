"""Drivers of arms that people own. Each says in its page in docs/hardware/ what has proved it."""
