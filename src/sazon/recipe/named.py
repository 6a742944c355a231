"""Candidates and columns that `evaluate:` names, looked up before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from sazon.core import registry
from sazon.core.errors import SazonError
from sazon.core.located import LocatedDocument
from sazon.data.config import PARTED_BY
from sazon.evaluate.config import EvaluateConfig


def unknown_in_evaluate(
    document: LocatedDocument,
    evaluate: EvaluateConfig,
    candidates: Sequence[str],
    kept: Sequence[str],
) -> list[SazonError]:
    """One error for every name that nothing else in the recipe knows, with its place.

    Args:
        document: where the names stand.
        evaluate: the section.
        candidates: names of the recipe's candidates.
        kept: columns that `data.keep` names.
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
    known = {"candidate": list(candidates), "column": [*PARTED_BY, *kept]}
    return [
        registry.unknown(
            kind, name, known[kind], where=f"{document.where(('evaluate', *path))} evaluate.{_dotted(path)}"
        )
        for kind, name, path in named
        if name not in known[kind]
    ]


def _dotted(path: Sequence[str | int]) -> str:
    """`claims[0]` for ("claims", 0)."""
    return "".join(f"[{part}]" if isinstance(part, int) else part for part in path)
