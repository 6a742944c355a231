"""Training of the tagger of names: `python -m tools.train_names --data DIR`."""
