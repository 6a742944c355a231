"""Training over sites whose rows may not move: only weights travel."""
