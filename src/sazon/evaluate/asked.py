"""How a model that is not made here is asked: instruction, examples, speed and the most it may cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from sazon.core import digest
from sazon.core.config import Config
from sazon.core.types import Dataset, Splits
from sazon.data.config import Task
from sazon.data.plain import plain

if TYPE_CHECKING:
    from sazon.models.prompt import Prompt, Shot

LABELS = "{labels}"
NO_PLACE = (
    "the instruction does not say where the labels go",
    "Put the word labels between braces where they are to be listed.",
)
"""What is wrong with an instruction that lists no labels, and how to mend it."""


class Consulted(Config):
    """How somebody else's model is asked: words, speed and the most it may cost."""

    instruction: str | None = None
    """The system prompt instead of sazon's own. Where labels are asked for, `{labels}` in it stands for
    their list; where free text is, this is what tells the model its task."""
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    """Most tokens of an answer, thoughts of the model included; by default 64 for a label and 512 for free
    text. What is cut off there counts as no answer."""
    spend_cap: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Most money that one recording may cost, in the currency of the provider's price."""
    token_cap: int | None = Field(default=None, gt=0)
    """Most tokens that one recording may use; needed where no price is known."""
    at_once: int = Field(default=4, ge=1, le=64)
    """Requests under way at the same time."""
    timeout_s: float = Field(default=60.0, gt=0, le=600)
    """Seconds to wait for one answer."""


class Asked(Consulted):
    """How to ask; only for candidates that are recorded or live."""

    shots: int = Field(default=0, ge=0, le=200)
    """Examples with their answers in the prompt, from the rows that train; in equal parts of all labels."""

    @property
    def says_how(self) -> bool:
        """Whether the recipe itself words the prompt."""
        return bool(self.model_fields_set & {"instruction", "shots", "max_tokens"})


def prompt_of(
    asked: Asked,
    splits: Splits,
    *,
    task: Task = "classify",
    descriptions: Mapping[str, str],
    seed: int,
    shown: Dataset | None = None,
) -> Prompt:
    """The prompt under which every row is asked.

    Args:
        asked: instruction, number of examples, and length of an answer.
        splits: labels come from the rows that train and validate, examples from those that train.
        task: `generate` asks for free text: no labels are listed.
        descriptions: words for labels; labels that no row has are offered too.
        seed: of the choice of examples.
        shown: the rows examples may be chosen from, where those are not all that train.
    """
    from sazon.models.prompt import INSTRUCTION, LABEL_TOKENS, TEXT_TOKENS, WRITE, Prompt

    writes = task == "generate"
    labels = {*splits.fit.targets, *splits.validation.targets, *descriptions} if not writes else set()
    judged = (splits.validation, splits.trust, splits.calibration, splits.test)
    apart = [rows for rows in judged if rows is not None]
    fit = splits.fit if shown is None else shown
    return Prompt(
        labels=tuple(sorted(labels)),
        descriptions={label: words for label, words in descriptions.items() if words},
        template=asked.instruction or (WRITE if writes else INSTRUCTION),
        shots=choose_shots(fit, asked.shots, apart=apart, seed=seed),
        max_tokens=asked.max_tokens or (TEXT_TOKENS if writes else LABEL_TOKENS),
    )


def choose_shots(
    fit: Dataset, count: int, *, apart: Iterable[Dataset] = (), seed: int = 0
) -> tuple[Shot, ...]:
    """A random sample of the training rows, as many of each label as of any other, give or take one.

    Of free text every answer is its own label, so that no answer is shown twice before all were once.
    Rows are ordered by a digest of seed, label and text and not by a stream of random numbers: adding
    a row then changes an example or two instead of all, and what was answered under the same prompt
    stays paid for. Left out are texts that also stand among the rows that judge, since they would
    hand the answer over, and texts that stand with two labels.

    Args:
        fit: the rows to choose from.
        count: examples wanted; fewer come back where there are fewer distinct texts.
        apart: rows whose texts must not appear.
        seed: another one chooses others.
    """
    from sazon.models.prompt import Shot

    judged = {plain(text) for rows in apart for text in rows.inputs}
    labels_of: dict[str, set[str]] = defaultdict(set)
    for row in fit.examples:
        labels_of[plain(row.input)].add(row.target)
    usable: dict[str, dict[str, str]] = defaultdict(dict)
    for row in sorted(fit.examples, key=lambda row: row.input):
        key = plain(row.input)
        if key and key not in judged and len(labels_of[key]) == 1:
            usable[row.target].setdefault(key, row.input)

    def drawn(*parts: str) -> str:
        return digest.of_text(str(seed), *parts)

    queues = [
        [Shot(input=texts[key], label=label) for key in sorted(texts, key=lambda key: drawn(label, key))]
        for label, texts in sorted(usable.items(), key=lambda item: drawn(item[0]))
    ]
    longest = max(map(len, queues), default=0)
    rounds = [queue[i] for i in range(longest) for queue in queues if i < len(queue)]
    return tuple(rounds[:count])
