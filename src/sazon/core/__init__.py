"""Types, errors, located YAML, random streams, digests, runs, plug-ins, words."""

__version__ = "0.1.0"
