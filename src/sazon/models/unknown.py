"""A predictor that says `unknown` where it is not sure enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sazon.core.seams import Predictor
from sazon.core.types import Answers

UNKNOWN = "unknown"
"""The answer that names no class."""
BELOW = "unknown_below"
"""In `predictor.json`: the least confidence that is answered."""


class Cautious:
    """Another predictor whose answers below a confidence become `unknown`; all else stays as it is."""

    def __init__(self, inner: Predictor, *, threshold: float) -> None:
        """Keep the predictor and the least confidence that is answered."""
        self.inner = inner
        self.threshold = threshold
        self.can, self.classes = inner.can, inner.classes

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order; probabilities and confidence are those of the class held back."""
        given = self.inner.predict(inputs)
        # An answer without a confidence (NaN) is not sure enough either.
        labels = tuple(
            label if sure >= self.threshold else UNKNOWN
            for label, sure in zip(given.labels, given.confidence, strict=True)
        )
        return replace(given, labels=labels)
