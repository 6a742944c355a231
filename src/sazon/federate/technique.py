"""One candidate trained over all sites by federated averaging, beside pooled and lone training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar, Literal

from sazon.core import digest, rng
from sazon.core.errors import RecipeError
from sazon.core.run import write_aside
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, TrainingCost, TrainingData
from sazon.federate import account
from sazon.federate.config import FederateConfig
from sazon.federate.learner import Learner, find_trainable
from sazon.federate.sites import partition
from sazon.federate.training import train

RECORD = "federation.json"
"""Beside the predictor: sites, bytes, and how every round did on validation."""


class FederateOptions(FederateConfig):
    """Options of a federated candidate."""

    of: str
    """The candidate to train at the sites; its technique must offer a local step."""


class Federate:
    """Federated averaging of another candidate's technique over the values of `data.site`."""

    stage: ClassVar[Literal["federate"]] = "federate"
    Config: ClassVar[type[FederateOptions]] = FederateOptions

    def parents(self, config: FederateOptions) -> tuple[str, ...]:
        """The candidate whose technique and options are used."""
        return (config.of,)

    def adapt(
        self,
        config: FederateOptions,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Federate, compare with pooled and lone training on validation, write the predictor.

        Args:
            config: the options.
            base: base of the candidate `of`.
            data: fit and validation rows, all with a site.
            parents: the candidate `of`, its options as JSON in its fact `options`.
            job: where and how.

        Raises:
            DataError: rows without a site, too few sites, or training diverged.
            RecipeError: there is no candidate `of`, or its technique has no local step.
            EnvironmentLacks: Flower is not installed.
        """
        where = f"candidates.{job.name}"
        parent = _parent(config, parents, where=where)
        technique, options = find_trainable(parent, where=f"{where}.of")
        sites = partition(data, min_sites=config.min_sites, where=where)
        learner = Learner(
            technique=technique,
            options=options,
            base=base,
            labels=data.labels,
            cache=job.cache,
            seed=rng.integer(job.rng),
            local_steps=config.local_steps,
        )
        outcome = train(config, learner, sites, data.validation, job)
        learner.save(outcome.state, job.directory)
        told = json.dumps(account.record(outcome, config), ensure_ascii=False, indent=1, sort_keys=True)
        write_aside(job.directory / RECORD, told + "\n")
        return Candidate(
            name=job.name,
            technique="federate",
            parents=(config.of,),
            base=parent.base,
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=TrainingCost(seconds=outcome.seconds, rows=outcome.rows),
            validation=account.validation(outcome),
            facts=account.facts(outcome, config) | {"of": config.of},
            notes=account.notes(outcome, data.validation),
        )


def _parent(config: FederateOptions, parents: Mapping[str, Candidate], *, where: str) -> Candidate:
    if config.of not in parents:
        raise RecipeError(
            f"there is no candidate {config.of!r} to federate",
            where=f"{where}.of",
            mend="Name one of `candidates:` whose technique has a local step, such as transfer.",
        )
    return parents[config.of]
