"""Lens and mount of a camera, from pictures of a ChArUco board."""
