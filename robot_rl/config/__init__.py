"""Plain data to frozen dataclasses, composition with Hydra, and what a resumed run may change."""
