"""The travelling types as files: JSON for people and machines, npz for arrays."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from sazon.core import types
from sazon.core.errors import IntegrityError
from sazon.core.types import Candidate, Costs, QualityDraws

T = TypeVar("T")
ARRAYS_BY_NAME = ("parts", "drawn")
ARRAYS = ("values", *ARRAYS_BY_NAME)
"""Fields of `Costs` that are arrays and go to the npz file."""


def to_json(value: Any) -> str:
    """Any of sazon's types (without arrays) as indented JSON."""
    from pydantic import TypeAdapter

    raw: bytes = TypeAdapter(type(value)).dump_json(value, indent=1)
    return raw.decode("utf-8") + "\n"


def from_json(kind: type[T], text: str, *, where: str) -> T:
    """Read back what `to_json` wrote.

    Raises:
        IntegrityError: the text is not a `kind`.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise IntegrityError(
            f"not a valid {kind.__name__}",
            where=where,
            mend="The file was changed or cut; remove its folder and run again.",
        ) from error


def write_candidate(candidate: Candidate, folder: Path) -> None:
    """Write `candidate.json`; the artifact's path is kept relative, so that a run can move."""
    if candidate.artifact is not None:
        relative = candidate.artifact.path.relative_to(folder)
        candidate = replace(candidate, artifact=replace(candidate.artifact, path=relative))
    (folder / "candidate.json").write_text(to_json(candidate), encoding="utf-8")


def read_candidate(folder: Path) -> Candidate:
    """Read `candidate.json` with the artifact's path where it stands now."""
    path = folder / "candidate.json"
    candidate = from_json(Candidate, path.read_text("utf-8"), where=str(path))
    if candidate.artifact is None:
        return candidate
    return replace(candidate, artifact=replace(candidate.artifact, path=folder / candidate.artifact.path))


def write_quality(quality: QualityDraws, folder: Path) -> None:
    """Write `quality.npz` and `quality.json`."""
    np.savez(folder / "quality.npz", values=quality.values)
    names = {"candidates": quality.candidates, "metrics": quality.metrics, "kinds": dict(quality.kinds)}
    (folder / "quality.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def read_quality(folder: Path) -> QualityDraws:
    """Read what `write_quality` wrote."""
    names = json.loads((folder / "quality.json").read_text("utf-8"))
    with np.load(folder / "quality.npz", allow_pickle=False) as arrays:
        values = arrays["values"]
    return QualityDraws(
        values=values,
        candidates=tuple(names["candidates"]),
        metrics=tuple(names["metrics"]),
        kinds=names["kinds"],
    )


def write_costs(costs: Costs, folder: Path) -> None:
    """Write `costs.npz` (the draws) and `costs.json` (all else)."""
    from pydantic import TypeAdapter

    arrays = {"values": costs.values}
    for name in ARRAYS_BY_NAME:
        arrays |= {f"{name}/{key}": array for key, array in getattr(costs, name).items()}
    np.savez(folder / "costs.npz", allow_pickle=False, **arrays)
    rest = {f.name: getattr(costs, f.name) for f in fields(costs) if f.name not in ARRAYS}
    (folder / "costs.json").write_bytes(TypeAdapter(dict[str, Any]).dump_json(rest, indent=1) + b"\n")


def read_costs(folder: Path) -> Costs:
    """Read what `write_costs` wrote."""
    from pydantic import TypeAdapter

    rest = json.loads((folder / "costs.json").read_text("utf-8"))
    hints = get_type_hints(Costs, vars(types) | {"pl": Any})
    typed = {name: TypeAdapter(hints[name]).validate_python(value) for name, value in rest.items()}
    with np.load(folder / "costs.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    for name in ARRAYS_BY_NAME:
        start = f"{name}/"
        typed[name] = {k.removeprefix(start): a for k, a in arrays.items() if k.startswith(start)}
    return Costs(values=arrays["values"], **typed)
