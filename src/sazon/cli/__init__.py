"""The command line: parse, call, print. No logic lives here."""

from sazon.cli.main import main

__all__ = ["main"]
