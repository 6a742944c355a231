"""Mutated recipes: read or refused in words, never a traceback.

Reduced here; `make campaigns` runs it in full.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from sazon import recipe
from sazon.core.errors import SazonError

DEMO = (Path(__file__).parents[2] / "src/sazon/recipe/demo.yaml").read_text("utf-8")
MUTANTS = 5000 if os.environ.get("SAZON_CAMPAIGNS") == "full" else 150
JUNK = [
    "", "~", "-1", "1e400", ".nan", ".inf", "[]", "{}", "''", "'\\0'", "ñ", "🙂", "a" * 300,
    "{p10: 2, p90: 1}", "2026-01-01", "0x10", "true", "!!binary aGk=", "&a [1]", "*a", "- x",
    "99999999999999999999", "[[[[]]]]", "? x", "env:KEY", "hf://x", "package:none", "../../etc/passwd",
    "{technique: majority}", "!!set {a}", "{1: 2}",
]  # fmt: skip


def mutant(seed: int) -> str:
    """The demo's recipe with one to four accidents."""
    chance = random.Random(seed)  # reproducible, not secret
    lines = DEMO.splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        accident = chance.randrange(7)
        if accident == 0:
            del lines[at]
        elif accident == 1:
            lines.insert(at, line)
        elif accident == 2 and ":" in line:
            lines[at] = line[: line.index(":") + 1] + " " + chance.choice(JUNK)
        elif accident == 3 and line:
            spot = chance.randrange(len(line))
            lines[at] = line[:spot] + chance.choice("{}[]:,'\"#&*!|>%@`\t ñ0") + line[spot + 1 :]
        elif accident == 4:
            lines[at] = " " * chance.randint(0, 5) + line.strip()
        elif accident == 5:
            words = line.split()
            chance.shuffle(words)
            lines[at] = " ".join(words)
        else:
            lines[at] = line[: chance.randint(0, len(line))]
        if not lines:
            lines = [""]
    return "\n".join(lines)


@pytest.mark.campaign
def test_mutated_recipes_are_read_or_refused_in_words() -> None:
    refused = 0
    for seed in range(MUTANTS):
        text = mutant(seed)
        try:
            recipe.parse(text, name="mutant.yaml").resolved  # noqa: B018 # resolving must not fail either
        except SazonError as error:
            refused += 1
            for problem in getattr(error, "problems", ()) or [error]:
                assert "mutant.yaml" in str(problem), f"seed {seed}: {problem}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{text}") from error
    assert refused > MUTANTS / 4
