"""The files of a report: complete, well formed, escaped, and fetching nothing."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from sazon.core.types import Estimate
from sazon.report import inputs_of_worst, summarise, write
from sazon.report.evidence import PARTS
from sazon.testing.evidence import sample_evidence

ROOMS = ("data", "adapt", "federate", "evaluate", "economics", "decide", "policy", "reproduce")
PAGES = ("report.html", "report.en.html")
EMPTY = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks nesting while reading, and keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "elements left open"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(params=["undecided", "decided", "hostile"])
def written(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", PAGES)
def test_every_room_has_its_chapter_and_every_candidate_its_rows(written, name):
    page = Page(written.read(name))
    ids = [a.get("id") for a in page.all("section")]
    assert ids == ["summary", *ROOMS]
    for candidate in written.evidence.candidates:
        assert page.text.count(candidate.name) >= 4


@pytest.mark.parametrize("name", PAGES)
def test_nothing_reads_as_a_bug(written, name):
    text = Page(written.read(name)).text
    assert not re.search(r"\b(None|nan|NaN|inf|undefined|True|False)\b", text)
    assert "{" not in text
    for markdown in (written.read("report.md"),):
        assert not re.search(r"\b(None|nan|NaN)\b", markdown)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_loads_nothing_and_runs_nothing(written, name):
    text = written.read(name)
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "img", "object", "embed", "form", "base"}
    for tag, attributes in page.tags:
        assert not any(a.startswith("on") for a in attributes), "an event handler"
        for key in ("src", "href", "xlink:href", "action", "data"):
            value = attributes.get(key) or "#"
            assert (
                value.startswith("#") or value == "data:," or re.fullmatch(r"report(\.\w\w)?\.html", value)
            ), (tag, value)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert len(text.encode()) < 1_500_000


def test_names_from_outside_are_escaped(hostile):
    for name in PAGES:
        assert "<script" not in hostile.read(name)
        assert "&lt;script&gt;" in hostile.read(name)
    markdown = hostile.read("report.md")
    assert "<script" not in markdown.replace("\\<script", "")


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_references_lead_somewhere(written, name):
    page = Page(written.read(name))
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    wanted = {h[1:] for _, a in page.tags if (h := a.get("href") or "").startswith("#")}
    wanted |= {a["aria-describedby"] for _, a in page.tags if a.get("aria-describedby")}
    assert wanted <= set(ids)


@pytest.mark.parametrize(("name", "language"), [("report.html", "es"), ("report.en.html", "en")])
def test_the_page_is_accessible_in_its_language(undecided, name, language):
    page = Page(undecided.read(name))
    assert page.all("html")[0]["lang"] == language
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    pictures = [a for _, a in page.tags if a.get("role") == "img"]
    assert len(pictures) == 10
    assert all(a.get("aria-label") for a in pictures)
    other = "report.en.html" if language == "es" else "report.html"
    assert any(a.get("href") == other for a in page.all("a"))


def test_the_first_screen_says_what_the_signer_needs(undecided):
    page = undecided.read("report.html")
    first = Page(
        "<main>" + page[page.index('<section id="summary"') : page.index('<section id="data"')] + "</main>"
    ).text
    assert undecided.evidence.verdict["es"] in first
    for words in (
        "Aún no se puede saber",
        "Exactitud",
        "Latencia p95",
        "Costo total",
        "¿Salen datos?",
        "P(mejor)",
        "Requisitos",
    ):
        assert words in first
    for words in (
        "español",
        "inglés",
        "Qué nos haría cambiar de opinión",
        "340",
        "medido",
        "publicado",
        "supuesto",
    ):
        assert words in first
    assert "va primero" in first
    assert "elegida" not in first


def test_tuning_that_loses_is_said_to_lose(decided):
    assert "fine-tuning loses" in decided.read("report.en.html")
    assert "el ajuste fino pierde" in decided.read("report.html")


def test_federation_says_that_updates_are_not_protected(decided):
    assert "travelled unprotected" in decided.read("report.en.html")


def test_inputs_are_shown_only_where_allowed(decided, undecided):
    assert "se me pasó el turno" in undecided.read("report.html")
    for name in (*PAGES, "report.md", "report.json"):
        assert "se me pasó el turno" not in decided.read(name)


def test_stale_inputs_are_flagged(decided):
    assert "older than 180 days: electricity price" in decided.read("report.en.html")


def test_markdown_tables_are_well_formed(written):
    lines = written.read("report.md").splitlines()
    widths, tables = None, 0
    for line in lines:
        if not line.startswith("|"):
            widths = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        tables += widths is None
        widths = widths or cells
        assert cells == widths, line
    assert tables > 10


def test_json_is_strict_and_complete(written):
    def refuse(text):
        raise AssertionError(text)

    told = json.loads(written.read("report.json"), parse_constant=refuse)
    assert told["format"] == "sazon.report/1"
    assert [c["name"] for c in told["candidates"]] == [c.name for c in written.evidence.candidates]
    probe = written.evidence.candidates[2].name
    assert told["evaluation"]["estimates"][probe]["accuracy"]["value"] == 0.871
    assert told["decision"]["choice"] == probe
    assert set(told["verdict"]) == {"en", "es"}
    assert "values" not in told["costs"]


def test_the_same_evidence_gives_the_same_bytes(undecided, tmp_path):
    write(undecided.evidence, tmp_path, language="es")
    for name in (*PAGES, "report.md", "report.json"):
        assert (tmp_path / name).read_bytes() == (undecided.directory / name).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted((*PAGES, "report.json", "report.md"))


def test_a_bare_run_still_has_a_report(tmp_path):
    """One candidate, nothing optional: every chapter stands, nothing breaks."""
    full = sample_evidence(status="undecided")
    only = full.candidates[0]
    nothing = replace(full.decision, choice=None, ranking=(), gates=(), reasons=(), flips=())
    nobody = {"differences": {}, "claims": (), "slices": (), "worst": (), "recall": {}, "notes": ()}
    evaluation = replace(full.evaluation, reference=only.name, **nobody)
    nothing_spent = {"summary": {}, "timeline": {}, "drivers": {}, "inputs": (), "values": np.zeros((1, 1))}
    costs = replace(full.costs, candidates=(only.name,), **nothing_spent)
    bare = replace(
        full,
        candidates=(replace(only, training=None, validation={}, facts={}),),
        findings=(),
        evaluation=evaluation,
        costs=costs,
        decision=nothing,
        reasons={}, flips={}, gates={}, policy={}, seconds={}, versions={}, inputs_shown={}, quality=None,
    )  # fmt: skip
    write(bare, tmp_path, language="en")
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert [a.get("id") for a in page.all("section")] == ["summary", *ROOMS]


def test_unworded_reasons_show_their_keys(tmp_path):
    write(replace(sample_evidence(), reasons={}, flips={}, gates={}), tmp_path, language="en")
    assert "reason.gap" in (tmp_path / "report.html").read_text("utf-8")


def test_rows_are_counted_by_every_part(sample_splits):
    told = summarise(sample_splits)
    assert told.rows == {"fit": 2, "validation": 1, "test": 2}
    assert tuple(told.parts) == PARTS
    assert told.parts["language"] == {
        "en": {"fit": 1, "validation": 0, "test": 2},
        "es": {"fit": 1, "validation": 1, "test": 0},
    }
    assert told.parts["site"] == {}
    assert told.parts["sensitivity"] == {"special": {"fit": 0, "validation": 0, "test": 1}}


def test_texts_of_the_worst_need_public_data_or_leave(sample_splits):
    evaluation = sample_evidence().evaluation
    row = replace(evaluation.worst[0], example=sample_splits.test.ids[0])
    evaluation = replace(evaluation, worst=(row,))
    assert inputs_of_worst(evaluation, sample_splits.test, allowed=False) == {}
    assert inputs_of_worst(evaluation, sample_splits.test, allowed=True) == {"t1": "text t1"}
    public = replace(sample_splits.test, public=True)
    assert inputs_of_worst(evaluation, public, allowed=False) == {"t1": "text t1"}


@pytest.mark.parametrize("cost", [0.0, 1.0, 1e9])
def test_pictures_stand_where_all_costs_are_equal(cost, tmp_path):
    full = sample_evidence()
    same = Estimate(value=cost, low=cost, high=cost, unit="EUR")
    costs = replace(full.costs, summary={c.name: {"total": same} for c in full.candidates})
    write(replace(full, costs=costs), tmp_path, language="en")
    assert "NaN" not in (tmp_path / "report.html").read_text("utf-8")
