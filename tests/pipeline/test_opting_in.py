"""A run under a policy: people who did not opt in are left out, counted, and named when they withdraw."""

import json

import pytest

from sazon import pipeline
from sazon.core.errors import DataError
from sazon.pipeline import consenting
from sazon.policy.keys import lifecycle

RECIPE = """
name: desk
data: {train: {path: rows.csv}, input: text, target: label, subject: who, sensitivity: class}
candidates: {linear: {technique: linear}, floor: {technique: majority}}
policy: {consents: consents.jsonl, opt_in: [adapt], local_basis: {evaluate: contract}}
economics: {worlds: 200}
"""
PEOPLE = [f"p{i}" for i in range(40)]


@pytest.fixture
def recipe(tmp_path):
    lines = ["text,label,who,class"]
    for i, person in enumerate(PEOPLE):
        for j in range(4):
            word = ("refund money back", "opening hours today")[(i + j) % 2]
            lines.append(f"{word} number {i} {j},{('refund', 'hours')[(i + j) % 2]},{person},personal")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "notice.txt").write_text("We learn from your messages.")
    wanted = pipeline.recipe_of(tmp_path / "recipe.yaml")
    lifecycle.init(wanted.config.policy, tmp_path)
    return wanted


def grant(wanted, people):
    for person in people:
        consenting.grant_consent(
            wanted,
            subject=person,
            purposes=["adapt"],
            recipient="",
            classes=["personal"],
            notice=wanted.root / "notice.txt",
            days=30,
        )


def rows_of(out):
    return json.loads((out / "adapt/linear/candidate.json").read_text())["training"]["rows"]


def test_a_run_learns_only_from_who_opted_in(recipe, tmp_path):
    with pytest.raises(DataError, match="nobody has opted in to adapt"):
        pipeline.run(recipe, out=tmp_path / "run", until="adapt")
    grant(recipe, PEOPLE[:30])
    out = tmp_path / "run"
    outcome = pipeline.run(recipe, out=out, until="evaluate")
    told = [f for f in outcome.findings if f.says.key == "opt_in.left_out"]
    assert told
    assert "10 people" in " ".join(f.what for f in told) or sum(f.says.values["people"] for f in told) >= 10
    first = rows_of(out)
    test = json.loads((out / "data/splits.json").read_text())["test"]
    ended, made = consenting.withdraw_consent(recipe, id_=None, subject=PEOPLE[0])
    assert [r.ended for r in ended] == ["withdrawn"]
    learnt_from = any("run/linear" in line for line in made)
    pipeline.run(recipe, out=out, until="evaluate")
    # Splits stay where they were: only the person's rows are gone.
    assert json.loads((out / "data/splits.json").read_text())["test"] == test
    assert (rows_of(out) < first) == learnt_from
    _, again = consenting.withdraw_consent(recipe, id_=ended[0].id, subject=None)
    assert again == made


def test_nothing_of_the_people_stands_in_the_store_or_the_run(recipe, tmp_path):
    grant(recipe, PEOPLE)
    pipeline.run(recipe, out=tmp_path / "run", until="adapt")
    for path in [*(tmp_path / ".sazon").iterdir(), *(tmp_path / "run").rglob("*")]:
        if path.is_file():
            assert b"p17" not in path.read_bytes(), path
