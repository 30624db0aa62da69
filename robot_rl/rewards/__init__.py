"""Rewards that are learned from what was seen."""
