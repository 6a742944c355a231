"""Where a run happens: versions, machine, cache."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sazon.core import __version__

PACKAGES = ("numpy", "scipy", "polars", "scikit-learn", "torch", "transformers", "peft", "flwr")


def versions() -> dict[str, str]:
    """Versions of sazon, Python and the packages that the numbers depend on."""
    found = {"sazon": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int | None]:
    """System, processor family and cores: timings belong to a machine."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}


def cache_folder() -> Path:
    """Folder for what can be made again: embeddings and downloads."""
    root = os.environ.get("SAZON_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sazon"
