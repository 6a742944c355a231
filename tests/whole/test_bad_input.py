"""Hostile files and words through the real command line: an exit code, words, and nothing half-written."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from pathlib import Path

import polars as pl
import pytest

import sazon
from sazon.core import digest
from sazon.core.run import Run

MINIMAL = """\
name: small
data: {train: {path: FILE}, input: text, target: intent}
candidates:
  floor: {technique: majority}
"""


def csv_of(rows: list[tuple[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("text", "intent"), *rows])
    return text.getvalue().encode()


GOOD = csv_of([(f"{'abc'[i % 3] * 4} message {i}", "abc"[i % 3]) for i in range(60)])


def parquet_of(raw: bytes) -> bytes:
    held = io.BytesIO()
    pl.read_csv(raw).write_parquet(held)
    return held.getvalue()


BAD_FILES = {
    "empty.csv": (b"", "empty"),
    "blank.csv": (b"\n \n\n", "empty"),
    "header.csv": (b"text,intent\n", "no rows"),
    "latin.csv": ("text,intent\nqué,a\n".encode("latin-1"), "latin.csv:2: byte"),
    "utf16.csv": ("text,intent\nhola,a\n".encode("utf-16"), "UTF-16"),
    "one.csv": (csv_of([(f"hola {i}", "a") for i in range(50)]), "1 class"),
    "column.csv": (GOOD.replace(b"intent", b"intend", 1), "Did you mean 'intend'"),
    "quote.csv": (GOOD + b'"never closed,a\n', "quote.csv:62: not valid CSV"),
    "ragged.csv": (GOOD + b"a,b,c\n", "ragged.csv:62: 3 cells"),
    "nul.csv": (GOOD + b"a\x00b,a\n", "NUL"),
    "junk.csv": (bytes(range(256)) * 20, "junk.csv:"),
    "zip.csv": (b"PK\x03\x04\x14\x00" + bytes(range(255, 0, -1)), "zip.csv:"),
    "cut.jsonl": (b'{"text": "hola", "intent": "a"}\n{"text": "ho', "cut.jsonl:2: not valid JSON"),
    "list.jsonl": (b"[1, 2]\n", "not a JSON object"),
    "cut.parquet": (parquet_of(GOOD)[:-40], "not a readable Parquet file"),
    "junk.parquet": (b"PAR1" + bytes(100) + b"PAR1", "not a readable Parquet file"),
    "table.xlsx": (b"PK", "cannot tell the format"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_data_file_is_refused_in_words(tmp_path: Path, command, name: str) -> None:
    raw, said = BAD_FILES[name]
    (tmp_path / name).write_bytes(raw)
    (tmp_path / "r.yaml").write_text(MINIMAL.replace("FILE", name))
    for words in (["check", "r.yaml"], ["run", "r.yaml", "--out", "run"], ["init", name, "--out", "x.yaml"]):
        if (words[0], name) == ("init", "column.csv"):
            continue  # init finds the column itself
        result = command(*words)
        assert result.exit_code == 2
        assert words[0] == "init" or said in result.stderr
        assert len(result.stderr) < 2_000
    assert [p.name for p in tmp_path.glob("run/*")] in ([], [".lock"])
    assert not (tmp_path / "x.yaml").exists() or name == "column.csv"


LABELS = ('a, "b"', "😀 sí", "<script>c</script>")
GOOD_FILES = {
    "strange": [(f"=cmd|'C'!{i} 👩‍👩‍👧\u2028\n{'abc'[i % 3] * 4} {i}", LABELS[i % 3]) for i in range(60)],
    "long": [(f"{'word ' * (20_000 if i == 7 else 3)}{'abc'[i % 3] * 4} {i}", f"{i % 3}") for i in range(60)],
}


@pytest.mark.parametrize("name", GOOD_FILES)
def test_strange_but_good_texts_and_labels_work(tmp_path: Path, command, name: str) -> None:
    (tmp_path / "rows.csv").write_bytes(csv_of(GOOD_FILES[name]))
    text = MINIMAL.replace("FILE", "rows.csv") + "  linear: {technique: linear}\n"
    (tmp_path / "r.yaml").write_text(text)
    result = command("run", "r.yaml", "--out", "run", "--json")
    assert result.exit_code in (0, 4), result.output
    assert len(json.loads(result.stdout)["table"]) == 2
    report = (tmp_path / "run/report/report.html").read_text()
    assert "<script>c" not in report


API = "  api: {technique: api, provider: c, assumed: {accuracy: {p10: 0.8, p90: 0.9}}}"
PROVIDER = "providers: {c: {base_url: 'https://a.example', model: m%s}}\ncandidates:\n" + API
CIRCLE = (
    "  a: {technique: cascade, local: b, cloud: floor}\n  b: {technique: cascade, local: a, cloud: floor}\n"
)
WEIGHTS = "models: {m: {source: 'path:nowhere'}}\ncandidates:\n  p: {technique: transfer, base: m}"
# name: (part of the recipe, what stands there instead, exit code, where, what is said)
BAD_RECIPES = {
    "technique": (
        "majority",
        "majorty",
        2,
        "r.yaml:4:11 candidates.floor.technique",
        "Did you mean 'majority'",
    ),
    "circle": ("  floor:", f"{CIRCLE}  floor:", 2, "r.yaml:4:3", "circle: a → b → a"),
    "base": ("majority", "transfer, base: m", 2, "r.yaml:4:", "unknown model 'm'"),
    "weights": ("candidates:", WEIGHTS, 3, "models.m", "there is no folder"),
    "file": ("FILE", "nowhere.csv", 2, "nowhere.csv", "no such file"),
    "no price": ("candidates:", PROVIDER % "", 2, "providers.c.price", "needs its provider's price"),
    "price": ("candidates:", PROVIDER % ", price: 'genai:opnai/x'", 2, "providers.c.price", "'openai'"),
    "climbs": ("  floor:", "  ../../up:", 2, "r.yaml:4:3", "name of its folder"),
    "path": ("  floor:", "  a/b:", 2, "r.yaml:4:3", "name of its folder"),
    "nameless": ("  floor:", "  '':", 2, "r.yaml:4:3", "name of its folder"),
    "unfinished": ("  floor:", "  x.partial:", 2, "r.yaml:4:3", "name of its folder"),
}


@pytest.mark.parametrize("name", BAD_RECIPES)
def test_a_bad_recipe_is_refused_before_any_work(tmp_path: Path, command, name: str) -> None:
    old, new, code, where, said = BAD_RECIPES[name]
    (tmp_path / "good.csv").write_bytes(GOOD)
    (tmp_path / "r.yaml").write_text(MINIMAL.replace(old, new, 1).replace("FILE", "good.csv"))
    assert command("check", "r.yaml").exit_code in (2, 3)
    result = command("run", "r.yaml", "--out", "deep/run")
    assert result.exit_code == code
    assert where in result.stderr
    assert said in result.stderr
    assert not list(tmp_path.rglob("manifest.jsonl"))
    said_as_json = json.loads(command("run", "r.yaml", "--out", "deep/run", "--json").stdout)
    assert said in " ".join(said_as_json["problems"])


JUNK = {
    "bytes": bytes(range(256)), "nul": bytes(50), "pdf": b"%PDF-1.4 \x01\x02", "empty": b"", "list": b"- a\n",
    "text": b"hello", "object": b"a: !!python/object/apply:os.system [x]\n", "bomb": b"a: &a [*a, *a]\n",
    "tab": b"name:\tx\n\tdata: y\n",
}  # fmt: skip


@pytest.mark.parametrize("name", JUNK)
def test_junk_is_no_recipe(tmp_path: Path, command, name: str) -> None:
    (tmp_path / "junk.yaml").write_bytes(JUNK[name])
    result = command("run", "junk.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("junk.yaml")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "override",
    ["nonsense", "=", "=3", "a.b=1", "a..b=1", "seed=x", "seed.x=3", "seed=-1", "economics.months=[",
     "candidates=3", "candidates.floor.technique=nope", "data.train.path.x=1", "seed=1: 2", "name=",
     "seed=1e400"],
)  # fmt: skip
def test_overrides_that_make_no_sense(small_recipe: Path, command, override: str) -> None:
    result = command("run", small_recipe, "--set", override)
    assert result.exit_code == 2
    assert result.stderr
    assert not small_recipe.with_name("runs").exists()


def test_places_that_are_no_recipe_and_no_run(tmp_path: Path, command) -> None:
    (tmp_path / "folder").mkdir()
    for words in (
        ["run", "folder"],
        ["decide", "folder"],
        ["check", "folder"],
        ["serve", "folder"],
        ["serve", "no"],
    ):
        result = command(*words)
        assert result.exit_code == 3, words
        assert "no run here" in result.stderr
    assert command("run", "nowhere.yaml").exit_code == 2
    (tmp_path / "rows.csv").write_bytes(GOOD)
    result = command("init", "rows.csv", "--out", "folder", "--force")
    assert result.exit_code == 3
    assert "a folder stands where a file is needed" in result.stderr


def test_a_run_whose_papers_were_changed(copied_run: Path, command) -> None:
    (copied_run / "resolved.json").write_text('{"seed": ')
    for words in (["decide", copied_run], ["serve", copied_run], ["run", "recipe.yaml", "--out", copied_run]):
        result = command(*words)
        assert result.exit_code == 2
        assert "changed or cut" in result.stderr


# ---------------------------------------------------------------------------- disks


def test_a_place_that_cannot_be_written(small_recipe: Path, command) -> None:
    file = small_recipe.with_name("file")
    file.write_text("mine")
    for out in (file, file / "run"):
        result = command("run", small_recipe, "--out", out)
        assert result.exit_code == 3
        assert str(out) in result.stderr
        assert "a file stands where a folder is needed" in result.stderr
    assert file.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_read_only_disk(small_recipe: Path, command, monkeypatch, number: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    result = command("run", small_recipe, "--out", "run")
    assert result.exit_code == 3
    assert "Choose another place with --out" in result.stderr


@pytest.mark.parametrize(
    "function", ["os.fsync", "numpy.savez", "polars.DataFrame.write_parquet", "pathlib.Path.write_text"]
)
def test_a_disk_that_fills_up_leaves_whole_stages_only(
    small_recipe: Path, command, monkeypatch, function: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(function, full)
        result = command("run", small_recipe, "--out", "run")
    assert result.exit_code == 3
    assert "the disk is full" in result.stderr
    run = small_recipe.with_name("run")
    manifest = run / "manifest.jsonl"
    lines = manifest.read_text().splitlines() if manifest.exists() else []
    made = {entry["stage"]: entry["output_digest"] for entry in map(json.loads, lines)}
    assert {stage: digest.of_folder(run / stage) for stage in made} == made
    files = {p.relative_to(run).as_posix() for p in run.glob("*/**/*") if p.is_file()}
    assert all(any(file.startswith(f"{stage}/") for stage in made) for file in files), files
    assert command("decide", small_recipe, "--out", "run").exit_code in (0, 4)


def test_two_runs_do_not_share_a_directory(small_recipe: Path, command) -> None:
    with Run.start(small_recipe.with_name("run"), seed=0):
        result = command("run", small_recipe, "--out", "run")
    assert result.exit_code == 3
    assert "another run is using this directory" in result.stderr


def test_a_recipe_refused_leaves_the_run_that_was_there(copied_run: Path, command) -> None:
    before = digest.of_folder(copied_run)
    other = copied_run.with_name("other.yaml")
    other.write_text(MINIMAL.replace("FILE", "nowhere.csv"))
    assert command("run", other, "--out", copied_run).exit_code == 2
    assert digest.of_folder(copied_run) == before


# --------------------------------------------------------------------- small commands


def test_explain_and_check_speak_json(small_recipe: Path, command) -> None:
    rows = {row["path"]: row for row in json.loads(command("explain", small_recipe, "--json").stdout)}
    assert rows["economics.worlds"]["origin"] == "recipe"
    assert rows["seed"]["value"] == 0
    assert json.loads(command("check", small_recipe, "--json").stdout)[-1]["level"] == "note"
    assert "candidates" in json.loads(command("explain", "--schema").stdout)["properties"]
    assert command("explain").exit_code == 2
    assert command("--version").stdout.strip() == sazon.__version__


def test_what_init_writes_can_be_checked_and_run(small_csv: Path, command, monkeypatch) -> None:
    assert command("init", small_csv, "--out", "new/recipe.yaml").exit_code == 0
    assert command("init", small_csv, "--out", "new/recipe.yaml").exit_code == 2
    assert command("check", "new/recipe.yaml", "--offline").exit_code == 0
    # Without a base model the recipe is quick.
    monkeypatch.setattr("sazon.recipe.write.find_spec", lambda name: None)
    assert command("init", small_csv, "--out", "new/recipe.yaml", "--force").exit_code == 0
    result = command("run", "new/recipe.yaml", "--out", "run", "--offline", "--json")
    assert result.exit_code in (0, 4)
    assert [row["candidate"] for row in json.loads(result.stdout)["table"]] == ["floor", "linear"]


@pytest.mark.parametrize(
    "name", ["demo", "init", "check", "explain", "run", "adapt", "federate", "evaluate", "economics",
             "decide", "report", "serve"],
)  # fmt: skip
def test_help_shows_an_example(command, name: str) -> None:
    result = command(name, "--help")
    assert result.exit_code == 0
    assert f"Example: sazon {name}" in result.stdout
    assert command().stdout.count(f" {name} ") >= 1
