"""The composition root: what a run is made from, and how it is put together."""
