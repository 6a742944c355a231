"""Predictors: whatever answers inputs, loaded from a folder that holds only numbers and JSON."""

import os

from sazon.models.base import resolve_base
from sazon.models.folder import load, load_bare, load_folder

# Idle OpenMP threads spin by default; beside any other busy process that made training and
# answering five to ten times slower (docs/log.md). Read once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = ["load", "load_bare", "load_folder", "resolve_base"]
