"""A causal language model that answers: free text by greedy generation, labels by their likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sazon.core.errors import DataError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_facts, write_facts
from sazon.models.language_model import Ids, LanguageModel
from sazon.models.softmax import answer, softmax


class CausalPredictor:
    """The likeliest text, or softmax(log p(label | prompt) / T) over the labels where there are classes."""

    def __init__(
        self, *, model: LanguageModel, classes: tuple[str, ...], temperature: float, new_tokens: int
    ) -> None:
        """Keep the model and how it answers.

        Args:
            model: with its tokenizer and chat template.
            classes: the labels to choose from; empty: free text.
            temperature: divides the log-likelihoods of the labels.
            new_tokens: most tokens of an answer in free text.

        Raises:
            DataError: the tokenizer cannot tell two labels apart.
        """
        self.model = model
        self.classes = classes
        self.temperature = temperature
        self.new_tokens = new_tokens
        self.can = Capabilities(probabilities=bool(classes))
        self.labels = label_ids(model, classes)

    @classmethod
    def load(cls, directory: Path) -> CausalPredictor:
        """Read the model from its folder."""
        facts = read_facts(directory)
        return cls(
            model=LanguageModel.load(directory),
            classes=tuple(facts["classes"]),
            temperature=float(facts["temperature"]),
            new_tokens=int(facts["new_tokens"]),
        )

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer and chat template in Hugging Face layout."""
        self.model.save(directory)
        facts = {
            "classes": list(self.classes),
            "temperature": self.temperature,
            "new_tokens": self.new_tokens,
        }
        write_facts(directory, "causal", facts)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order; one that does not fit the model gets an error, not a cut."""
        prompts = self.model.prompt_ids(inputs)
        room = self.model.longest - self._answer_length()
        fits = [i for i, prompt in enumerate(prompts) if len(prompt) <= room]
        held = [prompts[i] for i in fits]
        found = self._choose(held) if self.classes else self._write(held)
        if len(fits) == len(inputs):
            return found
        errors = tuple(
            None if len(p) <= room else f"the input has {len(p)} tokens, of {room} that fit" for p in prompts
        )
        return _spread(found, fits, errors)

    def scores(self, inputs: Sequence[str]) -> Floats:
        """Log-likelihood of every class given each input, shape (n, classes); inputs must fit the model."""
        return self.model.label_scores(self.model.prompt_ids(inputs), self.labels)

    def _answer_length(self) -> int:
        return max((len(label) for label in self.labels), default=self.new_tokens)

    def _choose(self, prompts: list[Ids]) -> Answers:
        scores = self.model.label_scores(prompts, self.labels)
        return answer(softmax(scores, temperature=self.temperature), self.classes)

    def _write(self, prompts: list[Ids]) -> Answers:
        written = self.model.generate(prompts, new_tokens=self.new_tokens)
        # Rounding may put the mean of log-probabilities a hair above 0.
        sure = np.exp(np.minimum([g.mean_log_probability for g in written], 0.0))
        return Answers(labels=tuple(g.text for g in written), confidence=np.asarray(sure, dtype=np.float64))


def label_ids(model: LanguageModel, classes: Sequence[str]) -> list[Ids]:
    """Tokens of each label, the end token last.

    The end token makes the labels alternatives of each other even where one begins with another.

    Raises:
        DataError: the tokenizer cannot tell two labels apart.
    """
    ids = model.answer_ids(classes)
    seen: dict[tuple[int, ...], str] = {}
    for label, tokens in zip(classes, ids, strict=True):
        other = seen.setdefault(tuple(tokens), label)
        if other != label:
            raise DataError(
                f"the base's tokenizer cannot tell the labels {other!r} and {label!r} apart",
                mend="Rename one of them with words of the base's language.",
            )
    return ids


def _spread(found: Answers, rows: Sequence[int], errors: tuple[str | None, ...]) -> Answers:
    """Answers of some rows, put among rows that have none."""
    n = len(errors)
    labels = [""] * n
    for i, label in zip(rows, found.labels, strict=True):
        labels[i] = label
    confidence = np.full(n, np.nan)
    confidence[list(rows)] = found.confidence
    probabilities = None
    if found.probabilities is not None:
        columns = found.probabilities.shape[1]
        probabilities = np.full((n, columns), 1.0 / columns)
        probabilities[list(rows)] = found.probabilities
    return Answers(
        labels=tuple(labels),
        confidence=confidence,
        probabilities=probabilities,
        classes=found.classes,
        errors=errors,
    )
