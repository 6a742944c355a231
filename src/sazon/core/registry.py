"""The one plug-in mechanism: a seam, a name, an object found by entry point.

Built-ins are declared in pyproject.toml exactly as somebody else's plug-in would be
(`[project.entry-points."sazon.technique"]`), and nothing is imported before it is asked for.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sazon.core.errors import EnvironmentLacks, PluginError

SEAMS = ("technique", "predictor", "scorer", "detector")
EXTRA_OF_PACKAGE = {
    "torch": "adapt",
    "transformers": "adapt",
    "peft": "adapt",
    "trl": "adapt",
    "sklearn": "adapt",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "flwr": "federate",
    "pg8000": "postgres",
    "starlette": "gateway",
    "uvicorn": "gateway",
    "aiohttp": "gateway",
}


@cache
def _entries(seam: str) -> dict[str, EntryPoint]:
    if seam not in SEAMS:
        raise PluginError(f"no seam {seam!r}", mend=f"The seams are {', '.join(SEAMS)}.")
    return {entry.name: entry for entry in entry_points(group=f"sazon.{seam}")}


def names(seam: str) -> list[str]:
    """All names known for a seam, sorted."""
    return sorted(_entries(seam))


def unknown(kind: str, name: str, known: list[str], *, where: str = "") -> PluginError:
    """The error for a name that is not there, with the nearest known ones."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    listed = f"Known: {', '.join(known)}." if known else "None is known here."
    return PluginError(f"unknown {kind} {name!r}", where=where, mend=f"{hint}{listed}")


def load(seam: str, name: str) -> Any:
    """Import and return what `name` stands for.

    Raises:
        PluginError: unknown name (with the nearest known one).
        EnvironmentLacks: the plug-in needs a package that is not installed.
    """
    entries = _entries(seam)
    if name not in entries:
        raise unknown(seam, name, sorted(entries))
    with packages_for(f"{seam} {name!r}"):
        return entries[name].load()


@contextlib.contextmanager
def packages_for(purpose: str) -> Iterator[None]:
    """Work that may import a package that is not installed.

    Raises:
        EnvironmentLacks: such a package, with the line that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sazon."):
            raise
        raise lacking(error.name or str(error), purpose=purpose) from error


def lacking(module: str, *, purpose: str) -> EnvironmentLacks:
    """The error for a missing package, with the line that installs it."""
    package = module.split(".")[0]
    extra = EXTRA_OF_PACKAGE.get(package)
    line = f"pip install 'sazon[{extra}]'" if extra else f"pip install {package}"
    return EnvironmentLacks(f"{purpose} needs the package {package!r}", mend=f"Run: {line}")
