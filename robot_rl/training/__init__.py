"""What a run consists of: a collector, a learner, and how they are arranged."""
