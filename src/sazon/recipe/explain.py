"""Every resolved value of a recipe, where it comes from, and why it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from sazon.economics.ranges import Range
from sazon.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One value of the recipe."""

    path: str
    value: Any
    origin: str
    """`recipe` or `default`."""
    why: str
    """What the value means, as its config class documents it."""


def explain(recipe: Recipe) -> list[Explained]:
    """All values, section by section, candidates with their technique's options."""
    rows = [r for r in _walk(recipe.config, "", recipe.given) if not r.path.startswith("candidates")]
    for plan in recipe.plans:
        at = f"candidates.{plan.name}"
        rows.append(
            Explained(
                path=f"{at}.technique", value=plan.technique, origin="recipe", why=_about(plan.technique)
            )
        )
        rows += _walk(plan.config, f"{at}.", recipe.given)
        if plan.assumed is not None:
            rows += _walk(plan.assumed, f"{at}.assumed.", recipe.given)
    return rows


def _about(technique: str) -> str:
    from sazon.core import registry

    doc: str = registry.load("technique", technique).__doc__ or ""
    return doc.strip().split("\n")[0]


def _walk(model: BaseModel, prefix: str, given: frozenset[str]) -> Iterator[Explained]:
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), f"{prefix}{name}"
        why = " ".join((field.description or "").split())
        if isinstance(value, Range):
            origin = "recipe" if path in given else "default"
            said = value.model_dump(mode="json", exclude_defaults=True)
            yield Explained(path=path, value=said, origin=origin, why=why)
        elif isinstance(value, BaseModel):
            yield from _walk(value, f"{path}.", given)
        elif isinstance(value, dict) and value and all(isinstance(v, BaseModel) for v in value.values()):
            for key, entry in value.items():
                yield from _walk(entry, f"{path}.{key}.", given)
        else:
            origin = "recipe" if path in given else "default"
            yield Explained(path=path, value=value, origin=origin, why=why)
