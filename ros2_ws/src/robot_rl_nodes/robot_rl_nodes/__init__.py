"""Thin ROS 2 nodes: topics and parameters in, calls into `robot_rl` and `hardware` out."""
