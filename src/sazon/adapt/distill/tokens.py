"""From the log-probabilities of an answer's tokens to probabilities of the labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sazon.core.types import Floats


@dataclass(frozen=True, kw_only=True)
class Step:
    """One token of an answer and what might have stood in its place."""

    token: str
    shares: dict[str, float]
    """Probability of each token that was considered, the one said among them."""


def label_shares(logprobs: Any, said: str, labels: Sequence[str]) -> Floats | None:
    """Probability of each label, from the likeliest tokens at each place of the answer.

    The answer is walked token by token. A token considered but not said turns towards the labels
    that begin with the text up to there: they share its probability times that of the way so far.
    The label said has what its own way keeps. What turns towards no label is left out, and the rest
    is scaled to 1.

    Args:
        logprobs: `choices[0].logprobs` as OpenAI's chat API answers it.
        said: the label that the answer stands for.
        labels: all labels.

    Returns:
        shape (labels,), or None where there are no log-probabilities, or the tokens do not spell
        the label itself.
    """
    steps = list(_steps(logprobs))
    if not any(len(step.shares) > 1 for step in steps):
        return None
    column = {label: i for i, label in enumerate(labels)}
    shares = np.zeros(len(labels))
    way, spelled = 1.0, ""
    for step in steps:
        if spelled == said:
            break
        for token, share in step.shares.items():
            if token != step.token:
                _turn(shares, column, (spelled + token).lstrip(), way * share)
        way *= step.shares[step.token]
        spelled = (spelled + step.token).lstrip()
        if not said.startswith(spelled.rstrip()):
            return None
        if len(_begun(column, spelled)) == 1:
            break
    if not spelled or (spelled.rstrip() != said and len(_begun(column, spelled)) != 1):
        return None
    shares[column[said]] += way
    total = float(shares.sum())
    return np.asarray(shares / total) if total > 0 else None


def _turn(shares: Floats, column: dict[str, int], text: str, share: float) -> None:
    """Give a token's probability to the labels that begin with the text, in equal parts."""
    towards = _begun(column, text) if text else []
    for label in towards:
        shares[column[label]] += share / len(towards)


def _begun(column: dict[str, int], text: str) -> list[str]:
    return [label for label in column if label.startswith(text)]


def _steps(logprobs: Any) -> Iterator[Step]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    for entry in content if isinstance(content, list) else []:
        if not isinstance(entry, dict):
            return
        others = entry.get("top_logprobs")
        listed = [entry, *(others if isinstance(others, list) else [])]
        shares = {
            str(other["token"]): math.exp(min(0.0, float(other["logprob"])))
            for other in listed
            if isinstance(other, dict) and _number(other.get("logprob")) and "token" in other
        }
        token = entry.get("token")
        if not isinstance(token, str) or token not in shares:
            return
        yield Step(token=token, shares=shares)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
