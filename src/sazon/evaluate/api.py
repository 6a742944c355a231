"""Technique `api`: somebody else's model behind an API, asked live, recorded, published or assumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from sazon.core.seams import Job
from sazon.core.types import Candidate, Splits
from sazon.evaluate.sources import QualitySource, candidate_from


class ApiConfig(QualitySource):
    """Options of an `api` candidate."""

    provider: str = Field(min_length=1)
    """Name of the provider in the section `providers`."""


class Api:
    """Rents the frontier: every request leaves."""

    stage: ClassVar[Literal["evaluate"]] = "evaluate"
    Config = ApiConfig

    def parents(self, config: ApiConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def make(
        self,
        config: ApiConfig,
        *,
        splits: Splits,
        parents: Mapping[str, Candidate],
        job: Job,
        root: Path = Path(),
    ) -> Candidate:
        """The candidate, with its recording as artifact where there is one.

        Args:
            config: options.
            splits: to see that the recording belongs to this data.
            parents: none.
            job: where the artifact goes.
            root: folder that `recorded` is relative to.

        Raises:
            DataError: not a recording, or one that belongs to other data.
            PolicyRefused: live, and not recorded yet.
        """
        return candidate_from(
            config,
            technique="api",
            model=None,
            placement="cloud",
            providers=(config.provider,),
            facts={"provider": config.provider},
            splits=splits,
            job=job,
            root=root,
        )
