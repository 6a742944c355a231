"""The floor: always the most frequent class, with the shares of the classes as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_facts, write_facts
from sazon.models.softmax import answer


class MajorityPredictor:
    """Gives every input the same answer."""

    can: ClassVar[Capabilities] = Capabilities()

    def __init__(self, classes: tuple[str, ...], shares: Floats) -> None:
        """Keep the classes and their shares, shape (classes,), summing to 1."""
        self.classes = classes
        self.shares = shares

    @classmethod
    def load(cls, directory: Path) -> MajorityPredictor:
        """Read the predictor from its folder."""
        facts = read_facts(directory)
        return cls(tuple(facts["classes"]), np.array(facts["shares"], dtype=np.float64))

    def save(self, directory: Path) -> None:
        """Write the predictor into its folder."""
        write_facts(directory, "majority", {"classes": list(self.classes), "shares": self.shares.tolist()})

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        return answer(np.tile(self.shares, (len(inputs), 1)), self.classes)
