"""Arms and cameras behind one protocol each."""
