"""Technique `panel`: several measured candidates answer together, and whether that was worth it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from sazon.core import digest
from sazon.core.config import Config, refuse
from sazon.core.errors import RecipeError
from sazon.core.seams import Job
from sazon.core.types import Artifact, Candidate, Estimate, Placement, Splits
from sazon.evaluate.claims import pair
from sazon.evaluate.graded import Graded
from sazon.evaluate.members import measured, member
from sazon.stats import clusters


class PanelConfig(Config):
    """Options of a `panel` candidate."""

    members: list[str] = Field(min_length=2)
    """Measured candidates that answer every request together; each of them is paid for."""
    rule: Literal["average", "vote"] | None = None
    """`average` the members' probabilities, or let them `vote`; by default average where all give
    probabilities over the same classes, else vote."""

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise refuse("a member is named twice", "Name each member once.")
        return self


class Panel:
    """Several candidates as one."""

    stage: ClassVar[Literal["evaluate"]] = "evaluate"
    Config = PanelConfig

    def parents(self, config: PanelConfig) -> tuple[str, ...]:
        """The members, in their order."""
        return tuple(config.members)

    def make(
        self,
        config: PanelConfig,
        *,
        splits: Splits,
        parents: Mapping[str, Candidate],
        job: Job,
        root: Path = Path(),
    ) -> Candidate:
        """Put the members together; nothing is fitted, so no rows are used.

        Args:
            config: options.
            splits: unused.
            parents: all measured.
            job: where the artifact goes.
            root: unused.

        Raises:
            DataError: a member cannot answer.
            RecipeError: the members cannot be averaged.
        """
        from sazon import models
        from sazon.models.panel import PanelPredictor, rule_for

        members = [measured(parents, n, what="a panel", of=job.name) for n in config.members]
        loaded = {c.name: models.load(c) for c in members}
        rule = config.rule or rule_for(tuple(loaded.values()))
        try:
            panel = PanelPredictor(loaded, rule=rule)
        except ValueError as error:
            raise RecipeError(
                str(error), where=f"candidates.{job.name}.rule", mend="Write rule: vote, or leave it out."
            ) from error
        where = [member(c, job.directory) for c in members]
        PanelPredictor.save(job.directory, members=where, rule=rule, classes=panel.classes)
        return Candidate(
            name=job.name,
            technique="panel",
            parents=tuple(config.members),
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            placement=_placement(members),
            providers=tuple(dict.fromkeys(p for c in members for p in c.providers)),
            facts={"rule": rule},
        )


def _placement(members: list[Candidate]) -> Placement:
    """Every member sees every request, so one that is elsewhere takes all of them there."""
    places = {c.placement for c in members}
    return "cloud" if "cloud" in places else "hybrid" if "hybrid" in places else "local"


def beside_members(
    candidate: Candidate, graded: Mapping[str, Graded], *, level: float
) -> dict[str, Estimate]:
    """For a panel, how often its members differ and what it gains; nothing for other candidates.

    `disagreement`: share of rows, among those all members answered, on which not all say the same.
    `gain_on_best_member`: its accuracy less that of the member best on the same test rows. The member
    is picked on these rows, which flatters it, so the gain is understated rather than overstated.

    Args:
        candidate: any.
        graded: all measured candidates by name.
        level: nominal coverage.
    """
    if candidate.technique != "panel":
        return {}
    members = [graded[name] for name in candidate.parents]
    heard = np.logical_and.reduce([m.answered for m in members])
    said = zip(*(m.sheet.labels for m in members), strict=True)
    differ = np.array([len(set(answers)) > 1 for answers in said], dtype=bool)
    disagreement = Estimate.none("no row was answered by all members", unit="share", n=0)
    if heard.any():
        clustering = members[0].clustering.keep(heard)
        disagreement = clusters.share(differ[heard], clustering, level=level)
    best = max(members, key=lambda m: m.accuracy(level=level).value or 0.0)
    gain = pair(graded[candidate.name], best).difference(level=level)
    return {"disagreement": disagreement, "gain_on_best_member": gain}
