"""Read CSV, JSONL and Parquet into columns, keeping the line every row began on.

Nothing is guessed that could be wrong: a wrong encoding, a ragged row or an open quote is a
`DataError` with its line. Messages never hold the content of a cell.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sazon.core.errors import DataError

CSV_SUFFIXES = (".csv", ".tsv")
JSONL_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = CSV_SUFFIXES + JSONL_SUFFIXES + PARQUET_SUFFIXES

MAX_CELL_CHARACTERS = 50_000_000
MAX_PROBLEMS = 20
_DELIMITERS = ",;\t|"
_SNIFFED_RECORDS = 20


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of equal length and where each row stands in its file."""

    name: str
    """File name as the user gave it, for messages."""
    columns: dict[str, list[Any]]
    lines: Sequence[int]
    """Line each row begins on (for Parquet: row number), from 1."""
    unit: str = "line"

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def where(self, row: int) -> str:
        """`file:line` of a row."""
        return f"{self.name}:{self.lines[row]}"


def together(problems: Sequence[DataError], *, name: str) -> DataError:
    """One error for all problems; a single one stands for itself."""
    if len(problems) == 1:
        only = problems[0]
        return DataError(only.what, where=only.where, mend=only.mend, problems=(only,))
    listed = "; ".join(str(p).rstrip(".") for p in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return DataError(f"{len(problems)} problems: {listed}{more}", where=name, problems=problems)


def read(path: Path, *, name: str = "") -> Table:
    """Read a table by the ending of its name.

    Args:
        path: a .csv, .tsv, .jsonl, .ndjson, .parquet or .pq file.
        name: what messages call it; default: the path.

    Raises:
        DataError: not there, unreadable, empty, wrongly encoded or ragged; all problems at once.
    """
    shown = name or str(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"cannot tell the format from the ending {suffix!r}",
            where=shown,
            mend=f"Use one of {', '.join(SUFFIXES)}.",
        )
    if suffix in PARQUET_SUFFIXES:
        table = _parquet(path, shown)
    elif suffix in JSONL_SUFFIXES:
        table = _jsonl(_decode(_bytes(path, shown), shown), shown)
    else:
        table = _csv(_decode(_bytes(path, shown), shown), shown, "\t" if suffix == ".tsv" else None)
    if not len(table):
        raise DataError(
            "there are no rows, only a header" if table.columns else "the file is empty",
            where=shown,
            mend="Give a file with a header and at least one row for each answer wanted.",
        )
    return table


def named(columns: Sequence[str]) -> str:
    """Column names for a message; what is too long for a name may be a text, and is not shown.

    A file without a header has a row of data in its place.
    """
    shown = [repr(c) if is_name(c) else "(a long text: is the header missing?)" for c in columns[:20]]
    return ", ".join(shown) + (", …" if len(columns) > 20 else "")


def is_name(column: str) -> bool:
    """Whether a header cell looks like a name and not like a text."""
    return len(column) <= 40 and len(column.split()) <= 4 and column.isprintable()


def _bytes(path: Path, shown: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("no such file", where=shown, mend="Check the path in `data:`.") from error
    except IsADirectoryError as error:
        raise DataError("this is a folder", where=shown, mend="Name one file.") from error
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        raise DataError(
            f"cannot be read ({getattr(error, 'strerror', None) or 'no valid path'})",
            where=shown,
            mend="Check its permissions.",
        ) from error


def _decode(raw: bytes, shown: str) -> str:
    if not raw.strip():
        raise DataError("the file is empty", where=shown, mend="Give a file with a header and rows.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            "the file is UTF-16, not UTF-8",
            where=f"{shown}:1",
            mend=f"Convert it: iconv -f UTF-16 -t UTF-8 {shown} > converted{Path(shown).suffix}",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"byte {error.start + 1} (0x{raw[error.start]:02x}) is not valid UTF-8",
            where=f"{shown}:{line}",
            mend="If the file comes from Excel or Windows, convert it: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {shown} > converted{Path(shown).suffix}",
        ) from error
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise DataError(
            "a NUL character stands in the file",
            where=f"{shown}:{line}",
            mend=f"The file may be UTF-16 or damaged; remove NULs: tr -d '\\000' < {shown}",
        )
    return text


# ----------------------------------------------------------------------------- csv


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        began = 1
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise DataError(
                    f"not valid CSV ({error})",
                    where=f"{began}",
                    mend='Put texts that hold quotes, commas or line breaks in "double quotes" '
                    'and write a quote inside them twice ("").',
                ) from error
            if record and (len(record) > 1 or record[0].strip()):
                yield began, record
            began = reader.line_num + 1
    finally:
        csv.field_size_limit(before)


def _delimiter(text: str) -> str:
    """The delimiter under which the first records are widest and most even; else the comma."""

    def evenness(delimiter: str) -> tuple[float, int]:
        widths: list[int] = []
        records = _records(text, delimiter)
        try:
            for _, record in records:
                widths.append(len(record))
                if len(widths) == _SNIFFED_RECORDS:
                    break
        except DataError:
            pass  # A delimiter under which the text does not parse; the final reading reports it.
        finally:
            records.close()  # type: ignore[attr-defined]  # a generator: restores the field limit
        if not widths or widths[0] == 1:
            return 0.0, 1
        return sum(w == widths[0] for w in widths) / len(widths), widths[0]

    return max(_DELIMITERS, key=evenness)


def _header(record: list[str], shown: str, line: int) -> list[str]:
    names = [name.strip() for name in record]
    twice = sorted(name for name, n in Counter(names).items() if n > 1 and name)
    if twice:
        raise DataError(
            f"the header names {named(twice)} more than once",
            where=f"{shown}:{line}",
            mend="Give every column a name of its own.",
        )
    if not any(names):
        raise DataError("the header is blank", where=f"{shown}:{line}", mend="Name the columns.")
    return names


def _csv(text: str, shown: str, delimiter: str | None) -> Table:
    chosen = delimiter or _delimiter(text)
    lines: list[int] = []
    rows: list[list[str]] = []
    ragged: list[DataError] = []
    names: list[str] | None = None
    try:
        for line, record in _records(text, chosen):
            if names is None:
                names = _header(record, shown, line)
            elif len(record) == len(names):
                lines.append(line)
                rows.append(record)
            else:
                ragged.append(
                    DataError(
                        f"{len(record)} cells where the header has {len(names)}",
                        where=f"{shown}:{line}",
                        mend=f'Put texts that hold {chosen!r} in "double quotes".',
                    )
                )
    except DataError as error:
        if error.where.isdigit():
            error = DataError(error.what, where=f"{shown}:{error.where}", mend=error.mend)
        ragged.append(error)
    if ragged:
        raise together(_first(ragged), name=shown)
    # A nameless column (an index somebody's export wrote) can be meant by nobody.
    columns = {n: [row[i] for row in rows] for i, n in enumerate(names or []) if n}
    return Table(name=shown, columns=dict(columns), lines=lines)


def _first(problems: list[DataError]) -> list[DataError]:
    """The first problems, and one that counts the rest."""
    if len(problems) <= MAX_PROBLEMS:
        return problems
    rest = len(problems) - MAX_PROBLEMS
    return [
        *problems[:MAX_PROBLEMS],
        DataError(f"and {rest} more like these", where=problems[MAX_PROBLEMS].where),
    ]


# ------------------------------------------------------------------ jsonl, parquet


def _jsonl(text: str, shown: str) -> Table:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    broken: list[DataError] = []
    # Only \n ends a line of JSONL: str.splitlines would also cut at U+2028 inside a text.
    for line, row in enumerate(text.split("\n"), start=1):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except (ValueError, RecursionError) as error:
            what = (
                f"not valid JSON ({error.msg}, column {error.colno})"
                if isinstance(error, json.JSONDecodeError)
                else "not valid JSON"
            )
            broken.append(DataError(what, where=f"{shown}:{line}", mend="Write one JSON object a line."))
            continue
        if not isinstance(value, dict):
            broken.append(
                DataError("not a JSON object", where=f"{shown}:{line}", mend='Write {"column": "value", …}.')
            )
            continue
        rows.append(value)
        lines.append(line)
    if broken:
        raise together(_first(broken), name=shown)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if any(not _encodable(name) for name in names):
        raise DataError("a name is half a character (a lone surrogate)", where=shown, mend="Rename it.")
    return Table(name=shown, columns={n: [row.get(n) for row in rows] for n in names}, lines=lines)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _parquet(path: Path, shown: str) -> Table:
    import polars as pl

    raw = _bytes(path, shown)
    try:
        frame = pl.read_parquet(raw)
        columns = {name: frame[name].to_list() for name in frame.columns}
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise DataError(
            "not a readable Parquet file", where=shown, mend="Write it again, or give CSV or JSONL."
        ) from error
    return Table(name=shown, columns=columns, lines=range(1, frame.height + 1), unit="row")
