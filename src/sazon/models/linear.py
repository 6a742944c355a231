"""Word and character TF-IDF with a linear classifier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sazon.core import registry
from sazon.core.run import write_aside
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_arrays, read_facts, write_arrays, write_facts
from sazon.models.softmax import answer, softmax

VIEWS: dict[str, dict[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "char": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
"""How scikit-learn's vectoriser looks at a text, twice."""


def vectorisers(vocabularies: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """scikit-learn vectorisers of both views, to be fitted or with their vocabulary given."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ModuleNotFoundError as error:
        raise registry.lacking("sklearn", purpose="a linear candidate") from error
    return {
        name: TfidfVectorizer(
            **view,
            sublinear_tf=True,
            strip_accents="unicode",
            dtype=np.float32,
            vocabulary=vocabularies[name] if vocabularies else None,
        )
        for name, view in VIEWS.items()
    }


class LinearPredictor:
    """Scores of a linear classifier over both views, turned into probabilities by a temperature."""

    can: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        vectorisers: dict[str, Any],
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        temperature: float,
    ) -> None:
        """Keep fitted vectorisers, weight (features, classes), bias (classes,) and temperature."""
        self.classes = classes
        self.vectorisers = vectorisers
        self.weight = weight
        self.bias = bias
        self.temperature = temperature

    @classmethod
    def load(cls, directory: Path) -> LinearPredictor:
        """Rebuild the vectorisers from vocabulary and idf; nothing is unpickled."""
        facts = read_facts(directory)
        arrays = read_arrays(directory / "linear.npz")
        vocabularies = json.loads((directory / "vocabulary.json").read_text("utf-8"))
        rebuilt = vectorisers(vocabularies)
        for name, vectoriser in rebuilt.items():
            vectoriser.idf_ = arrays[f"idf_{name}"]
        return cls(
            classes=tuple(facts["classes"]),
            vectorisers=rebuilt,
            weight=arrays["weight"],
            bias=arrays["bias"],
            temperature=float(facts["temperature"]),
        )

    def save(self, directory: Path) -> None:
        """Write vocabulary, idf, weights and temperature."""
        facts = {"classes": list(self.classes), "temperature": self.temperature}
        write_facts(directory, "linear", facts)
        words = {name: v.get_feature_names_out().tolist() for name, v in self.vectorisers.items()}
        write_aside(directory / "vocabulary.json", json.dumps(words, ensure_ascii=False))
        idf = {f"idf_{name}": v.idf_.astype(np.float32) for name, v in self.vectorisers.items()}
        write_arrays(directory / "linear.npz", {"weight": self.weight, "bias": self.bias} | idf)

    def scores(self, inputs: Sequence[str]) -> Floats:
        """The classifier's raw scores, shape (n, classes)."""
        from scipy.sparse import hstack

        features = hstack([v.transform(inputs) for v in self.vectorisers.values()], format="csr")
        return np.asarray(features @ self.weight + self.bias, dtype=np.float64)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        if not inputs:
            return answer(np.zeros((0, len(self.classes))), self.classes)
        return answer(softmax(self.scores(inputs), temperature=self.temperature), self.classes)
