"""Figures of a benchmark on disk, with the machine and the versions they were taken on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from sazon.pipeline.surroundings import machine, versions


def keep(path: Path | None, figures: Sequence[Any] | Mapping[str, Any], **settings: object) -> None:
    """Write figures (dataclasses or mappings) to a JSON file; nothing where no file was asked for.

    Args:
        path: as `--out` gave it.
        figures: name, value, unit, what was asked, and whether it was met.
        settings: what else the figures depend on.
    """
    if path is None:
        return
    load = os.getloadavg()[0]
    environment = {**versions(), **machine(), "platform": platform.platform(), "load": load, **settings}
    if not isinstance(figures, Mapping):
        figures = [asdict(f) if is_dataclass(f) and not isinstance(f, type) else f for f in figures]
    content = {"figures": figures, "environment": environment}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
