"""Bring a source onto this machine's disk: files as they are, downloads pinned and cached.

Nothing is downloaded under `offline`, nothing without a digest or revision, and an address may
only redirect to another https address.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit

from sazon.core import digest
from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError
from sazon.core.run import readable_disk_errors
from sazon.data.config import Source
from sazon.data.table import SUFFIXES

MAX_DOWNLOAD_BYTES = 2 << 30
TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 20

Open = Callable[[str], AbstractContextManager[IO[bytes]]]
"""Address → an open answer to read from."""


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only to another https address."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("redirected away from https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> AbstractContextManager[IO[bytes]]:
    opener = urllib.request.build_opener(_HttpsOnly)
    request = urllib.request.Request(url, headers={"User-Agent": "sazon"})  # noqa: S310  # https only, by config
    answer: AbstractContextManager[IO[bytes]] = opener.open(request, timeout=TIMEOUT_S)
    return answer


def to_disk(
    source: Source,
    *,
    root: Path,
    offline: bool,
    cache: Path,
    default_split: str = "train",
    open_url: Open = _open,
) -> Path:
    """The file of a source on this machine, downloaded if need be and allowed.

    Args:
        source: where the table lies.
        root: folder that relative paths start from (the recipe's).
        offline: refuse every download; what is cached is used.
        cache: folder for downloads, by digest.
        default_split: split of a hub data set where the source names none.
        open_url: opens an https address.

    Raises:
        DataError: the file is not there, or not a kind of table that can be read.
        EnvironmentLacks: a download is needed but forbidden, failing or too large.
        IntegrityError: the bytes are not what the sha256 says.
    """
    if source.place == "https":
        return _download(source, offline=offline, cache=cache, open_url=open_url)
    if source.place == "hub":
        return _from_hub(source, offline=offline, cache=cache, split=source.split or default_split)
    if source.place == "package":
        from sazon.data import demo

        return demo.path()
    return _file(source, root)


def _file(source: Source, root: Path) -> Path:
    try:
        path = root / Path(source.path).expanduser()
        if source.sha256 is not None and path.is_file():
            _require(digest.of_file(path), source)
    except (OSError, RuntimeError, ValueError) as error:
        # An unknown ~user, a name too long for the disk, no permission.
        raise DataError("no file can be read there", where=source.shown, mend="Check the path.") from error
    return path


def _require(found: str, source: Source) -> None:
    if found != source.sha256:
        raise IntegrityError(
            f"the file's sha256 is {found}, not the recipe's {source.sha256}",
            where=source.shown,
            mend="Find out who changed it; if the new content is right, write its sha256 in the recipe.",
        )


def _download(source: Source, *, offline: bool, cache: Path, open_url: Open) -> Path:
    suffix = PurePosixPath(unquote(urlsplit(source.path).path)).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"cannot tell the format from the ending {suffix!r}",
            where=source.shown,
            mend=f"Give an address that ends in one of {', '.join(SUFFIXES)}.",
        )
    kept = cache / "downloads" / f"{source.sha256}{suffix}"
    if kept.is_file():
        if digest.of_file(kept) == source.sha256:
            return kept
        kept.unlink()
    if offline:
        raise EnvironmentLacks(
            "a download is needed, but --offline forbids it",
            where=source.shown,
            mend="Run once without --offline; the file is then kept and checked by its sha256.",
        )
    aside = kept.with_name(f".{kept.name}.{os.getpid()}")
    with readable_disk_errors(kept.parent):
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            _require(_stream(source, aside, open_url), source)
            aside.replace(kept)
        finally:
            aside.unlink(missing_ok=True)
    return kept


def _stream(source: Source, aside: Path, open_url: Open) -> str:
    """Write the answer to a file, block by block; return the sha256 of what came."""
    state, size = hashlib.sha256(), 0
    try:
        with open_url(source.path) as answer, aside.open("wb") as file:
            while block := answer.read(_BLOCK_BYTES):
                size += len(block)
                if size > MAX_DOWNLOAD_BYTES:
                    raise EnvironmentLacks(
                        f"the download is larger than {MAX_DOWNLOAD_BYTES >> 30} GiB",
                        where=source.shown,
                        mend="Download it yourself and give the file's path.",
                    )
                state.update(block)
                file.write(block)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise EnvironmentLacks(
            f"the download failed ({reason})",
            where=source.shown,
            mend="Check the address and the network, or download it yourself and give the file's path.",
        ) from error
    return state.hexdigest()


# ----------------------------------------------------------------------------- hub


class _HubTable(Protocol):
    """What is used of a `datasets.Dataset`."""

    features: Any

    def to_parquet(self, path: str) -> int: ...


def _from_hub(source: Source, *, offline: bool, cache: Path, split: str) -> Path:
    name, revision = source.hub
    key = digest.of_text(name, revision, source.config or "", split)[:32]
    kept = cache / "hub" / f"{key}.parquet"
    if kept.is_file():
        return kept
    if offline:
        raise EnvironmentLacks(
            "a data set of the hub is needed, but --offline forbids to fetch it",
            where=source.shown,
            mend="Run once without --offline; the rows are then kept.",
        )
    table = _fetch_from_hub(source, name, revision, split, cache)
    aside = kept.with_name(f".{os.getpid()}.{kept.name}")
    with readable_disk_errors(kept.parent):
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            _with_label_names(table).to_parquet(str(aside))
            aside.replace(kept)
        finally:
            aside.unlink(missing_ok=True)
    return kept


def _fetch_from_hub(source: Source, name: str, revision: str, split: str, cache: Path) -> _HubTable:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise EnvironmentLacks(
            "hf:// sources need the package 'datasets'",
            where=source.shown,
            mend="Run: pip install 'sazon[hub]'",
        ) from error
    try:
        with readable_disk_errors(cache):
            table: _HubTable = datasets.load_dataset(
                name, source.config, split=split, revision=revision, cache_dir=str(cache / "datasets")
            )
    except (OSError, ValueError, RuntimeError, HTTPException) as error:
        # The hub's own messages can be long and hold addresses with keys: only the kind is told.
        raise EnvironmentLacks(
            f"the hub gave no split {split!r} of configuration {source.config or 'default'!r} "
            f"({type(error).__name__})",
            where=source.shown,
            mend="Check name, revision, `split` and `config`, and the network.",
        ) from error
    return table


def _with_label_names(table: _HubTable) -> _HubTable:
    """Labels kept as numbers with names beside them become their names."""
    import datasets

    numbered = [n for n, kind in table.features.items() if isinstance(kind, datasets.ClassLabel)]
    for column in numbered:
        table = _named(table, column)
    return table


def _named(table: Any, column: str) -> _HubTable:
    """One column of class numbers as class names."""
    import datasets

    kind = table.features[column]
    features = table.features.copy()
    features[column] = datasets.Value("string")
    names: _HubTable = table.map(
        lambda row: {column: None if row[column] is None else kind.int2str(row[column])},
        features=features,
    )
    return names
