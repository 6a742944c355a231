"""Predictors: whatever answers inputs, loaded from a folder that holds only numbers and JSON."""

from sazon.models.base import resolve_base
from sazon.models.folder import load, load_folder

__all__ = ["load", "load_folder", "resolve_base"]
