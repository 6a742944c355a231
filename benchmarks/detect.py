"""What the detectors find, what they miss, what they take for something it is not, and how fast.

    python benchmarks/detect.py --data DIR [--split dev] [--misses 20] [--out FILE.json]

DIR holds `meddocan/{train,dev}.jsonl` (Spanish clinical cases with synthetic personal data) and
`banking77/test.csv` (customers' questions without personal data). Beside them stands
`detect_chat.jsonl`, short synthetic messages to clinics, banks, town halls and shops in Spanish and
English, written for this measurement and used for nothing else.

A span of the annotation is *covered* where all its characters but blanks lie in found spans of any
kind; it is *found* where they lie in found spans of its kind. A found span is *right* where it touches
an annotated span of its kind. F1 is of spans with exact borders and the right kind. Intervals allow for
documents: spans of one document are not independent.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from keep import keep

from sazon.core.errors import SazonError
from sazon.core.registry import load
from sazon.core.types import Estimate
from sazon.policy.detect import Detector, Inspector, Span
from sazon.stats.clusters import Clustering, share

CHAT = Path(__file__).with_name("detect_chat.jsonl")
NAMED = frozenset(Path(__file__).with_name("banking77_named.txt").read_text("utf-8").splitlines())
"""Places, ages and the like that do stand in the questions to the bank, lower case."""
MEDDOCAN = {
    "NOMBRE_SUJETO_ASISTENCIA": "PERSON",
    "NOMBRE_PERSONAL_SANITARIO": "PERSON",
    "TERRITORIO": "PLACE",
    "PAIS": "PLACE",
    "CALLE": "ADDRESS",
    "HOSPITAL": "ORGANISATION",
    "INSTITUCION": "ORGANISATION",
    "CENTRO_SALUD": "ORGANISATION",
    "FECHAS": "DATE",
    "EDAD_SUJETO_ASISTENCIA": "AGE",
    "SEXO_SUJETO_ASISTENCIA": "SEX",
    "FAMILIARES_SUJETO_ASISTENCIA": "FAMILY",
    "PROFESION": "PROFESSION",
    "ID_SUJETO_ASISTENCIA": "RECORD",
    "ID_CONTACTO_ASISTENCIAL": "RECORD",
    "ID_ASEGURAMIENTO": "NSS",
    "ID_TITULACION_PERSONAL_SANITARIO": "LICENCE",
    "ID_EMPLEO_PERSONAL_SANITARIO": "LICENCE",
    "CORREO_ELECTRONICO": "EMAIL",
    "NUMERO_TELEFONO": "PHONE",
    "NUMERO_FAX": "PHONE",
    "URL_WEB": "URL",
    "OTROS_SUJETO_ASISTENCIA": "OTHER",
}
"""Labels of MEDDOCAN as kinds; a postcode among its territories is a POSTCODE."""
SAME = [
    {"DATE", "BIRTH_DATE"},
    {"NIF", "NIE", "NATIONAL_ID", "PASSPORT", "LICENCE"},
    {"RECORD", "NSS", "OTHER"},
    {"IBAN", "ACCOUNT", "CARD"},
    {"PLACE", "ORGANISATION", "ADDRESS", "POSTCODE"},
    {"EMAIL", "HANDLE", "URL"},
    {"SPELLED", "PHONE", "NIF", "RECORD"},
]
"""Kinds that may stand for one another when a span is asked for."""
IDENTIFIERS = (
    "EMAIL",
    "PHONE",
    "NSS",
    "RECORD",
    "LICENCE",
    "NIF",
    "NIE",
    "CIF",
    "NATIONAL_ID",
    "PASSPORT",
    "PLATE",
    "IBAN",
    "CARD",
    "ACCOUNT",
    "IP",
    "MAC",
    "URL",
    "HANDLE",
    "SECRET",
    "SPELLED",
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text and what is annotated in it: (start, end, kind)."""

    id: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure with its goal."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str
    goal: float | None = None
    met: bool | None = None


def documents(path: Path, labels: Mapping[str, str] | None = None) -> list[Document]:
    """Annotated texts of a JSON Lines file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Document(id=str(row["id"]), text=row["text"], spans=tuple(_annotated(row, labels or {})))
        for row in rows
    ]


def _annotated(row: Mapping[str, object], labels: Mapping[str, str]) -> Iterable[tuple[int, int, str]]:
    text = str(row["text"])
    for span in row["spans"]:  # type: ignore[attr-defined]
        start, end = span["start"], span["end"]
        kind = labels.get(span["label"], span["label"])
        digits = sum(map(str.isdigit, text[start:end]))
        if kind == "PLACE" and digits >= 4:
            kind = "POSTCODE"
        if kind == "RECORD" and not digits:
            # Words such as "adolescente" or "boliviano", which the annotators had no label for.
            kind = "OTHER"
        yield start, end, kind


def alike(first: str, second: str) -> bool:
    """Whether one kind may stand for the other."""
    return first == second or any({first, second} <= same for same in SAME)


def holds(text: str, start: int, end: int, spans: Iterable[Span]) -> bool:
    """Whether spans hold every letter and digit of a piece of text."""
    inside = {i for s in spans for i in range(max(s.start, start), min(s.end, end))}
    return all(i in inside for i in range(start, end) if text[i].isalnum())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One annotated or found span, counted."""

    document: str
    kind: str
    covered: bool
    found: bool
    exact: bool


def count(rows: Sequence[Document], found: Sequence[Sequence[Span]]) -> tuple[list[Row], list[Row]]:
    """Annotated spans (covered, found, exact) and found spans (touching, right, exact)."""
    annotated, seen = [], []
    for row, spans in zip(rows, found, strict=True):
        for start, end, kind in row.spans:
            near = [s for s in spans if s.start < end and start < s.end]
            same = [s for s in near if alike(s.kind, kind)]
            exact = any((s.start, s.end) == (start, end) for s in same)
            whole, known = (holds(row.text, start, end, of) for of in (near, same))
            annotated.append(Row(document=row.id, kind=kind, covered=whole, found=known, exact=exact))
        for s in spans:
            near_by = [a for a in row.spans if s.start < a[1] and a[0] < s.end]
            right = [a for a in near_by if alike(s.kind, a[2])]
            exact = any((s.start, s.end) == a[:2] for a in right)
            seen.append(
                Row(document=row.id, kind=s.kind, covered=bool(near_by), found=bool(right), exact=exact)
            )
    return annotated, seen


def clustered(rows: Sequence[Row], hit: Callable[[Row], bool]) -> Estimate:
    """The share of rows that are a hit, allowing for documents."""
    hits = np.array([hit(row) for row in rows], dtype=bool)
    return share(hits, Clustering.of([row.document for row in rows]))


def f1(annotated: Sequence[Row], seen: Sequence[Row], kind: str) -> float | None:
    """Of spans of one kind with exact borders."""
    asked, given = ([r for r in rows if r.kind == kind] for rows in (annotated, seen))
    if not asked or not given:
        return None
    recall = sum(r.exact for r in asked) / len(asked)
    precision = sum(r.exact for r in given) / len(given)
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def table(title: str, rows: Sequence[Document], found: Sequence[Sequence[Span]]) -> list[Figure]:
    """Print recall and precision by kind; return them with the totals."""
    annotated, seen = count(rows, found)
    figures: list[Figure] = []
    print(f"\n{title}: {len(rows)} texts, {len(annotated)} annotated spans, {len(seen)} found")
    print(f"{'kind':<14}{'n':>6}{'recall':>26}{'covered':>9}{'precision':>26}{'F1 exact':>10}")
    for kind in sorted({r.kind for r in annotated} | {r.kind for r in seen}):
        asked, given = ([r for r in group if r.kind == kind] for group in (annotated, seen))
        recall, right = clustered(asked, lambda r: r.found), clustered(given, lambda r: r.found)
        covered = f"{sum(r.covered for r in asked) / len(asked):.3f}" if asked else "–"
        exact = f1(annotated, seen, kind)
        print(
            f"{kind:<14}{len(asked):>6}{_said(recall):>26}{covered:>9}{_said(right):>26}"
            f"{'–' if exact is None else f'{exact:.3f}':>10}"
        )
        figures += [_figure(f"{title}/{kind}/recall", recall), _figure(f"{title}/{kind}/precision", right)]
    named = [r for r in annotated if r.kind in IDENTIFIERS]
    figures += [
        _figure(f"{title}/identifiers/recall", clustered(named, lambda r: r.found)),
        _figure(f"{title}/all/covered", clustered(annotated, lambda r: r.covered)),
        _figure(f"{title}/all/precision", clustered(seen, lambda r: r.covered)),
    ]
    for kind in ("PERSON", "PLACE"):
        figures.append(Figure(name=f"{title}/{kind}/F1", value=f1(annotated, seen, kind), unit="F1"))
    return figures


def _said(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def _figure(name: str, e: Estimate) -> Figure:
    return Figure(name=name, value=e.value, low=e.low, high=e.high, unit=e.unit)


def false_alarms(texts: Sequence[str], inspector: Inspector) -> tuple[float, list[str]]:
    """Spans per kB of what does not stand in texts without personal data, and what was taken for it."""
    found = [(s.kind, text[s.start : s.end]) for text in texts for s in inspector.inspect(text).spans]
    taken = [f"{kind}: {said}" for kind, said in found if said.lower() not in NAMED]
    return len(taken) / (sum(len(t.encode()) for t in texts) / 1000), taken


def pace(name: str, texts: Sequence[str], detect: Callable[[str], object]) -> Figure:
    """Milliseconds a kB on one core: the median, fastest and slowest of fifteen passes over the texts."""
    size = sum(len(text.encode()) for text in texts) / 1000
    for text in texts[:3]:
        detect(text)
    times = []
    for _ in range(15):
        begin = time.process_time()
        for text in texts:
            detect(text)
        times.append(time.process_time() - begin)
    low, middle, high = (1000 * s / size for s in (min(times), statistics.median(times), max(times)))
    return Figure(name=f"pace/{name}", value=middle, low=low, high=high, unit="ms/kB")


def every_one(every: Mapping[str, Detector]) -> Callable[[str], object]:
    """All detectors on a text as it stands; the inspector reads folded and opened text beside it."""
    return lambda text: [detect(text) for detect in every.values()]


def import_ms() -> float:
    """Milliseconds of one core until a fresh interpreter can call the patterns: the median of five."""
    code = (
        "import time; t = time.process_time(); from sazon.policy.detect.patterns import find; find('1');"
        " print(time.process_time() - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(5)]
    return 1000 * statistics.median(float(run.stdout) for run in runs)


def detectors() -> dict[str, Detector]:
    """Patterns, and names where they are there."""
    found = {"patterns": load("detector", "patterns")}
    try:
        found["names"] = load("detector", "names")
    except (SazonError, ImportError) as error:
        print(f"without names: {error}")
    return found


def goals(figures: Sequence[Figure], split: str, *, names: bool) -> list[Figure]:
    """The figures that something was asked of, with what was asked."""
    least = {f"{split}/identifiers/recall": 0.97}
    if names:
        least |= {f"{split}/PERSON/F1": 0.95, f"{split}/PLACE/F1": 0.95, f"{split}/all/covered": 0.96}
    most = {"banking77/false alarms": 0.05, "pace/patterns": 0.7, "pace/with names": 1.5, "import": 150}
    result = []
    for f in figures:
        goal = least.get(f.name, most.get(f.name))
        met = None
        if goal is not None:
            met = f.value is not None and (f.value >= goal if f.name in least else f.value <= goal)
        result.append(Figure(**(asdict(f) | {"goal": goal, "met": met})))
    return result


def misses(rows: Sequence[Document], found: Sequence[Sequence[Span]], most: int) -> None:
    """Print some annotated spans that are not covered (of the rows that rules are chosen on)."""
    lost: dict[str, list[str]] = {}
    for row, spans in zip(rows, found, strict=True):
        for start, end, kind in row.spans:
            if not holds(row.text, start, end, spans):
                around = row.text[max(0, start - 40) : start], row.text[start:end], row.text[end : end + 15]
                lost.setdefault(kind, []).append("{}[{}]{}".format(*around).replace("\n", "⏎"))
    for kind, examples in sorted(lost.items()):
        print(f"\n{kind}: {len(examples)} missed")
        for example in random.Random(0).sample(examples, min(most, len(examples))):
            print(f"  {example}")


def main() -> None:
    """Measure, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=["train", "dev"], default="dev")
    parser.add_argument("--misses", type=int, default=0, help="print so many misses a kind (train only)")
    parser.add_argument("--only", nargs="*", help="names of detectors, by default all there are")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    every = {n: d for n, d in detectors().items() if given.only is None or n in given.only}
    inspector = Inspector(every, timeout_s=60, size_limit=10**6)
    clinical = documents(given.data / "meddocan" / f"{given.split}.jsonl", MEDDOCAN)
    found = [inspector.inspect(row.text).spans for row in clinical]
    figures = table(given.split, clinical, found)
    if given.misses and given.split == "train":
        misses(clinical, found, given.misses)
    if CHAT.exists():
        chat = documents(CHAT)
        figures += table("chat", chat, [inspector.inspect(row.text).spans for row in chat])
    with (given.data / "banking77" / "test.csv").open(newline="", encoding="utf-8") as file:
        questions = [row["text"] for row in csv.DictReader(file)]
    rate, taken = false_alarms(questions, inspector)
    print(f"\nfalse alarms in {len(questions)} questions to a bank: {len(taken)}, e.g. {taken[:8]}")
    figures.append(Figure(name="banking77/false alarms", value=rate, unit="per kB"))
    texts = [row.text for row in clinical[:100]]
    figures += [
        pace("patterns", texts, every["patterns"]),
        pace("with names", texts, every_one(every)),
        pace("whole inspector", texts, inspector.inspect),
        Figure(name="import", value=import_ms(), unit="ms"),
    ]
    figures = goals(figures, given.split, names="names" in every)
    print()
    for f in figures:
        if f.goal is not None or f.name.startswith(
            ("pace", "chat/identifiers", "chat/all", "chat/PERSON/F1", "chat/PLACE/F1")
        ):
            value = "undefined" if f.value is None else f"{f.value:.3f}"
            spread = "" if f.low is None else f"({f.low:.3f}–{f.high:.3f})"
            verdict = "" if f.goal is None else f"to reach {f.goal:g}  {'met' if f.met else 'NOT met'}"
            print(f"{f.name:<32}{value:>10} {spread:<15} {f.unit:<8}{verdict}")
    keep(given.out, figures)


if __name__ == "__main__":
    main()
