"""Actors in processes of their own: they collect, one learner learns, and neither waits."""
