"""The parent of every section of a recipe: frozen, strict, no unknown fields, fields documented."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Config(BaseModel):
    """Options that cannot change once read; the string under a field is its documentation."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


def refuse(what: str, mend: str) -> PydanticCustomError:
    """The error for a validator to raise: what is wrong, and how to mend it."""
    context: dict[str, Any] = {"mend": mend}
    # Braces would be read as placeholders of the context.
    return PydanticCustomError("value_error", what.replace("{", "(").replace("}", ")"), context)
