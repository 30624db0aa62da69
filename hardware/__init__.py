"""Arms and cameras behind two protocols, simulated ones among them, and `RobotEnv` on top."""
