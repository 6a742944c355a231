"""Types, errors, located YAML, random streams, digests, runs, plug-ins, words."""
