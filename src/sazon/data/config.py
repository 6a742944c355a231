"""What the recipe says about the data: where it lies, which column is what, how it is split."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from sazon.core.config import Config, refuse

Task = Literal["classify", "generate"]
Place = Literal["file", "https", "hub", "package"]

PARTED_BY = ("language", "site", "sensitivity", "target", "length")
"""What every row can be parted by; `length` is counted, the others are columns with a role."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HUB = re.compile(r"hf://(?P<name>[\w.-]+(?:/[\w.-]+)?)@(?P<revision>[\w./-]+)")
_MOVING = {"main", "master", "head", "latest"}
_PACKAGED = ("package:demo",)


class Source(Config):
    """Where one table lies: a file, an https address, the hub, or the package itself."""

    path: Annotated[str, Field(min_length=1)]
    """`data/train.csv` (csv, tsv, jsonl, parquet), `https://…`, `hf://org/name@revision`
    or `package:demo`."""
    sha256: str | None = None
    """Digest the file must have; required for https, checked for files where given."""
    split: str | None = None
    """Split of a hub data set; default: train, validation or test, as the place in the recipe says."""
    config: str | None = None
    """Configuration of a hub data set."""

    @property
    def place(self) -> Place:
        """Which of the four kinds of source this is."""
        for prefix, place in (("https://", "https"), ("hf://", "hub"), ("package:", "package")):
            if self.path.startswith(prefix):
                return place  # type: ignore[return-value]  # the literals above
        return "file"

    @property
    def shown(self) -> str:
        """The source for messages: an address without its query, which may hold a key."""
        return self.path.split("?")[0].split("#")[0] if self.place == "https" else self.path

    @property
    def hub(self) -> tuple[str, str]:
        """Name and revision of a hub data set."""
        found = _HUB.fullmatch(self.path)
        if found is None:
            raise ValueError(f"{self.path} is not hf://org/name@revision")
        return found["name"], found["revision"]

    @model_validator(mode="after")
    def _holds_together(self) -> Source:
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise refuse(
                "sha256 must be 64 hexadecimal digits in lower case", "Print it with: sha256sum FILE"
            )
        {"https": self._check_https, "hub": self._check_hub, "package": self._check_package}.get(
            self.place, self._check_file
        )()
        if self.place != "hub" and (self.split or self.config):
            raise refuse("`split` and `config` belong to hf:// sources", "Remove them.")
        return self

    def _check_https(self) -> None:
        if self.sha256 is None:
            raise refuse(
                "an https source needs its sha256",
                "Download it once, check it, and add sha256: as printed by sha256sum.",
            )
        try:
            address = urlsplit(self.path)
            valid = self.path.isascii() and self.path.isprintable() and bool(address.hostname)
        except ValueError:
            valid = False
        if not valid or " " in self.path:
            raise refuse("not a valid https address", "Copy the address from the browser's address bar.")
        if "@" in address.netloc:
            raise refuse("an address must not hold a user name or password", "Remove what stands before @.")

    def _check_hub(self) -> None:
        found = _HUB.fullmatch(self.path)
        if found is None:
            raise refuse("a hub source names its revision", "Write hf://org/name@COMMIT.")
        if found["revision"].lower() in _MOVING:
            raise refuse(
                f"the revision {found['revision']!r} moves, so the data could change between two runs",
                "Write the commit: it stands in the history of the data set's page.",
            )

    def _check_package(self) -> None:
        if self.path not in _PACKAGED:
            raise refuse("the package ships only one data set", "Write package:demo.")

    def _check_file(self) -> None:
        if not self.path.isprintable():
            raise refuse("the path holds a character that cannot be shown", "Write the path again.")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", self.path):
            raise refuse(
                f"no way to read {self.path.split('://')[0]}:// sources",
                "Use a file path, https:// with sha256, or hf://org/name@revision.",
            )


def _from_text(value: object) -> object:
    """Let Python users write a path where a source is wanted."""
    return {"path": value} if isinstance(value, str) else value


SourceField = Annotated[Source, BeforeValidator(_from_text)]
Share = Annotated[float, Field(ge=0.01, le=0.6)]


class Shares(Config):
    """How many rows of the training file each split cut from it gets."""

    test: Share = 0.25
    """Only cut where no test file is given."""
    validation: Share = 0.15
    """Only cut where no validation file is given."""
    trust: Share = 0.1
    """Fits the cascade's trust score; only cut for a cascade."""
    calibration: Share = 0.15
    """Certifies the cascade; only cut for a cascade."""

    @model_validator(mode="after")
    def _leaves_rows_to_fit(self) -> Shares:
        cut = self.test + self.validation + self.trust + self.calibration
        if cut > 0.8:
            raise refuse(
                f"the shares add up to {cut:.2f}, which leaves too little to fit on",
                "Keep their sum at or below 0.8.",
            )
        return self


class DataConfig(Config):
    """The `data:` section of a recipe."""

    task: Task = "classify"
    """`classify`: the target is one of a few labels; `generate`: it is free text."""
    train: SourceField
    """Labelled rows to learn from."""
    validation: SourceField | None = None
    """Labelled rows for choices while training; cut from train where not given."""
    test: SourceField | None = None
    """Labelled rows nothing is trained or chosen on; cut from train where not given."""
    unlabelled: SourceField | None = None
    """Rows without a target, for distillation."""
    input: str = "text"
    """Column with the text."""
    target: str = "label"
    """Column with the answer wanted."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label → what it means in words, for some or all labels: few-shot techniques learn from the
    words too. A label that no training row has becomes a class and is learnt from its words alone."""
    group: str | None = None
    """Column that must not straddle a split (a customer, a document)."""
    subject: str | None = None
    """Column that says whose data a row is, for consent; default: the group."""
    site: str | None = None
    """Column that says where a row lives, for federation and slices."""
    sensitivity: str | None = None
    """Column with public, internal, personal or special; unknown counts as special."""
    language: str | None = None
    """Column with the language; where not given, Spanish and English are told apart from the text."""
    translation: str | None = None
    """Column with the same text in another language, empty where there is none: for
    `evaluate.robustness` with `swapped_language`. No candidate learns from it."""
    keep: list[str] = Field(default_factory=list)
    """Further columns kept for `evaluate.slices` and `evaluate.fairness`, e.g. a channel or an age
    group; no candidate sees them."""
    licence: str = ""
    """Licence of the data, for the report."""
    public: bool = False
    """Declared public: inputs may be shown in reports and recordings."""
    drop_duplicates: bool = False
    """Remove from train the rows that are exact or near duplicates of a test row."""
    near_duplicate: Annotated[float, Field(ge=0.5, le=1.0)] = 0.9
    """Jaccard similarity of character 5-grams from which two texts count as near duplicates."""
    shares: Shares = Shares()
    """Sizes of the splits that are cut from train."""

    @model_validator(mode="after")
    def _columns_differ(self) -> DataConfig:
        if self.input == self.target:
            raise refuse(
                f"input and target are the same column {self.input!r}",
                "Name the text column in `input` and the answer column in `target`.",
            )
        if self.translation in (self.input, self.target):
            raise refuse(
                f"translation is the column {self.translation!r}, which is the input or the target itself",
                "Name the column that holds the text in another language, or leave translation out.",
            )
        return self

    @model_validator(mode="after")
    def _kept_have_names_of_their_own(self) -> DataConfig:
        taken = sorted({n for n in self.keep if n in PARTED_BY} | {self.input} & set(self.keep))
        if taken:
            raise refuse(
                f"keep names {taken[0]!r}, which rows have anyway",
                "Leave it out, or give the column another name.",
            )
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Role → column, for the roles that are given; the subject falls back to the group."""
        roles = {
            "input": self.input,
            "target": self.target,
            "group": self.group,
            "subject": self.subject or self.group,
            "site": self.site,
            "sensitivity": self.sensitivity,
            "language": self.language,
            "translation": self.translation,
        }
        kept = {kept_role(column): column for column in self.keep}
        return {role: column for role, column in roles.items() if column is not None} | kept


def kept_role(column: str) -> str:
    """The role of a column that is only kept; no other role has a space."""
    return f"keep {column}"
