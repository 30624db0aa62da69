"""Side-by-side measurements. `robot-rl bench` runs them; `results/` holds what they wrote."""
