"""The example that needs no data: what its page shows is what its recipe prints, numbers aside."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from sazon.cli.main import app

FOLDER = Path(__file__).parents[2] / "examples" / "rent-buy-or-season"
PAGE = (FOLDER / "README.md").read_text("utf-8")
NUMBER = re.compile(r"[\d.,–]*\d")


def shown(first: str) -> list[str]:
    """The lines of the page's block that holds a text."""
    return next(b for b in re.findall(r"```text\n(.*?)```", PAGE, re.S) if first in b).splitlines()


def printed(tmp_path: Path, *words: str) -> list[str]:
    fewer = ["--set", "economics.worlds=300", "--offline", "--out", str(tmp_path / "run")]
    asked = ["economics", str(FOLDER / "recipe.yaml"), *fewer, *words]
    result = CliRunner().invoke(app, asked, env={"COLUMNS": "220"})
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def masked(line: str, *, cells: int) -> list[str]:
    """The first cells of a line of a table, every number alike."""
    return re.split(r"\s{2,}", NUMBER.sub("#", line.strip()))[:cells]


def test_the_page_shows_what_the_recipe_prints(tmp_path):
    page, now = shown("break-even"), printed(tmp_path)
    assert masked(page[0], cells=5) == masked(now[0], cells=5)
    rows = [line for line in page if "(A)" in line and "·" not in line]
    assert len(rows) == 6
    assert [masked(r, cells=4) for r in rows] == [masked(r, cells=4) for r in now[1:7]]
    rest = " ".join(" ".join(now[7:]).split())
    assert all(" ".join(line.split()) in rest for line in page[7:])


def test_the_sweep_prices_every_way_at_three_levels(tmp_path):
    page = shown("demand.requests_per_day=50000")
    now = printed(tmp_path, "--what-if", "demand.requests_per_day=50000,2000000")
    assert masked(page[0], cells=2) == masked(now[0], cells=2)
    names = re.compile(r"(frontier|small-api|rented-70b|bought-70b|seasoned|hybrid)  ")
    for lines in (page, now):
        found = [match[1] for line in lines if (match := names.search(line))]
        assert len(found) == 18
        assert all(len({*found[i : i + 6]}) == 6 for i in (0, 6, 12))
    labels = ["as the recipe says", "demand.requests_per_day=50000", "demand.requests_per_day=2000000"]
    assert [line.split("  ")[0] for line in now if line[:1].strip()][1:4] == [
        line.split("  ")[0] for line in page if line[:1].strip()
    ][1:4]
    assert all(any(line.startswith(label) for line in page) for label in labels)


def test_there_is_a_summary_in_spanish():
    assert "## En español" in PAGE
