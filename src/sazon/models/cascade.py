"""The cascade: a local predictor answers what it can be trusted with, another answers the rest.

One predictor serves evaluation and gateway alike, so that what is measured is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sazon.core.errors import IntegrityError
from sazon.core.seams import Capabilities, Predictor
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_facts, write_facts
from sazon.models.member import Member, answered
from sazon.stats.logistic import Logistic

FEATURES = ("confidence logit", "margin", "entropy")


def trust_features(answers: Answers) -> Floats:
    """What the local predictor shows of its own certainty, per input.

    Columns: logit of the confidence, gap between the two likeliest classes, entropy as a share of
    its maximum; the last two are 0 where the predictor gives no probabilities.

    Returns:
        Shape (n, 3); rows with NaN where no confidence is given.
    """
    sure = np.clip(answers.confidence, 1e-6, 1 - 1e-6)
    columns = np.zeros((len(sure), len(FEATURES)))
    columns[:, 0] = np.log(sure / (1 - sure))
    chances = answers.probabilities
    if chances is not None and chances.shape[1] > 1:
        top = np.sort(chances, axis=1)[:, -2:]
        columns[:, 1] = top[:, 1] - top[:, 0]
        safe = np.clip(chances, 1e-12, 1)
        columns[:, 2] = -(safe * np.log(safe)).sum(axis=1) / np.log(chances.shape[1])
    return columns


def trust_of(answers: Answers, harm: Logistic) -> Floats:
    """Trust in each local answer: 1 − P̂(harm); −1 where there is no answer or no confidence.

    Harm is a local error that the other predictor would have avoided.
    """
    features = trust_features(answers)
    known = np.isfinite(features).all(axis=1) & answered(answers)
    trust = np.full(len(features), -1.0)
    if known.any():
        trust[known] = 1 - harm.predict(features[known])
    return trust


class CascadePredictor:
    """Answers locally where trust reaches the threshold and asks the other for the rest only."""

    def __init__(
        self,
        local: tuple[str, Predictor],
        cloud: tuple[str, Predictor],
        *,
        threshold: float | None,
        harm: Logistic,
    ) -> None:
        """Keep both predictors by name; threshold None defers everything."""
        self.local_name, self.local = local
        self.cloud_name, self.cloud = cloud
        self.parts = (self.local, self.cloud)
        self.threshold = threshold
        self.harm = harm
        self.classes = self.local.classes
        self.can = Capabilities(probabilities=False, runs_here=self.local.can.runs_here)

    @classmethod
    def load(cls, directory: Path) -> CascadePredictor:
        """Read the cascade and both its members.

        Raises:
            IntegrityError: a member is missing or changed since certification.
        """
        facts = read_facts(directory)
        try:
            members = [Member.from_json(facts[role]) for role in ("local", "cloud")]
            threshold, harm = facts["threshold"], Logistic.from_json(facts["harm"])
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                "not a valid cascade", where=str(directory), mend="Remove its folder and run again."
            ) from error
        local, cloud = ((m.name, m.load(directory)) for m in members)
        return cls(local, cloud, threshold=threshold, harm=harm)

    @staticmethod
    def save(
        directory: Path,
        *,
        local: Member,
        cloud: Member,
        threshold: float | None,
        harm: Logistic,
        classes: Sequence[str],
    ) -> None:
        """Write the cascade; its members stay where they are."""
        facts: Mapping[str, object] = {
            "local": local.to_json(),
            "cloud": cloud.to_json(),
            "threshold": threshold,
            "harm": harm.to_json(),
            "features": list(FEATURES),
            "classes": list(classes),
        }
        write_facts(directory, "cascade", facts)

    def accepts(self, answers: Answers) -> npt.NDArray[np.bool_]:
        """Shape (n,): which local answers stand."""
        if self.threshold is None:
            return np.zeros(len(answers.labels), dtype=bool)
        # Trust −1 marks "no answer" and never passes, whatever the threshold.
        return trust_of(answers, self.harm) >= max(self.threshold, 0.0)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order; `routed` says who did.

        A deferred input that the other cannot answer is an error: there is no silent way back.
        """
        near = self.local.predict(inputs)
        stays = self.accepts(near)
        deferred = [int(i) for i in np.flatnonzero(~stays)]
        far = self.cloud.predict([inputs[i] for i in deferred]) if deferred else None
        labels: list[str] = list(near.labels)
        errors: list[str | None] = list(near.errors) or [None] * len(inputs)
        confidence = np.array(near.confidence, dtype=np.float64)
        spent = {name: np.zeros(len(inputs)) for name in ("tokens", "money", "seconds")}
        if far is not None:
            for j, i in enumerate(deferred):
                labels[i] = far.labels[j]
                errors[i] = far.errors[j] if far.errors else None
            confidence[deferred] = far.confidence
            here = self.cloud.can.runs_here
            for name, column in spent.items():
                given = getattr(far, name)
                unknown = 0.0 if here else np.nan
                column[deferred] = unknown if given is None else given
        return Answers(
            labels=tuple(labels),
            confidence=confidence,
            classes=self.classes,
            errors=tuple(errors),
            routed=tuple(self.local_name if kept else self.cloud_name for kept in stays),
            **spent,
        )
