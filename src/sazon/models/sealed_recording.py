"""How a recording is written: in clear where the data is public, else sealed line by line.

    {"sazon_recording": 1, "sealed_under": keyring, "header": sealed}
    {"key": keyed digest, "sealed": sealed}

A sealed recording shows to whoever has no keys that it is one, of which keyring, and of how many lines.
An answer is sealed under the keys of the people whose text it answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sazon.core import digest
from sazon.core.errors import DataError, IntegrityError
from sazon.policy import safe
from sazon.policy.safe import Safe

VERSION, UNDER = "sazon_recording", "sealed_under"
_PLACE = "recording"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hand:
    """How the lines of one recording are written and read."""

    safe: Safe | None = None
    """None: in clear."""

    @classmethod
    def of(cls, header: Mapping[str, Any], *, where: str) -> Hand:
        """The hand that a recording was written in, by the first object of its file.

        Raises:
            EnvironmentLacks: it is sealed, and no keys are open.
            IntegrityError: it is sealed under other keys.
        """
        under = header.get(UNDER)
        if under is None:
            return cls()
        return cls(safe=safe.expected(str(under), what="this recording is", where=where))

    @property
    def sealed(self) -> bool:
        """Whether nothing of it stands in clear."""
        return self.safe is not None

    def name(self, *parts: str) -> str:
        """A digest of what must be found again and not be guessed."""
        return digest.of_text(*parts) if self.safe is None else self.safe.name(*parts)

    def header(self, header: Mapping[str, Any]) -> Mapping[str, Any]:
        """A header as it is written."""
        if self.safe is None:
            return header
        sealed = self.safe.seal((), _bytes(header), _PLACE, "header")
        return {VERSION: header[VERSION], UNDER: self.safe.id, "header": sealed}

    def read_header(self, header: Mapping[str, Any], *, where: str) -> dict[str, Any]:
        """A header as it was meant."""
        if self.safe is None:
            return dict(header)
        return {**(self._opened(str(header.get("header")), "header", where) or {}), VERSION: header[VERSION]}

    def line(self, line: Mapping[str, Any], people: Iterable[str]) -> Mapping[str, Any]:
        """A line as it is written; `people`: subjects whose text it answers."""
        if self.safe is None:
            return line
        sealed = self.safe.seal(people, _bytes(line), _PLACE, str(line["key"]))
        return {"key": line["key"], "sealed": sealed}

    def read_line(self, line: Mapping[str, Any], *, where: str) -> dict[str, Any] | None:
        """A line as it was meant; None where somebody it is of was erased."""
        if self.safe is None:
            return dict(line)
        return self._opened(str(line.get("sealed")), str(line.get("key")), where)

    def _opened(self, sealed: str, place: str, where: str) -> dict[str, Any] | None:
        assert self.safe is not None  # noqa: S101 - its callers have looked
        try:
            content = self.safe.open(sealed, _PLACE, place)
        except IntegrityError as error:
            raise IntegrityError(error.what, where=where, mend=error.mend) from None
        found = None if content is None else json.loads(content)
        if content is not None and not isinstance(found, dict):
            raise DataError("a sealed line holds no object", where=where)
        return found


def _bytes(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")
