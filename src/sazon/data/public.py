"""Public data sets that `sazon demo --public` may download: pinned by sha256, with their licence."""

from __future__ import annotations

from dataclasses import dataclass

from sazon.data.config import DataConfig, Source


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """A data set of somebody else: where from, whose, under which licence."""

    name: str
    config: DataConfig
    citation: str
    homepage: str
    what: str
    """One sentence for people who have never heard of it."""


# Commit 57ec275 is the one the digests were taken at. The address names a branch because raw files
# are not served under a shortened commit; the sha256 is what pins the content.
_POLYAI = "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/master/banking_data"

BANKING77 = PublicSet(
    name="banking77",
    config=DataConfig(
        train=Source(
            path=f"{_POLYAI}/train.csv",
            sha256="b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
        ),
        test=Source(
            path=f"{_POLYAI}/test.csv",
            sha256="d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
        ),
        input="text",
        target="category",
        licence="CC BY 4.0",
        public=True,
    ),
    citation="Casanueva, Temčinas, Gerz, Henderson, Vulić 2020: Efficient Intent Detection with Dual "
    "Sentence Encoders",
    homepage="https://github.com/PolyAI-LDN/task-specific-datasets",
    what="13,083 questions of customers to a bank, in English, each with one of 77 intents",
)

PUBLIC_SETS = {BANKING77.name: BANKING77}
