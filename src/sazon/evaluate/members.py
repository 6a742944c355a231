"""Candidates that are made of other measured candidates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sazon.core.errors import DataError
from sazon.core.types import Artifact, Candidate

if TYPE_CHECKING:
    from sazon.models.member import Member


def measured(parents: Mapping[str, Candidate], name: str, *, what: str, of: str) -> Candidate:
    """A parent that can answer.

    Args:
        parents: by name.
        name: whom.
        what: `a cascade` or `a panel`, for the message.
        of: the candidate it is for.

    Raises:
        DataError: its quality is only published or assumed.
    """
    candidate = parents[name]
    if candidate.artifact is None:
        raise DataError(
            f"{what} needs answers, and the quality of {name!r} is only {candidate.kind}",
            where=f"candidates.{of}",
            mend="Record its answers first.",
        )
    return candidate


def member(candidate: Candidate, directory: Path) -> Member:
    """Where a parent's artifact stands, seen from the compound's, so that a run can be moved."""
    from sazon.models.member import Member

    artifact = cast(Artifact, candidate.artifact)
    path = os.path.relpath(artifact.path.resolve(), directory.resolve())
    return Member(name=candidate.name, path=Path(path), digest=artifact.digest)
