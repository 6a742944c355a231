"""SHA-256 digests of text, JSON-like values, files and folders, stable over machines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def of_bytes(content: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def of_text(*parts: str) -> str:
    """Digest of several texts; each is length-prefixed so that no two splits collide."""
    state = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.hexdigest()


def of_json(value: Any) -> str:
    """Digest of a JSON-like value, independent of key order."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return of_bytes(canonical.encode("utf-8", "surrogatepass"))


def of_file(path: Path) -> str:
    """Digest of a file's bytes, read in blocks."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


def of_folder(folder: Path, *, leave_out: Iterable[str] = ()) -> str:
    """Digest of every file below a folder: relative names and contents."""
    left_out = set(leave_out)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in left_out)
    return of_text(*(part for p in files for part in (p.relative_to(folder).as_posix(), of_file(p))))
