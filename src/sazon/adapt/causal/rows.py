"""Training rows: prompt and answer as tokens, with a loss on the answer's tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sazon.core.errors import DataError
from sazon.core.types import Dataset
from sazon.models.language_model import Ids, LanguageModel

IGNORED = -100
"""Label of a token that the loss leaves out (torch's own `ignore_index`)."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A text and the answer wanted."""

    prompt: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One pair as tokens, cut to the length of the training."""

    ids: Ids
    labels: Ids
    """Of the same length as `ids`: the token itself in the answer, −100 in the prompt."""
    cut: bool
    """Whether part of the answer fell off."""


def pairs_of(*datasets: Dataset) -> list[Pair]:
    """The rows of data sets, in order."""
    return [Pair(prompt=e.input, answer=e.target) for d in datasets for e in d.examples]


def make_rows(model: LanguageModel, pairs: Sequence[Pair], *, max_length: int, name: str) -> list[Row]:
    """Tokens and labels of each pair; what is longer than `max_length` is cut at its end.

    Args:
        model: whose chat template stands around the texts.
        pairs: at least one.
        max_length: tokens of prompt and answer together.
        name: of the candidate, for errors.

    Raises:
        DataError: cutting would leave a row without a single token of its answer.
    """
    prompts = model.prompt_ids([p.prompt for p in pairs])
    answers = model.answer_ids([p.answer for p in pairs])
    if empty := sum(len(prompt) >= max_length for prompt in prompts):
        longest = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
        # Such a row has no loss at all, and a training on such rows "succeeds" having learnt nothing.
        raise DataError(
            f"{empty} of {len(pairs)} rows would lose their whole answer at {max_length} tokens",
            where=f"candidates.{name}.max_length",
            mend=f"The longest row has {longest} tokens: set max_length to it, or shorten the texts.",
        )
    return [
        Row(
            ids=(prompt + answer)[:max_length],
            labels=([IGNORED] * len(prompt) + answer)[:max_length],
            cut=len(prompt) + len(answer) > max_length,
        )
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def usual_length(model: LanguageModel, pairs: Sequence[Pair]) -> int:
    """Tokens of the longest row, at most what the model was made for."""
    prompts = model.prompt_ids([p.prompt for p in pairs])
    answers = model.answer_ids([p.answer for p in pairs])
    longest = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    return min(longest, model.longest)
