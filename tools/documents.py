"""Documents whose code blocks are executed: reading the blocks, carrying them out, comparing output.

A fenced block says what it is by its language, and by an HTML comment on the line before it:

- `sh` is run by bash, in order, in one scratch directory a document; `sazon serve …` stays in the
  background and is stopped at the end; exit code 4 (undecided) is an answer, not a failure;
- `<!-- installs -->` before it: needs the network and a fresh copy of the project, so only
  `.ci/run` carries it out;
- `python` is executed in order in one namespace a document, in the same directory;
- `yaml` must be a complete recipe;
- `text` is shown, not run; after `<!-- output: COMMAND -->` it must be what COMMAND prints, numbers,
  paths and the verdict's wording aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
COLUMNS = "100"
FOUND = (0, 4)
"""Exit codes that are answers: done, and undecided."""
OLLAMA, GATEWAY = "127.0.0.1:11434", "127.0.0.1:8080"
"""Addresses that documents name; where they are carried out, a stand-in and a free port take their place."""
LARGE_BYTES = 200_000
"""From here on files of a run are linked, not copied."""

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_VERDICTS = re.compile(
    r"(Cannot tell yet: |Aún no se puede saber: |^[\w.-]+: )[^\n]*(\n[^\n]+)*?(?=\n[A-Z]\w+: runs/)", re.M
)


def documents() -> list[Path]:
    """The documents whose blocks are executed."""
    return [ROOT / "README.md", ROOT / "README.es.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block of a document."""

    document: Path
    line: int
    language: str
    mark: str
    text: str
    span: tuple[int, int]
    """Where the text stands in the document."""

    def __str__(self) -> str:
        """Where it is, for test names."""
        return f"{self.document.relative_to(ROOT)}:{self.line}:{self.language or 'plain'}"

    @property
    def installs(self) -> bool:
        """Whether it needs the network and a fresh copy of the project."""
        return self.mark == "installs"

    @property
    def output_of(self) -> str | None:
        """The command that prints this text, where it is an output."""
        return self.mark.removeprefix("output: ") if self.mark.startswith("output: ") else None


def blocks(document: Path) -> list[Block]:
    """All blocks of a document, in order."""
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            document=document,
            line=text.count("\n", 0, m.start("language")) + 1,
            language=m["language"],
            mark=m["mark"] or "",
            text=m["text"],
            span=m.span("text"),
        )
        for m in _FENCE.finditer(text)
    ]


def masked(output: str) -> str:
    """What must stay the same from run to run: words and their order, not numbers, paths, spacing.

    Which candidate leads, and whether that is decided, may differ between machines, so a verdict
    counts as a verdict whatever it says.
    """
    text = _VERDICTS.sub("VERDICT", output)
    text = re.sub(r"runs/[\w./-]+", "PATH", text)
    # A busy machine expects minutes where a quiet one expects seconds.
    text = re.sub(r"\b(?:seconds|minutes|segundos|minutos)\b", "TIME", text)
    # Codes of pseudonyms are random, and detectors learn.
    text = re.sub(r"⟦[A-Z_]+_[0-9A-Z]{6}⟧(?:\s⟦[A-Z_]+_[0-9A-Z]{6}⟧)*", "⟦⟧", text)
    text = re.sub(r"[-−]?\d+(?:[.,]\d+)*|(?<= )–(?=\s)", "#", text)
    return " ".join(text.split())


# --------------------------------------------------------------------- carrying out

_PYTHON = """
import json, sys, traceback
names = {"__name__": "__main__"}
answers = sys.stdout
sys.stdout = sys.stderr
for line in sys.stdin:
    try:
        exec(compile(json.loads(line), "<document>", "exec"), names)
        said = ""
    except BaseException:
        said = traceback.format_exc()
    print(json.dumps(said), file=answers, flush=True)
"""


@dataclass(kw_only=True)
class Session:
    """One document carried out in its own directory; use as a context, or `close` it."""

    directory: Path
    cache: Path
    printed: dict[str, str] = field(default_factory=dict)
    """Block or command → what it printed."""
    _python: subprocess.Popen[str] | None = None
    _server: subprocess.Popen[bytes] | None = None
    _provider: Any = None
    _port: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """This environment's `sazon` first on the path, a cache of its own, a fixed width."""
        here = str(Path(sys.executable).parent)
        return os.environ | {
            "PATH": here + os.pathsep + os.environ.get("PATH", ""),
            "SAZON_CACHE": str(self.cache),
            "COLUMNS": COLUMNS,
        }

    def carry_out(self, block: Block) -> None:
        """Run a `sh` or `python` block.

        Raises:
            AssertionError: it failed; with what it printed.
        """
        text = self._here(block.text)
        if block.language == "python":
            self._exec(text)
        elif text.startswith("sazon serve"):
            self._serve(text)
        else:
            self.printed[block.text.strip()] = self._sh(text)

    def output(self, command: str) -> str:
        """What a command prints; it is run now unless a block has run it."""
        if command not in self.printed:
            self.printed[command] = self._sh(self._here(command))
        return self.printed[command]

    def close(self) -> None:
        """Stop whatever still runs."""
        if self._python is not None:
            self._python.communicate()
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGTERM)
            self._server.wait(30)
        if self._provider is not None:
            self._provider.__exit__(None, None, None)

    def _here(self, text: str) -> str:
        if OLLAMA in text:
            text = text.replace(OLLAMA, self._stand_in())
        return text.replace(GATEWAY, f"127.0.0.1:{self._port}") if self._port else text

    def _stand_in(self) -> str:
        """The address of a provider on this machine that answers everything with one label."""
        if self._provider is None:
            from sazon.testing.fake_provider import FakeProvider

            self._provider = FakeProvider(lambda _: "book_appointment").__enter__()
        return f"127.0.0.1:{self._provider.port}"

    def _sh(self, text: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.directory,
            env=self.environment,
            input="y\n",
            capture_output=True,
            text=True,
            timeout=1500,
        )
        if done.returncode not in FOUND:
            raise AssertionError(f"exit {done.returncode}\n{text}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _serve(self, text: str) -> None:
        """Start the gateway on a free port and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        command = f"exec {text.strip()} --port {self._port}"
        self._server = subprocess.Popen(
            ["bash", "-euc", command],
            cwd=self.directory,
            env=self.environment,
            start_new_session=True,
        )
        for _ in range(600):
            if self._server.poll() is not None:
                raise AssertionError(f"the gateway ended with {self._server.returncode}: {text}")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=5).close()
                return
            time.sleep(0.1)
        raise AssertionError(f"the gateway did not answer: {text}")

    def _exec(self, text: str) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", _PYTHON],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        put, get = self._python.stdin, self._python.stdout
        if put is None or get is None:
            raise RuntimeError("Python was started with pipes")
        put.write(json.dumps(text) + "\n")
        put.flush()
        answer = get.readline()
        said = json.loads(answer) if answer else "Python ended"
        if said:
            raise AssertionError(f"{text}\n{said}")


# --------------------------------------------------------------------- preparation


def prepare(directory: Path, *, demo_run: Path, language: str) -> None:
    """Lay out what the documents take for granted: a finished demo and the user's own file.

    Args:
        directory: becomes the scratch directory.
        demo_run: a finished run of `sazon demo`, in any language.
        language: of the demo that the document shows.
    """
    from sazon import pipeline

    wanted = pipeline.demo_recipe(overrides=[f"report.language={language}"])
    copy_run(demo_run, directory / "runs" / f"{wanted.name}-{wanted.digest[:10]}")
    write_messages(directory / "messages.csv")


def copy_run(source: Path, target: Path) -> None:
    """Copy a run; its large files, which are never written again, are linked where that is possible."""

    def put(one: str, other: str) -> None:
        if os.path.getsize(one) >= LARGE_BYTES:
            with contextlib.suppress(OSError):
                os.link(one, other)
                return
        shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=put)


def write_messages(path: Path, *, rows: int = 160, classes: int = 4) -> None:
    """A small file with the columns text and label, cut from the shipped messages."""
    import polars as pl

    from sazon import data

    shipped = pl.read_csv(Path(data.__file__).parent / "demo" / "front_desk.csv")
    commonest = shipped["intent"].value_counts(sort=True)["intent"][:classes].to_list()
    kept = shipped.filter(pl.col("intent").is_in(commonest)).head(rows)
    kept.select("text", label="intent").write_csv(path)
