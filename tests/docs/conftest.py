"""What the documents' tests stand on: the tools, and the documents' own sessions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the tools are no package that is installed

from tools.documents import Block, Session, blocks, copy_run, prepare, write_messages  # noqa: E402

NOT_COPIED = (".venv", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", "runs", "__pycache__")


class Reading:
    """Documents read from top to bottom, each block carried out once, whatever test asks for it."""

    def __init__(self, root: Path, demo_run: Path) -> None:
        self._root, self._demo_run = root, demo_run
        self._sessions: dict[Path, Session] = {}
        self._done: set[Block] = set()
        self._own: Path | None = None

    def session(self, document: Path) -> Session:
        """The session of a document, made when it is first wanted."""
        if document not in self._sessions:
            place = self._root / document.name
            language = "es" if document.stem.endswith(".es") else "en"
            prepare(place, demo_run=self._demo_run, language=language)
            self._lend_own_run(place, language)
            self._sessions[document] = Session(directory=place, cache=self._root / "cache")
        return self._sessions[document]

    def through(self, block: Block) -> Session:
        """Carry out everything a document holds up to a block, that block included."""
        session = self.session(block.document)
        for one in blocks(block.document):
            if one.language in ("sh", "python") and not one.installs and one not in self._done:
                self._done.add(one)
                session.carry_out(one)
            if one == block:
                break
        return session

    def close(self) -> None:
        """Stop what runs."""
        for session in self._sessions.values():
            session.close()

    def _lend_own_run(self, place: Path, language: str) -> None:
        """The run of the user's own file, made once: the documents' commands then find it finished."""
        from sazon import recipe

        if self._own is None:
            self._own = self._root / "own"
            self._own.mkdir()
            write_messages(self._own / "messages.csv")
            session = Session(directory=self._own, cache=self._root / "cache")
            session.output("sazon init messages.csv")
            session.output("sazon run recipe.yaml --out runs/made")
        wanted = recipe.read(self._own / "recipe.yaml", overrides=[f"report.language={language}"])
        copy_run(self._own / "runs" / "made", place / "runs" / f"{wanted.name}-{wanted.digest[:10]}")


@pytest.fixture(scope="session")
def reading(tmp_path_factory: pytest.TempPathFactory, demo_run: Path) -> Iterator[Reading]:
    """All documents, carried out on one run of the demo."""
    found = Reading(tmp_path_factory.mktemp("documents"), demo_run)
    yield found
    found.close()


@pytest.fixture(scope="session")
def fresh_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as somebody who has just fetched it sees it."""
    place = tmp_path_factory.mktemp("fresh") / "sazon"
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return place


@pytest.fixture(scope="session")
def installed(fresh_copy: Path) -> dict[str, str]:
    """Installing blocks by text → what they printed: the same line in two documents runs once."""
    return {}


def install(text: str, place: Path) -> str:
    """Run an installing block in a fresh copy, out of this environment."""
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != here)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=place,
        env={**os.environ, "PATH": path, "SAZON_CACHE": str(place / ".sazon")},
        capture_output=True,
        text=True,
        timeout=3400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def installing(fresh_copy: Path, installed: dict[str, str]) -> object:
    """Carries out an installing block, once for each text."""

    def once(text: str) -> str:
        if text not in installed:
            installed[text] = install(text, fresh_copy)
        return installed[text]

    return once
