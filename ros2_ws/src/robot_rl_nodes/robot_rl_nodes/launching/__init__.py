"""Runs standard ROS 2 launch files where the package `launch` is not installed."""
