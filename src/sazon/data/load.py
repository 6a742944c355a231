"""From sources to examples, with every problem of every file told at once."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sazon.core import digest
from sazon.core.errors import DataError
from sazon.core.types import DataClass, Dataset, Example, Split
from sazon.data import fetch, table
from sazon.data.config import DataConfig, Source, kept_role
from sazon.data.language import detect
from sazon.data.table import Table

_SHOWN_LINES = 5
MOST_KEPT_VALUES = 50
"""Distinct values of a column that is only kept: one with more names rows or people, not groups."""
_OPTIONAL_WITHOUT_LABELS = ("target", "group", "subject", "site", "sensitivity", "language", "translation")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The rows of a recipe as they came, before any split is cut."""

    config: DataConfig
    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    unlabelled: Dataset | None
    """Examples whose target is empty."""

    @property
    def rows(self) -> dict[str, int]:
        """Rows read, by file of the recipe."""
        parts = {p: getattr(self, p) for p in ("train", "validation", "test", "unlabelled")}
        return {name: len(part) for name, part in parts.items() if part is not None}

    @property
    def labels(self) -> tuple[str, ...]:
        """All classes in train, validation and test, sorted."""
        parts = (self.train, self.validation, self.test)
        return tuple(sorted({label for p in parts if p is not None for label in p.labels}))


def load(config: DataConfig, *, root: Path, offline: bool, cache: Path) -> Loaded:
    """Read every source of a recipe.

    Args:
        config: the recipe's `data` section.
        root: folder that relative paths start from.
        offline: forbid downloads.
        cache: folder for downloads, kept between runs.

    Raises:
        DataError: any file or row is wrong; `problems` holds them all, each with file and line.
        EnvironmentLacks: a download is forbidden or failing, or a package is missing.
        IntegrityError: a file is not what its sha256 says.
    """
    problems: list[DataError] = []
    read: dict[str, list[Example]] = {}
    seen: Counter[str] = Counter()
    # Test first: the ids of its rows must not depend on copies that stand in train.
    for part in ("test", "validation", "train", "unlabelled"):
        source: Source | None = getattr(config, part)
        if source is None:
            continue
        default_split = part if part in ("test", "validation") else "train"
        path = fetch.to_disk(source, root=root, offline=offline, cache=cache, default_split=default_split)
        try:
            rows = table.read(path, name=source.shown)
            read[part] = _examples(rows, config, seen, labelled=part != "unlabelled")
        except DataError as error:
            problems.extend(error.problems or (error,))  # type: ignore[arg-type]  # ours are DataErrors
    if problems:
        raise table.together(problems, name="data")
    return Loaded(
        config=config,
        train=_dataset(config, "train", "all", read),
        validation=_dataset(config, "validation", "validation", read) if "validation" in read else None,
        test=_dataset(config, "test", "test", read) if "test" in read else None,
        unlabelled=_dataset(config, "unlabelled", "all", read) if "unlabelled" in read else None,
    )


def _dataset(config: DataConfig, part: str, split: Split, read: Mapping[str, list[Example]]) -> Dataset:
    return Dataset(
        name=part,
        split=split,
        examples=tuple(read[part]),
        licence=config.licence,
        public=config.public,
    )


# ------------------------------------------------------------------------- columns


def _columns(rows: Table, config: DataConfig, *, labelled: bool) -> dict[str, list[Any]]:
    """Role → the column's cells, for every role the recipe names."""
    found: dict[str, list[Any]] = {}
    missing: list[DataError] = []
    for role, column in config.columns.items():
        if column in rows.columns:
            found[role] = rows.columns[column]
        elif labelled or role not in _OPTIONAL_WITHOUT_LABELS + tuple(map(kept_role, config.keep)):
            missing.append(_no_column(rows, role, column))
    if missing:
        # group and its fallback subject name the same column: told once.
        once = {(e.what, e.where): e for e in missing}
        raise table.together(list(once.values()), name=rows.name)
    return found


def _no_column(rows: Table, role: str, column: str) -> DataError:
    known = list(rows.columns)
    near = difflib.get_close_matches(column, filter(table.is_name, known), n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return DataError(
        f"there is no column {column!r}",
        where=f"{rows.name}:1" if rows.unit == "line" else rows.name,
        mend=f"{hint}The columns are: {table.named(known)}.",
    )


# ---------------------------------------------------------------------------- rows


class _Problems:
    """The same problem in many rows, told once with its lines."""

    def __init__(self, rows: Table) -> None:
        self._rows = rows
        self._lines: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, row: int, what: str, mend: str) -> None:
        self._lines[what, mend].append(row)

    def raised(self) -> Iterator[DataError]:
        for (what, mend), rows in self._lines.items():
            shown = ", ".join(str(self._rows.lines[r]) for r in rows[:_SHOWN_LINES])
            more = ", …" if len(rows) > _SHOWN_LINES else ""
            extent = f" ({len(rows)} rows: {self._rows.unit}s {shown}{more})" if len(rows) > 1 else ""
            yield DataError(f"{what}{extent}", where=self._rows.where(rows[0]), mend=mend)


def _examples(rows: Table, config: DataConfig, seen: Counter[str], *, labelled: bool) -> list[Example]:
    columns = _columns(rows, config, labelled=labelled)
    problems = _Problems(rows)
    examples = []
    for i in range(len(rows)):
        cells = {role: cells[i] for role, cells in columns.items()}
        example = _example(cells, config, i, problems, labelled=labelled)
        if example is not None:
            examples.append(_with_id(example, seen))
    if examples and all(_is_number(e.input) for e in examples):
        problems.add(0, f"column {config.input!r} holds numbers only", "Name the text column in `input`.")
    for name in config.keep:
        values = {e.columns[name] for e in examples if name in e.columns}
        if len(values) > MOST_KEPT_VALUES:
            problems.add(
                0,
                f"column {name!r} has {len(values)} values, too many to show results by",
                f"Keep columns with at most {MOST_KEPT_VALUES} values, or group them first.",
            )
    raised = list(problems.raised())
    if raised:
        raise table.together(raised, name=rows.name)
    return examples


def _example(
    cells: Mapping[str, Any], config: DataConfig, row: int, problems: _Problems, *, labelled: bool
) -> Example | None:
    text = _input(cells["input"], config.input, row, problems)
    target = _target(cells["target"], config, row, problems) if labelled else ""
    names = {
        role: _name(cells.get(role), config.columns.get(role, role), row, problems)
        for role in ("group", "subject", "site", "language", "translation")
    }
    sensitivity = _sensitivity(cells.get("sensitivity"), config.sensitivity, row, problems)
    if text is None or target is None:
        return None
    language = _language_code(names["language"]) if "language" in cells else detect(text)
    return Example(
        id="",
        input=text,
        target=target,
        group=names["group"],
        subject=names["subject"],
        site=names["site"],
        sensitivity=sensitivity,
        language=language,
        translation=names["translation"],
        columns=_kept(cells, config, row, problems),
    )


def _kept(cells: Mapping[str, Any], config: DataConfig, row: int, problems: _Problems) -> dict[str, str]:
    """Column → value, for the columns that are only kept; an empty cell is left out."""
    found = {}
    for column in config.keep:
        cell = cells.get(kept_role(column))
        if isinstance(cell, bool):
            cell = "true" if cell else "false"
        value = _name(cell, column, row, problems)
        if value is not None:
            found[column] = value
    return found


def _with_id(example: Example, seen: Counter[str]) -> Example:
    content = digest.of_text(example.input, example.target, example.group or "")
    ordinal = seen[content]
    seen[content] += 1
    return Example(
        id=digest.of_text(content, str(ordinal))[:16],
        **{f: getattr(example, f) for f in Example.__slots__ if f != "id"},
    )


def _input(cell: Any, column: str, row: int, problems: _Problems) -> str | None:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        problems.add(row, f"the input (column {column!r}) is empty", "Write a text or remove the row.")
        return None
    if not isinstance(cell, str):
        problems.add(
            row, f"the input (column {column!r}) is {_kind(cell)}, not text", "Put the text in quotes."
        )
        return None
    return cell if _is_clean(cell, column, row, problems) else None


def _target(cell: Any, config: DataConfig, row: int, problems: _Problems) -> str | None:
    column = config.target
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        problems.add(
            row,
            f"the target (column {column!r}) is empty",
            "Label the row, or move it to an `unlabelled` file.",
        )
        return None
    if not isinstance(cell, str):
        problems.add(
            row, f"the target (column {column!r}) is {_kind(cell)}, not text", "Write the answer as text."
        )
        return None
    if not _is_clean(cell, column, row, problems):
        return None
    return cell.strip() if config.task == "classify" else cell


def _name(cell: Any, column: str, row: int, problems: _Problems) -> str | None:
    """A group, subject, site, language or translation: text or a whole number; empty means none."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return None
    if isinstance(cell, bool | float | dict | list) or not isinstance(cell, str | int):
        problems.add(row, f"column {column!r} is {_kind(cell)}, not text", "Write it as text.")
        return None
    text = str(cell).strip()
    return text if text and _is_clean(text, column, row, problems) else None


def _sensitivity(cell: Any, column: str | None, row: int, problems: _Problems) -> DataClass | None:
    if column is None or cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    known = [c.value for c in DataClass]
    if isinstance(cell, str) and cell.strip().lower() in known:
        return DataClass(cell.strip().lower())
    problems.add(
        row,
        f"column {column!r} holds something else than a sensitivity",
        f"Use one of {', '.join(known)}, or leave it empty (which counts as special).",
    )
    return None


def _language_code(name: str | None) -> str | None:
    """`es-ES` and `ES` are `es`."""
    return name.lower().replace("_", "-").split("-")[0] if name else None


def _is_clean(text: str, column: str, row: int, problems: _Problems) -> bool:
    """Whether a text can be encoded and shown; half an emoji and NUL cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        problems.add(row, f"column {column!r} holds half a character (a lone surrogate)", "Write it again.")
        return False
    if "\x00" in text:
        problems.add(row, f"column {column!r} holds a NUL character", "Remove it.")
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _kind(cell: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(cell), f"a {type(cell).__name__}")
