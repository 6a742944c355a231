"""Downloads: pinned by digest, kept, https only, none under offline."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from email.message import Message
from pathlib import Path
from typing import IO

import pytest

from sazon.core import digest
from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError
from sazon.data import Source, fetch

CONTENT = b"text,label\nhi,a\nho,b\n"
SOURCE = Source(path="https://example.com/data/train.csv?key=secret", sha256=digest.of_bytes(CONTENT))


class Server:
    """Answers every address with the same bytes and counts."""

    def __init__(self, content: bytes = CONTENT, fails: Exception | None = None) -> None:
        self.content, self.fails, self.asked = content, fails, 0

    def __call__(self, url: str) -> AbstractContextManager[IO[bytes]]:
        self.asked += 1
        if self.fails:
            raise self.fails
        return io.BytesIO(self.content)


def fetched(folder: Path, server: Server, *, offline: bool = False, source: Source = SOURCE) -> Path:
    return fetch.to_disk(source, root=folder, offline=offline, cache=folder / "cache", open_url=server)


def test_a_download_is_kept_and_not_repeated(tmp_path: Path) -> None:
    server = Server()
    assert fetched(tmp_path, server).read_bytes() == CONTENT
    assert fetched(tmp_path, server, offline=True).read_bytes() == CONTENT
    assert server.asked == 1


def test_a_kept_file_that_was_changed_is_fetched_again(tmp_path: Path) -> None:
    server = Server()
    fetched(tmp_path, server).write_bytes(b"changed")
    assert fetched(tmp_path, server).read_bytes() == CONTENT
    assert server.asked == 2


def test_other_bytes_than_pinned_are_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="sha256"):
        fetched(tmp_path, Server(b"else"))
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_failures_are_told_without_the_key(tmp_path: Path) -> None:
    for fails in (urllib.error.URLError("no route"), TimeoutError(), ConnectionResetError()):
        with pytest.raises(EnvironmentLacks, match="download failed") as caught:
            fetched(tmp_path, Server(fails=fails))
        assert "secret" not in str(caught.value)


def test_offline_asks_nobody(tmp_path: Path) -> None:
    server = Server()
    with pytest.raises(EnvironmentLacks, match="--offline"):
        fetched(tmp_path, server, offline=True)
    assert server.asked == 0


def test_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_DOWNLOAD_BYTES", 10)
    with pytest.raises(EnvironmentLacks, match="larger"):
        fetched(tmp_path, Server())


def test_an_address_must_tell_its_format(tmp_path: Path) -> None:
    source = Source(path="https://example.com/download", sha256="0" * 64)
    with pytest.raises(DataError, match="format"):
        fetched(tmp_path, Server(), source=source)


def test_redirects_stay_on_https() -> None:
    handler = fetch._HttpsOnly()
    request = urllib.request.Request("https://example.com/a.csv")
    followed = handler.redirect_request(request, io.BytesIO(), 302, "", Message(), "https://other.example/a")
    assert followed is not None
    for elsewhere in ("http://example.com/a.csv", "ftp://example.com/a.csv", "file:///etc/passwd"):
        with pytest.raises(urllib.error.URLError, match="away from https"):
            handler.redirect_request(request, io.BytesIO(), 302, "", Message(), elsewhere)


def test_a_local_file_is_checked_where_a_digest_is_given(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(CONTENT)
    right = Source(path="t.csv", sha256=digest.of_bytes(CONTENT))
    assert fetched(tmp_path, Server(), source=right) == tmp_path / "t.csv"
    with pytest.raises(IntegrityError):
        fetched(tmp_path, Server(), source=Source(path="t.csv", sha256="0" * 64))


def test_a_hub_data_set_is_kept_with_its_label_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[object, ...]] = []

    def load_dataset(name: str, config: str | None, *, split: str, revision: str, cache_dir: str) -> object:
        asked.append((name, config, split, revision))
        features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
        rows = {"text": ["hi", "ho"], "label": [1, 0]}
        return datasets.Dataset.from_dict(rows, features=datasets.Features(features))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    from sazon.data import table

    source = Source(path="hf://org/name@1234abc")
    path = fetch.to_disk(source, root=tmp_path, offline=False, cache=tmp_path, default_split="test")
    assert asked == [("org/name", None, "test", "1234abc")]
    assert table.read(path).columns == {"text": ["hi", "ho"], "label": ["yes", "no"]}
    assert fetch.to_disk(source, root=tmp_path, offline=True, cache=tmp_path, default_split="test") == path


def test_without_the_package_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(EnvironmentLacks, match=r"pip install 'sazon\[hub\]'"):
        fetch.to_disk(Source(path="hf://org/name@1234abc"), root=tmp_path, offline=False, cache=tmp_path)


def test_public_sets_are_pinned_and_licensed() -> None:
    from sazon.data.public import PUBLIC_SETS

    for public in PUBLIC_SETS.values():
        assert public.config.licence
        assert public.citation
        assert public.config.train.sha256
