"""What a run may use of its rows: whoever did not opt in to a purpose is left out, and that is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sazon.core import digest
from sazon.core.dataset import Dataset, Splits, TrainingData
from sazon.core.errors import DataError
from sazon.core.types import Candidate, Finding, Phrase
from sazon.core.words import Value
from sazon.policy.config import PolicyConfig, Purpose
from sazon.policy.consent import INSIDE, NOBODY, Consents
from sazon.policy.opted_in import LeftOut, opted_in
from sazon.recipe import Plan, Recipe


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The rows of a run as consent stood when it began."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    consents: Consents = NOBODY
    now: float = float("nan")
    root: Path | None = None
    """Where the locks lie; None where no keys were made: then nobody has consented, and whose rows
    entered what is not kept."""

    def splits(
        self, splits: Splits, unlabelled: Dataset | None
    ) -> tuple[Splits, Dataset | None, list[Finding]]:
        """The splits without rows whose people did not opt in to what they would be used for.

        Raises:
            DataError: no row of a split may be used.
        """
        findings: list[Finding] = []

        def kept(dataset: Dataset | None, purpose: Purpose) -> Dataset | None:
            if dataset is None or purpose not in self.policy.opt_in:
                return dataset
            rows, left_out = opted_in(dataset, purpose, self.consents, self.policy, now=self.now)
            if left_out.rows:
                findings.append(_finding(left_out))
            if not len(rows) and len(dataset):
                raise _nobody(left_out)
            return rows

        fit, validation = kept(splits.fit, "adapt"), kept(splits.validation, "adapt")
        test = kept(splits.test, "evaluate")
        assert fit is not None and validation is not None and test is not None  # noqa: S101, PT018 - they were given
        cut = replace(
            splits,
            fit=fit,
            validation=validation,
            trust=kept(splits.trust, "evaluate"),
            calibration=kept(splits.calibration, "evaluate"),
            test=test,
        )
        return cut, kept(unlabelled, "adapt"), findings

    def for_sites(self, data: TrainingData, plan: Plan) -> TrainingData:
        """The rows that a federated candidate may use: federating always needs everybody's own word.

        Raises:
            DataError: no row of a split may be used.
        """
        if plan.stage != "federate":
            return data

        def kept(dataset: Dataset) -> Dataset:
            rows, left_out = opted_in(
                dataset,
                "federate",
                self.consents,
                self.policy,
                now=self.now,
                recipient=lambda row: row.site or INSIDE,
            )
            if not len(rows):
                raise _nobody(left_out)
            return rows

        return replace(data, fit=kept(data.fit), validation=kept(data.validation))

    def note(self, data: TrainingData, plan: Plan, candidate: Candidate, *, run: str) -> None:
        """Remember whose rows entered a candidate, so that a withdrawal can name it."""
        people = {
            row.subject
            for dataset in (data.fit, data.validation, data.unlabelled)
            for row in (dataset.examples if dataset is not None and not dataset.public else ())
            if row.subject
        }
        if self.root is None or candidate.artifact is None or plan.stage == "evaluate" or not people:
            return
        from sazon.policy.lineage import Lineage
        from sazon.policy.locks import Locks

        with contextlib.closing(Locks.open(self.policy, root=self.root)) as locks:
            Lineage(locks.store, name_of=locks.name_of).note(
                people,
                run=run,
                candidate=plan.name,
                purpose="federate" if plan.stage == "federate" else "adapt",
                artifact=candidate.artifact.digest,
            )

    def providers(self, rows: Dataset, names: Iterable[str]) -> frozenset[str]:
        """Providers to which rows like these could all go: opened, and with everybody's consent."""
        if "infer.external" not in self.policy.opt_in:
            return frozenset()
        return frozenset(name for name in names if not self._shut(rows, name))

    def _shut(self, rows: Dataset, provider: str) -> int:
        """How many rows could not go to a provider."""
        _, left_out = opted_in(
            rows, "infer.external", self.consents, self.policy, now=self.now, recipient=lambda row: provider
        )
        return left_out.rows

    @property
    def digest(self) -> str:
        """Digest of the policy and the register that a candidate was made under."""
        return digest.of_text(self.policy.model_dump_json(), self.consents.digest)


def allowed(wanted: Recipe) -> Allowed:
    """What a run may use; the locks are opened only where there are any.

    Raises:
        SazonError: the locks cannot be opened, or the register cannot be trusted.
    """
    from sazon.policy import locks as policy_locks

    policy = wanted.config.policy
    if not policy_locks.exist(policy, wanted.root):
        return Allowed(policy=policy)
    with contextlib.closing(policy_locks.Locks.open(policy, root=wanted.root)) as locks:
        return Allowed(policy=policy, consents=locks.consents(), now=locks.now, root=wanted.root)


def _finding(left_out: LeftOut) -> Finding:
    values: dict[str, Value] = {
        "rows": left_out.rows,
        "of": left_out.of,
        "split": left_out.split,
        "purpose": left_out.purpose,
        "people": left_out.people,
    }
    return Finding(
        level="warning",
        says=Phrase(package="sazon.pipeline", key="opt_in.left_out", values=values),
        where="policy.opt_in",
        mends=Phrase(package="sazon.pipeline", key="opt_in.mend", values=values),
        count=left_out.rows,
    )


def _nobody(left_out: LeftOut) -> DataError:
    return DataError(
        f"no row of {left_out.split} may be used: nobody has opted in to {left_out.purpose}",
        where="policy",
        mend="Record who did (sazon consent grant), declare the data public if it is, or leave that out.",
    )
