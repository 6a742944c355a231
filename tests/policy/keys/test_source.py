"""Where keys come from: only what is safe is taken, and nothing secret is ever said."""

from __future__ import annotations

import base64
import os
import pickle
import stat
import sys
from pathlib import Path

import pytest

from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError
from sazon.policy.keys import source as sources
from sazon.policy.keys.source import CommandKey, LocalKey, create_source, open_source

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()
MODULE = """
import base64, json, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
key = AESGCM(bytes(range(32)))
verb = sys.argv[-1]
if verb == "id":
    print("the-key-of-the-module")
else:
    data, context = (base64.b64decode(line) for line in sys.stdin.read().split("\\n")[:2])
    made = key.encrypt(b"n" * 12, data, context) if verb == "wrap" else key.decrypt(b"n" * 12, data, context)
    print(base64.b64encode(made).decode())
"""


def test_a_key_file_is_made_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    made = create_source("file:.sazon/key", root=tmp_path)
    path = tmp_path / ".sazon" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    with pytest.raises(EnvironmentLacks, match="already"):
        create_source("file:.sazon/key", root=tmp_path)
    assert path.read_bytes() == before
    assert open_source("file:.sazon/key", root=tmp_path).id == made.id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(TEXT)
    path.chmod(mode)
    with pytest.raises(EnvironmentLacks, match="chmod 600") as caught:
        open_source(f"file:{path}")
    assert TEXT not in str(caught.value)


def test_links_folders_and_pipes_are_no_key_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(TEXT)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "link").symlink_to("key")
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert open_source(f"file:{tmp_path / 'key'}").id == LocalKey(KEY).id
    for name in ("link", "folder", "pipe", "missing"):
        with pytest.raises(EnvironmentLacks):
            open_source(f"file:{tmp_path / name}")


@pytest.mark.parametrize(
    "text", ["", "short", TEXT[:-4], TEXT + TEXT, "á" * 44, base64.b64encode(KEY[:31]).decode()]
)
def test_what_is_no_key_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    monkeypatch.setenv("SAZON_TEST_KEY", text)
    for spec in (f"file:{path}", "env:SAZON_TEST_KEY"):
        with pytest.raises(EnvironmentLacks, match="32 bytes") as caught:
            open_source(spec)
        assert not text or text not in str(caught.value)


def test_a_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAZON_TEST_KEY", raising=False)
    with pytest.raises(EnvironmentLacks, match="SAZON_TEST_KEY"):
        open_source("env:SAZON_TEST_KEY")
    monkeypatch.setenv("SAZON_TEST_KEY", TEXT + "\n")
    assert open_source("env:SAZON_TEST_KEY").id == LocalKey(KEY).id


@pytest.mark.parametrize("spec", ["", "file:", "file: ", "env:", "command:", "vault:x", "key"])
def test_other_sources_are_refused(spec: str) -> None:
    with pytest.raises(RecipeError, match="file:PATH"):
        open_source(spec)


def test_wrapping_is_bound_to_key_and_context() -> None:
    one, other = LocalKey(KEY), LocalKey(bytes(32))
    wrapped = one.wrap(b"k" * 32, b"context")
    assert one.unwrap(wrapped, b"context") == b"k" * 32
    assert b"k" * 8 not in wrapped
    for source, data, context in (
        (other, wrapped, b"context"),
        (one, wrapped, b"another"),
        (one, wrapped[:-1], b"context"),
        (one, b"", b"context"),
    ):
        with pytest.raises(IntegrityError, match="not the key"):
            source.unwrap(data, context)


def test_a_key_is_never_shown_and_does_not_travel() -> None:
    key = LocalKey(KEY)
    assert repr(key) == f"LocalKey({key.id})"
    assert len(key.id) == 16
    assert key.id != LocalKey(bytes(32)).id
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(EnvironmentLacks):
        LocalKey(b"short")


# ------------------------------------------------------------------------------ commands


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A stand-in for the program in front of a key module."""
    script = tmp_path / "module.py"
    script.write_text(MODULE)
    return f"command:{sys.executable} '{script}' --slot 3"


def test_a_command_wraps_and_the_key_stays_with_it(module: str) -> None:
    source = open_source(module)
    wrapped = source.wrap(b"k" * 32, b"context")
    assert source.unwrap(wrapped, b"context") == b"k" * 32
    assert len(source.id) == 16
    assert "slot" not in repr(source)
    with pytest.raises(EnvironmentLacks, match="ended with 1"):
        source.unwrap(wrapped, b"another")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import sys; print('canary', file=sys.stderr); sys.exit(7)", "ended with 7"),
        ("import time; time.sleep(60)", "longer than 0.2 s"),
    ],
)
def test_a_command_that_fails_is_told_without_its_words(
    monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    monkeypatch.setattr(sources, "COMMAND_S", 0.2)
    source = CommandKey(argv=(sys.executable, "-S", "-c", body))
    with pytest.raises(EnvironmentLacks, match=says) as caught:
        source.wrap(b"k" * 32, b"")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("answer", ["", "not base64!", "AAAA"])
def test_a_command_that_answers_nonsense_opens_nothing(answer: str) -> None:
    source = CommandKey(argv=(sys.executable, "-S", "-c", f"print({answer!r})"))
    with pytest.raises(IntegrityError):
        source.unwrap(b"k", b"")
    if answer != "AAAA":
        with pytest.raises(EnvironmentLacks, match="wrapped nothing"):
            source.wrap(b"k", b"")


def test_a_missing_command_and_one_without_a_name_are_told() -> None:
    with pytest.raises(EnvironmentLacks, match="cannot be run"):
        _ = CommandKey(argv=("no-such-program-here",)).id
    with pytest.raises(EnvironmentLacks, match="names no key"):
        _ = CommandKey(argv=(sys.executable, "-S", "-c", "")).id
