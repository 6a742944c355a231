"""Rows and what they are cut into: examples, data sets, splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from sazon.core import digest
from sazon.core.words import Phrase

Split = Literal["all", "fit", "validation", "trust", "calibration", "test"]


class DataClass(StrEnum):
    """How sensitive a text is, in rising order."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"
    SPECIAL = "special"

    @property
    def rank(self) -> int:
        """0 for public up to 3 for special."""
        return list(DataClass).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One row: a text, the answer wanted, and whose it is."""

    id: str
    """Stable: digest of input, target and group plus an ordinal for exact copies."""
    input: str
    target: str
    group: str | None = None
    """What must not straddle a split (a customer, a document)."""
    subject: str | None = None
    """Whose data it is, for consent; the group where not given."""
    site: str | None = None
    """Where the row lives, for federation and slices."""
    sensitivity: DataClass | None = None
    """None means unknown, which the policy treats as special."""
    language: str | None = None
    """`es`, `en`, another code, `mixed`, or None where it was not found out."""
    translation: str | None = None
    """The same text in another language, where somebody gave one; no candidate learns from it."""
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Further columns that the recipe keeps, to show results by; no candidate sees them."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples of one split, in a fixed order."""

    name: str
    split: Split
    examples: tuple[Example, ...]
    licence: str = ""
    public: bool = False
    """Declared public: inputs may be shown in reports and recordings."""

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.examples)

    @property
    def inputs(self) -> list[str]:
        """The texts, in order."""
        return [e.input for e in self.examples]

    @property
    def targets(self) -> list[str]:
        """The answers wanted, in order."""
        return [e.target for e in self.examples]

    @property
    def ids(self) -> list[str]:
        """The example ids, in order."""
        return [e.id for e in self.examples]

    @property
    def groups(self) -> list[str]:
        """The group of each example; an example without one is its own group."""
        return [e.group if e.group is not None else e.id for e in self.examples]

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct targets, sorted."""
        return tuple(sorted(set(self.targets)))

    @property
    def digest(self) -> str:
        """Digest of every field of every example, in order, but for translations and further columns.

        From those no candidate learns, so that keeping one more makes no candidate anew.
        """
        rows = self.examples
        return digest.of_text(
            *(
                field or ""
                for e in rows
                for field in (e.id, e.input, e.target, e.group, e.subject, e.site, e.sensitivity, e.language)
            )
        )

    def select(self, indices: Iterable[int], *, split: Split | None = None) -> Dataset:
        """The examples at `indices`, in that order."""
        rows = tuple(self.examples[i] for i in indices)
        return replace(self, examples=rows, split=split or self.split)


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The five splits of a run, made once. Trust and calibration exist only for a cascade."""

    fit: Dataset
    validation: Dataset
    trust: Dataset | None
    calibration: Dataset | None
    test: Dataset
    how: tuple[Phrase, ...] = ()
    """How the splits were made, a sentence each."""

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each split that exists."""
        named = (self.fit, self.validation, self.trust, self.calibration, self.test)
        return {d.split: d.digest for d in named if d is not None}


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a technique may see: never trust, calibration or test."""

    fit: Dataset
    validation: Dataset
    labels: tuple[str, ...]
    """All classes of the task, sorted; the order of every probability column."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Words that describe a label, where the recipe gives them."""
    task: Literal["classify", "generate"] = "classify"
    """Whether the target is one of a few labels or free text."""
    unlabelled: Dataset | None = None
    """Further texts of the task without an answer (targets are empty): for self-training and distillation."""
    held_out: frozenset[str] = frozenset()
    """Digests of the plain forms of all trust, calibration and test texts: further texts that are among
    them must not be learnt from."""
