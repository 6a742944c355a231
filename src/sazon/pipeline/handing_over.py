"""Hand a candidate's artifact over: its folder, a label map others can read, and a model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sazon import models, report
from sazon.core import digest, files, registry
from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError
from sazon.core.run import read_resolved, readable_disk_errors, write_aside
from sazon.core.types import Candidate, Estimate, Evaluation

LOAD = """from pathlib import Path
from sazon import models

model = models.load_folder(Path("{folder}"))
print(model.predict(["{example}"]).labels)"""


def export(directory: Path, name: str, *, out: Path) -> Path:
    """Copy a candidate of a run into a folder of its own, with cards in English and Spanish.

    Args:
        directory: of the run.
        name: of the candidate.
        out: folder to make; it must not exist, or be empty.

    Raises:
        EnvironmentLacks: no run here, or the candidate is not made yet.
        RecipeError: no such candidate, nothing of it runs here, or `out` holds something.
        IntegrityError: the artifact was changed after it was made, or cannot be read back.
    """
    resolved = read_resolved(directory)
    folder = directory / "adapt" / name
    known = sorted(p.parent.name for p in directory.glob("adapt/*/candidate.json"))
    if name not in known:
        if not known:
            raise EnvironmentLacks(
                "no candidate of this run is made yet",
                where=str(directory),
                mend=f"Finish it: sazon run {directory}",
            )
        raise registry.unknown("candidate", name, known)
    candidate = files.read_candidate(folder)
    if candidate.artifact is None:
        here = [n for n in known if files.read_candidate(directory / "adapt" / n).artifact is not None]
        raise RecipeError(
            "nothing of this candidate runs here: its quality was assumed or published",
            where=name,
            mend=f"Export one that was trained: {', '.join(here)}.",
        )
    classes = models.load(candidate).classes  # refuses what was changed or cannot answer
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecipeError("the folder holds something already", where=str(out), mend="Name another --out.")
    with readable_disk_errors(out):
        shutil.copytree(candidate.artifact.path, out, dirs_exist_ok=True)
        _require_same(candidate, out)
        _label_map(out, classes)
        _cards(directory, candidate, classes, resolved, out)
    return out


def _require_same(candidate: Candidate, out: Path) -> None:
    """Raise where the copy is not what was made."""
    if candidate.artifact is None or digest.of_folder(out) != candidate.artifact.digest:
        raise IntegrityError(
            "the copy differs from the artifact", where=str(out), mend="Check the disk and export again."
        )


def _label_map(out: Path, classes: tuple[str, ...]) -> None:
    """Write the labels into a transformer's config.json, where its users look for them."""
    config = out / "config.json"
    if not config.is_file() or not classes:
        return
    facts: dict[str, Any] = json.loads(config.read_text("utf-8"))
    facts["id2label"] = {str(i): label for i, label in enumerate(classes)}
    facts["label2id"] = {label: i for i, label in enumerate(classes)}
    write_aside(config, json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def _cards(
    directory: Path, candidate: Candidate, classes: tuple[str, ...], resolved: dict[str, Any], out: Path
) -> None:
    base = (candidate.base or "").partition("@")[0]
    facts = report.CardFacts(
        task=str(resolved["recipe"]["name"]),
        classes=classes,
        base_source=str(resolved["bases"].get(base, {}).get("source", "")),
        data_digest=str(resolved["splits"]["fit"]),
        data_licence=str(resolved["recipe"]["data"].get("licence") or ""),
        test=_on_test(directory, candidate.name),
        load=LOAD.format(folder=out.name, example="…"),
    )
    write_aside(out / "README.md", report.card(candidate, facts, "en"))
    write_aside(out / "README.es.md", report.card(candidate, facts, "es"))


def _on_test(directory: Path, name: str) -> dict[str, Estimate]:
    path = directory / "evaluate" / "estimates.json"
    if not path.is_file():
        return {}
    found = files.from_json(Evaluation, path.read_text("utf-8"), where=str(path))
    return dict(found.estimates.get(name, {}))
