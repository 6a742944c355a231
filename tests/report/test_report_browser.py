"""The report opens in a real browser without a word on its console."""

import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --v=0"
).split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the report was not opened in a browser"),
]


def opened(page, profile) -> tuple[str, list[str]]:
    """The page's DOM after loading, and everything its console said."""
    arguments = [CHROMIUM, *QUIET, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout, re.findall(r".*CONSOLE.*", done.stderr)


@pytest.mark.parametrize("name", ["report.html", "report.en.html"])
def test_the_page_opens_without_console_messages(undecided, tmp_path, name):
    dom, console = opened(undecided.directory / name, tmp_path)
    assert console == []
    assert 'id="reproduce"' in dom


def test_hostile_names_run_nothing(hostile, tmp_path):
    dom, console = opened(hostile.directory / "report.html", tmp_path)
    assert console == []
    assert "<script" not in dom


def test_the_policy_of_the_page_would_be_heard(undecided, tmp_path):
    """A smuggled script is refused, and this very test would notice."""
    text = (undecided.directory / "report.html").read_text("utf-8")
    page = tmp_path / "smuggled.html"
    page.write_text(text.replace("</main>", "<script>document.title = 'ran'</script></main>"), "utf-8")
    dom, console = opened(page, tmp_path / "profile")
    assert "<title>ran" not in dom
    assert any("Content Security Policy" in line for line in console)
