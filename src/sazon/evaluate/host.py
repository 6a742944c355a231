"""Technique `host`: a large open model on hardware the organisation buys or rents for itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from sazon.core.config import refuse
from sazon.core.seams import Job
from sazon.core.types import Candidate, Splits
from sazon.evaluate.sources import QualitySource, candidate_from


class HostConfig(QualitySource):
    """Options of a `host` candidate."""

    model: str = Field(min_length=1)
    """The open model, e.g. `llama-3.3-70b`."""
    gpu: str = "h100"
    """The GPU it runs on, as the hardware catalogue names it."""
    tenure: Literal["rent", "buy"] = "rent"
    """Whether the hardware is rented or bought."""
    provider: str | None = Field(default=None, min_length=1)
    """Name, in the section `providers`, of the server to ask; needed where it is live."""

    @model_validator(mode="after")
    def _somebody_to_ask(self) -> Self:
        if self.live and self.provider is None:
            raise refuse(
                "live, but nobody to ask", "Name the server: provider: NAME, from the section providers."
            )
        return self


class Host:
    """Runs a large open model under the organisation's own control, in the house or on rented machines."""

    stage: ClassVar[Literal["evaluate"]] = "evaluate"
    Config = HostConfig

    def parents(self, config: HostConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def make(
        self,
        config: HostConfig,
        *,
        splits: Splits,
        parents: Mapping[str, Candidate],
        job: Job,
        root: Path = Path(),
    ) -> Candidate:
        """The candidate; its cost and latency come from the capacity model of economics.

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
        facts = {"model": config.model, "gpu": config.gpu, "tenure": config.tenure}
        return candidate_from(
            config,
            technique="host",
            model=config.model,
            placement="cloud" if config.tenure == "rent" else "local",
            providers=(),
            facts=facts,
            splits=splits,
            job=job,
            root=root,
        )
