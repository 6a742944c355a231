"""Take the pictures of the report's first screen that the READMEs show.

`python -m tools.screenshot RUN` writes docs/images/report-en.png and report-es.png with a headless
Chromium, each at most 250 kB.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "docs" / "images"
WIDTH, HEIGHT = 1280, 900
MOST_BYTES = 250_000


def main() -> int:
    """Take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run")
    run = parser.parse_args().run
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        print("needs Chromium: apt-get install chromium")
        return 3
    IMAGES.mkdir(parents=True, exist_ok=True)
    pages = {language_of(page): page for page in sorted((run / "report").glob("report*.html"))}
    for language in ("en", "es"):
        picture = IMAGES / f"report-{language}.png"
        take(browser, pages[language], picture)
        size = picture.stat().st_size
        print(f"{picture.name}: {size / 1000:.0f} kB")
        if size > MOST_BYTES:
            print(f"larger than {MOST_BYTES / 1000:.0f} kB")
            return 1
    return 0


def language_of(page: Path) -> str:
    """The language a page declares."""
    declared = re.search(r'<html[^>]*\blang="?(\w+)', page.read_text(encoding="utf-8"))
    if declared is None:
        raise ValueError(f"{page} declares no language")
    return declared[1]


def take(browser: str, page: Path, picture: Path) -> None:
    """Write the first screen of a page as a PNG."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",  # containers run as root; the page is our own and loads nothing
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                f"--user-data-dir={profile}",
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={picture}",
                page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


if __name__ == "__main__":
    sys.exit(main())
