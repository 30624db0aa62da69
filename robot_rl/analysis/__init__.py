"""Intervals, learning curves, plots and videos."""
