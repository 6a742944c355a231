"""Look at a file and guess what its columns are, with the reason for each guess in words."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sazon.core.errors import DataError
from sazon.core.types import DataClass
from sazon.data import table
from sazon.data.config import Task
from sazon.data.language import detect

Role = Literal["input", "target", "group", "site", "sensitivity", "language"]

_LOOKED_AT_ROWS = 5_000
_LANGUAGE_ROWS = 500
_MAX_CLASSES = 300
_WORDS: Mapping[Role, str] = {
    "input": "text|texto|input|message|mensaje|query|consulta|question|pregunta|prompt|body|utterance"
    "|sentence|content|contenido|entrada",
    "target": "label|labels|target|intent|category|class|clase|etiqueta|intencion|intención|categoria"
    "|categoría|answer|respuesta|output|salida|tag|topic|tema|sentiment",
    "group": "customer|client|cliente|customer_id|client_id|patient|paciente|user|usuario|user_id"
    "|account|cuenta|person|persona|subject|thread|conversation|document|documento|group|grupo",
    "site": "site|sede|branch|sucursal|center|centre|centro|clinic|clinica|clínica|office|oficina"
    "|hospital|store|tienda|region|región",
    "sensitivity": "sensitivity|sensibilidad|data_class|classification|clasificacion|confidentiality",
    "language": "language|lang|idioma|lengua|locale",
}
_ORDER: tuple[Role, ...] = ("input", "target", "group", "site", "sensitivity", "language")


@dataclass(frozen=True, kw_only=True)
class Column:
    """What was seen in one column, without its content."""

    name: str
    filled: int
    distinct: int
    repeated: int
    """Rows whose value stands in another row too."""
    words: float
    """Mean number of words."""
    characters: float
    text: bool
    """Whether the cells are text (and not numbers, lists, …)."""
    numeric: bool
    values: tuple[str, ...] | None
    """The distinct values where they are few and short; else None."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file seems to hold."""

    path: str
    rows: int
    columns: tuple[Column, ...]
    task: Task
    roles: Mapping[Role, str]
    """Role → column; `input` and `target` always, the others where seen."""
    reasons: Mapping[Role, str]
    """Role → why this column, in words."""
    classes: Mapping[str, int]
    """Class → rows; empty for `generate`."""
    languages: Mapping[str, int]
    """Language → texts, over some 500 rows spread through the file; `unknown` where it cannot be told."""

    def as_yaml(self) -> str:
        """The `data:` section of a recipe, each line with its reason."""
        lines = ["data:", f"  task: {self.task}"]
        lines.append(f"  train: {{path: {_quoted(self.path)}}}  # {self.rows} rows; a test is cut from it")
        for role, column in self.roles.items():
            lines.append(f"  {role}: {_quoted(column)}  # {self.reasons[role]}")
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML scalar; plain where nothing could be misread."""
    plain = re.fullmatch(r"[A-Za-z_./][\w./-]*", text, re.ASCII)
    if plain and text.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
        return text
    # Not json.dumps: it writes an emoji as two halves, which YAML does not join again.
    escaped = "".join(f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    return f'"{escaped}"'


def inspect(path: Path) -> Inspection:
    """Guess which column is the text, the answer, the customer, the site, and the task.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file.

    Raises:
        DataError: the file cannot be read, or no column can be the text or the answer.
    """
    read = table.read(path)
    columns = tuple(_column(name, cells[:_LOOKED_AT_ROWS]) for name, cells in read.columns.items())
    chosen = _roles(columns, where=str(path))
    target = next(c for c in columns if c.name == chosen["target"][0])
    task: Task = "classify" if _is_label(target) else "generate"
    answers = map(_as_text, read.columns[target.name])
    step = max(1, len(read) // _LANGUAGE_ROWS)
    texts = [c for c in read.columns[chosen["input"][0]][::step] if isinstance(c, str)]
    return Inspection(
        path=str(path),
        rows=len(read),
        columns=columns,
        task=task,
        roles={role: chosen[role][0] for role in _ORDER if role in chosen},
        reasons={role: chosen[role][1] for role in _ORDER if role in chosen},
        classes=dict(Counter(a for a in answers if a).most_common()) if task == "classify" else {},
        languages=dict(Counter(detect(t) or "unknown" for t in texts).most_common()),
    )


def _roles(columns: Sequence[Column], *, where: str) -> dict[Role, tuple[str, str]]:
    """Role → column and reason; the surest guesses are made first and take their column away."""
    chosen: dict[Role, tuple[str, str]] = {}
    picks: tuple[tuple[Role, Callable[[Sequence[Column]], tuple[Column, str] | None]], ...] = (
        ("input", _pick_input),
        ("sensitivity", _pick_sensitivity),
        ("language", _pick_language),
        ("target", _pick_target),
        ("group", _pick_group),
        ("site", _pick_site),
    )
    for role, pick in picks:
        taken = {name for name, _ in chosen.values()}
        picked = pick([c for c in columns if c.name not in taken])
        if picked is not None:
            chosen[role] = (picked[0].name, picked[1])
    if "input" not in chosen:
        raise DataError(
            "no column holds text", where=where, mend="One column must hold the texts to be answered."
        )
    if "target" not in chosen:
        raise DataError(
            "no column can be the answer: each is empty, constant or different in every row",
            where=where,
            mend="Add a column with the label (or the answer text) wanted for each row.",
        )
    return chosen


def _as_text(cell: Any) -> str:
    if cell is None or isinstance(cell, list | dict):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell).strip()


def _column(name: str, cells: Sequence[Any]) -> Column:
    values = [v for v in map(_as_text, cells) if v]
    counts = Counter(values)
    short = len(counts) <= _MAX_CLASSES and all(len(v) <= 100 for v in counts)
    return Column(
        name=name,
        filled=len(values),
        distinct=len(counts),
        repeated=sum(n for n in counts.values() if n > 1),
        words=statistics.fmean(len(v.split()) for v in values) if values else 0.0,
        characters=statistics.fmean(map(len, values)) if values else 0.0,
        text=bool(values) and all(isinstance(c, str) for c in cells if c is not None),
        numeric=bool(values) and all(_is_number(v) for v in counts),
        values=tuple(sorted(counts)) if short and counts else None,
    )


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[-+]?\d[\d.,]*", value) is not None


def _named_like(role: Role, column: Column) -> bool:
    return re.search(rf"(?i)(^|[_\W])({_WORDS[role]})([_\W]|$)", column.name) is not None


def _is_label(column: Column) -> bool:
    """Few values that come back: what a class column looks like."""
    return (
        column.values is not None
        and 2 <= column.distinct <= max(2, 0.5 * column.filled)
        and column.words <= 6
    )


# --------------------------------------------------------------------------- guesses


def _pick_input(columns: Sequence[Column]) -> tuple[Column, str] | None:
    texts = [c for c in columns if c.text and c.filled and not c.numeric]
    if not texts:
        return None

    def score(column: Column) -> tuple[float, float]:
        varied = column.distinct / column.filled
        named = 2.0 if _named_like("input", column) else 0.0
        answers = -1.0 if _named_like("target", column) else 0.0
        return named + answers + min(column.words, 30.0) / 10 * varied, column.characters

    best = max(texts, key=score)
    if best.distinct == 1 and best.filled > 1:
        return None
    return best, f"the longest varied text: {best.words:.0f} words on average"


def _pick_target(columns: Sequence[Column]) -> tuple[Column, str] | None:
    usable = [c for c in columns if c.distinct >= 2]
    labels = [c for c in usable if _is_label(c)]
    named = [c for c in labels if _named_like("target", c)]
    unclaimed = [c for c in labels if not (_named_like("group", c) or _named_like("site", c))]
    for group in (named, unclaimed, labels):
        if group:
            best = max(group, key=lambda c: (not c.numeric, c.filled, min(c.distinct, 50)))
            return best, f"{best.distinct} different values that come back: a label"
    free = [c for c in usable if c.text and not c.numeric and not _named_like("group", c)]
    named = [c for c in free if _named_like("target", c)]
    if not free:
        return None
    best = max(named or free, key=lambda c: c.characters)
    return best, f"free text, {best.words:.0f} words on average: an answer to write"


def _pick_sensitivity(columns: Sequence[Column]) -> tuple[Column, str] | None:
    known = {c.value for c in DataClass}
    for column in columns:
        values = {v.lower() for v in column.values or ()}
        named = _named_like("sensitivity", column)
        if values and values <= known and (named or len(values) > 1):
            return column, f"holds {', '.join(sorted(values))}"
    return None


def _pick_language(columns: Sequence[Column]) -> tuple[Column, str] | None:
    for column in columns:
        coded = column.values is not None and all(
            re.fullmatch(r"[a-zA-Z]{2,3}([-_]\w+)?|mixed|mul", v) for v in column.values
        )
        if coded and column.distinct <= 30 and _named_like("language", column):
            return column, f"language codes by its name and its {column.distinct} values"
    return None


def _pick_group(columns: Sequence[Column]) -> tuple[Column, str] | None:
    def like(column: Column) -> bool:
        comes_back = 2 <= column.distinct < column.filled and column.words <= 4
        return comes_back and column.distinct > 0.02 * column.filled

    named = [c for c in columns if _named_like("group", c) and like(c)]
    coded = [
        c
        for c in columns
        if like(c)
        and c.distinct > 20
        and c.repeated > 0.2 * c.filled
        and re.search(r"(?i)(^|_)id$|_id_", c.name)
    ]
    for found in (named, coded):
        if found:
            best = max(found, key=lambda c: c.distinct)
            return (
                best,
                f"{best.distinct} different values over {best.filled} rows: one of them stays in one split",
            )
    return None


def _pick_site(columns: Sequence[Column]) -> tuple[Column, str] | None:
    for column in columns:
        if _named_like("site", column) and column.values is not None and 2 <= column.distinct <= 50:
            return column, f"{column.distinct} places by its name, for federation and slices"
    return None
