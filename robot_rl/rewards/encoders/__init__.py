"""What turns frames, and sentences, into vectors that a reward model compares."""
