"""Predictors that a cascade or a panel is made of: kept where they are, and never exchanged unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sazon.core import digest
from sazon.core.errors import IntegrityError
from sazon.core.seams import Predictor
from sazon.core.types import Answers
from sazon.models.folder import load_folder


@dataclass(frozen=True, kw_only=True)
class Member:
    """One of the predictors a compound is made of."""

    name: str
    path: Path
    """Its artifact folder, relative to the compound's."""
    digest: str

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Member:
        """Read back what `to_json` wrote; KeyError or TypeError where it is not that."""
        return cls(name=str(facts["name"]), path=Path(facts["path"]), digest=str(facts["digest"]))

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return {"name": self.name, "path": self.path.as_posix(), "digest": self.digest}

    def load(self, directory: Path) -> Predictor:
        """Its predictor, if it still is the one that was measured.

        Raises:
            IntegrityError: it is missing or has changed.
        """
        folder = (directory / self.path).resolve()
        if not folder.is_dir() or digest.of_folder(folder) != self.digest:
            raise IntegrityError(
                f"{self.name!r} is missing or changed since what it belongs to was made and certified",
                where=str(folder),
                mend="Any certificate is void; run again to make and certify it anew.",
            )
        return load_folder(folder)


def answered(answers: Answers) -> npt.NDArray[np.bool_]:
    """Shape (n,): which inputs have an answer."""
    if not answers.errors:
        return np.ones(len(answers.labels), dtype=bool)
    return np.array([e is None for e in answers.errors], dtype=bool)


def all_here(predictor: Predictor) -> bool:
    """Whether every part of a predictor runs here, so that it can answer any text, not only known ones."""
    parts = getattr(predictor, "parts", ())
    return all(all_here(part) for part in parts) if parts else predictor.can.runs_here
