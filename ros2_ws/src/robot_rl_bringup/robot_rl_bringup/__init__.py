"""Launch files and settings of the graph, and the demo that runs it."""
