"""The evidence as strict JSON for machines: every estimate and claim, no draws, no NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from sazon.core.words import LANGUAGES, Phrase
from sazon.report.evidence import Evidence

FORMAT = "sazon.report/1"


def render(evidence: Evidence) -> str:
    """Indented JSON, keys as the types name them; the draws stay in the run directory."""
    content = {"format": FORMAT, "currency": evidence.currency, **_plain(evidence)}
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """JSON's own types; arrays are left out, what is not finite is null."""
    if isinstance(value, Phrase):
        told = {language: value.words(language) for language in LANGUAGES}
        return {"package": value.package, "key": value.key, "values": _plain(value.values)} | told
    if is_dataclass(value) and not isinstance(value, type):
        held = {f.name: getattr(value, f.name) for f in fields(value)}
        return {k: _plain(v) for k, v in held.items() if not isinstance(v, np.ndarray)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if not isinstance(v, np.ndarray)}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
