"""What must hold before any training starts."""

from __future__ import annotations

from collections import Counter

from sazon.core.errors import DataError, RecipeError
from sazon.core.seams import Base
from sazon.core.types import Phrase, TrainingData
from sazon.core.words import Value


def require_learnable(data: TrainingData, *, name: str) -> None:
    """Refuse training rows from which nothing can be learnt.

    Raises:
        DataError: fewer than two rows, one class only, or a label outside the task's classes.
    """
    where = f"candidates.{name}"
    counts = Counter(data.fit.targets)
    if len(data.fit) < 2:
        mend = "Give at least two labelled rows; 10 per class is a sensible start."
        raise DataError(f"there are {len(data.fit)} rows to learn from", where=where, mend=mend)
    if len(counts) < 2:
        raise DataError(
            "all training rows have the same label", where=where, mend="Add rows of at least one other label."
        )
    if strange := sorted(set(data.validation.targets + data.fit.targets) - set(data.labels)):
        raise DataError(
            f"{len(strange)} labels are not among the task's classes, e.g. {strange[0]!r}",
            where=where,
            mend="Pass every label of train and validation in `labels`.",
        )


def require_all_labels(data: TrainingData, *, name: str) -> None:
    """Refuse a class without a single training row (and without a description to learn from).

    Raises:
        DataError: naming up to three of the classes.
    """
    if missing := sorted(set(data.labels) - set(data.fit.targets)):
        shown = ", ".join(repr(label) for label in missing[:3])
        raise DataError(
            f"{len(missing)} classes have no row to learn from: {shown}",
            where=f"candidates.{name}",
            mend="Add rows of these classes to the training data, or remove them from the task.",
        )


def require_base(base: Base | None, *, name: str) -> Base:
    """The base model, or an error that says how to name one.

    Raises:
        RecipeError: the candidate names no base.
    """
    if base is None:
        raise RecipeError(
            "this technique needs a base model",
            where=f"candidates.{name}.base",
            mend="Name one of `models:`, e.g. base: minilm.",
        )
    return base


def note(key: str, **values: Value) -> Phrase:
    """A warning for who reads of a candidate."""
    return Phrase(package="sazon.adapt", key=f"note.{key}", values=values)


def language_notes(base: Base, data: TrainingData) -> tuple[Phrase, ...]:
    """A warning where texts are in languages the base was not made for."""
    if not base.languages:
        return ()
    known = [e.language for e in data.fit.examples if e.language is not None]
    foreign = [language for language in known if language not in base.languages]
    if not known or len(foreign) < 0.05 * len(known):
        return ()
    share, made_for = len(foreign) / len(known), ", ".join(base.languages)
    return (note("languages", foreign_share=share, base=base.name, languages=made_for),)


def cut_notes(cut: int, max_length: int) -> tuple[Phrase, ...]:
    """A warning where texts are longer than the model reads."""
    if not cut:
        return ()
    return (note("cut", texts=cut, tokens=max_length),)
