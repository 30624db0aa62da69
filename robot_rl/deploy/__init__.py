"""What runs on a robot: light to import."""
