"""Recorded episodes: bags as they are written on a robot, and what is made of them."""
