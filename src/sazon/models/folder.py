"""A predictor's folder: `predictor.json` says which predictor it is, beside its numbers.

Numbers are kept as .npz or .safetensors and the rest as JSON: nothing is ever unpickled.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sazon.core import digest, registry
from sazon.core.errors import IntegrityError
from sazon.core.run import write_aside
from sazon.core.seams import Predictor
from sazon.core.types import Candidate
from sazon.models.unknown import BELOW, Cautious

FACTS = "predictor.json"


def load(candidate: Candidate) -> Predictor:
    """The predictor of a candidate, after checking that its folder is what was made.

    Raises:
        IntegrityError: the candidate has no artifact, or its content has changed.
    """
    return load_folder(_checked(candidate))


def load_bare(candidate: Candidate) -> Predictor:
    """The same without its threshold, for who learns from its probabilities; see `load`."""
    return _bare(_checked(candidate))


def _checked(candidate: Candidate) -> Path:
    if candidate.artifact is None:
        raise IntegrityError(
            f"the candidate {candidate.name!r} has nothing that runs here",
            mend="Its quality is assumed or published; only measured candidates can answer.",
        )
    folder = candidate.artifact.path
    if not folder.is_dir() or digest.of_folder(folder) != candidate.artifact.digest:
        raise IntegrityError(
            f"the artifact of {candidate.name!r} is missing or was changed after it was made",
            where=str(folder),
            mend="Remove its folder and run again.",
        )
    return folder


def load_folder(folder: Path) -> Predictor:
    """The predictor in a folder, by the name its `predictor.json` gives, with its threshold if it has one.

    Raises:
        IntegrityError: there is no readable `predictor.json`.
        PluginError: the predictor it names is unknown.
    """
    found, threshold = _bare(folder), read_facts(folder).get(BELOW)
    return found if threshold is None else cast(Predictor, Cautious(found, threshold=float(threshold)))


def _bare(folder: Path) -> Predictor:
    kind = registry.load("predictor", str(read_facts(folder).get("predictor")))
    return cast(Predictor, kind.load(folder))


def read_facts(folder: Path) -> dict[str, Any]:
    """What `predictor.json` says.

    Raises:
        IntegrityError: it is missing or not JSON.
    """
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            "no readable predictor here", where=str(path), mend="Remove its folder and run again."
        ) from error
    return cast(dict[str, Any], facts)


def write_facts(folder: Path, predictor: str, facts: Mapping[str, Any]) -> None:
    """Write `predictor.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"predictor": predictor} | dict(facts), ensure_ascii=False, indent=1, sort_keys=True)
    write_aside(folder / FACTS, text + "\n")


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an .npz file, without pickle.

    Raises:
        IntegrityError: it is missing, cut or not an .npz file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            "cannot read the predictor's numbers", where=str(path), mend="Remove its folder and run again."
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an .npz file whose bytes depend on nothing but the arrays."""
    # The zip members carry a fixed date (numpy writes 1980-01-01), so equal numbers have equal digests.
    with path.open("wb") as file:
        np.savez(file, **cast(dict[str, Any], dict(arrays)))
