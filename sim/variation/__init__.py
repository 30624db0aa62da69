"""Looks, physics and delays that differ between episodes, for policies that shall transfer."""
