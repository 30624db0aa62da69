"""One module per command of the command line; the heavy imports live here, not in `cli`."""
