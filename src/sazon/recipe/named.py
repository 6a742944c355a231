"""Names that sections use for one another, looked up before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sazon.core import registry
from sazon.core.errors import RecipeError, SazonError
from sazon.core.located import LocatedDocument
from sazon.data.config import PARTED_BY, Task
from sazon.evaluate.asked import LABELS, NO_PLACE
from sazon.evaluate.config import JSON_SCHEMA, EvaluateConfig
from sazon.evaluate.perturb import SWAPPED_LANGUAGE

if TYPE_CHECKING:
    from sazon.recipe import Plan

COMPOUNDS = ("cascade", "panel")
"""Techniques whose candidates ask other candidates for every answer."""


def unknown_in_evaluate(
    document: LocatedDocument,
    evaluate: EvaluateConfig,
    candidates: Sequence[str],
    kept: Sequence[str],
    providers: Sequence[str],
) -> list[SazonError]:
    """One error for every name that nothing else in the recipe knows, with its place.

    Args:
        document: where the names stand.
        evaluate: the section.
        candidates: names of the recipe's candidates.
        kept: columns that `data.keep` names.
        providers: names of the recipe's providers.
    """
    named: list[tuple[str, str, tuple[str | int, ...]]] = [
        ("candidate", name, ("claims", i))
        for i, claim in enumerate(evaluate.claims)
        for name in (claim.candidate, claim.than)
    ]
    if evaluate.reference is not None:
        named.append(("candidate", evaluate.reference, ("reference",)))
    for field in ("slices", "fairness"):
        named += [("column", column, (field, i)) for i, column in enumerate(getattr(evaluate, field))]
    named.append(("scorer", evaluate.right.scorer, ("right", "scorer")))
    named += [("scorer", scorer, ("scorers", i)) for i, scorer in enumerate(evaluate.scorers)]
    if evaluate.judge is not None:
        named.append(("provider", evaluate.judge.provider, ("judge", "provider")))
    known = {
        "provider": list(providers),
        "candidate": list(candidates),
        "column": [*PARTED_BY, *kept],
        "scorer": [*registry.names("scorer"), JSON_SCHEMA],
    }
    return [
        registry.unknown(
            kind, name, known[kind], where=f"{document.where(('evaluate', *path))} evaluate.{_dotted(path)}"
        )
        for kind, name, path in named
        if name not in known[kind]
    ]


def _dotted(path: Sequence[str | int]) -> str:
    """`claims[0]` for ("claims", 0)."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def ill_worded(document: LocatedDocument, task: Task, plan: Plan) -> list[SazonError]:
    """An error where a candidate's own instruction does not fit what is asked for.

    Args:
        document: where it stands.
        task: labels have to be listed in it, for free text there are none.
        plan: the candidate.
    """
    words = getattr(plan.config, "instruction", None)
    if words is None or (LABELS in words) == (task == "classify"):
        return []
    what, mend = NO_PLACE
    if task == "generate":
        what = "the instruction lists labels, and this task writes free text"
        mend = "Leave the word labels between braces out, or write task: classify."
    return [
        RecipeError(
            what,
            where=f"{document.where(('candidates', plan.name, 'instruction'))} "
            f"candidates.{plan.name}.instruction",
            mend=mend,
        )
    ]


def untranslated(
    document: LocatedDocument, evaluate: EvaluateConfig, translation: str | None
) -> list[SazonError]:
    """An error where rows are to be asked in another language and nothing says how they read in it."""
    if translation is not None or SWAPPED_LANGUAGE not in evaluate.robustness.changes:
        return []
    path = ("robustness", "changes", evaluate.robustness.changes.index(SWAPPED_LANGUAGE))
    return [
        RecipeError(
            "swapped_language needs texts in the other language, and nothing says where they are",
            where=f"{document.where(('evaluate', *path))} evaluate.{_dotted(path)}",
            mend="Name the column that holds them: data.translation (it may be empty in some rows).",
        )
    ]


def unanswered(
    document: LocatedDocument, plans: Sequence[Plan], plan: Plan, field: str, parent: str
) -> list[SazonError]:
    """An error where a cascade or a panel is to ask a candidate that has answered nothing.

    Args:
        document: where the names stand.
        plans: all of the recipe.
        plan: the candidate made of others.
        field: its option that names the parent.
        parent: a candidate it is made of.
    """
    if plan.technique not in COMPOUNDS or plan.assumed is not None:
        return []  # where a quality is assumed it is priced, not made
    # Only sources of quality say whether there are answers; whatever is trained has them.
    asked = next((p.config for p in plans if p.name == parent), None)
    if asked is None or getattr(asked, "answers", True):
        return []
    return [
        RecipeError(
            f"a {plan.technique} needs answers, and the quality of {parent!r} is only {asked.kind}",
            where=f"{document.where(('candidates', plan.name, field))} candidates.{plan.name}.{field}",
            mend="Record its answers (recorded: or live: true), or name another candidate.",
        )
    ]
