"""Reports of an invented run, drawn once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from sazon.core.types import DataClass, Dataset, Example, Phrase, Splits
from sazon.report import Evidence, write
from sazon.testing.evidence import sample_evidence

HOSTILE = "<script>alert('x')</script>|`*_\"&"


@dataclass(frozen=True)
class Written:
    evidence: Evidence
    directory: Path

    def read(self, name: str) -> str:
        return (self.directory / name).read_text("utf-8")


def _written(factory: pytest.TempPathFactory, evidence: Evidence) -> Written:
    directory = factory.mktemp("report")
    write(evidence, directory, language="es")
    return Written(evidence, directory)


@pytest.fixture(scope="session")
def undecided(tmp_path_factory):
    return _written(tmp_path_factory, sample_evidence())


@pytest.fixture(scope="session")
def decided(tmp_path_factory):
    return _written(tmp_path_factory, sample_evidence(status="decided", public=False))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    return _written(tmp_path_factory, sample_evidence(hostile=HOSTILE))


@pytest.fixture
def sample_splits():
    def part(split, rows):
        examples = tuple(
            Example(id=i, input=f"text {i}", target="a", language=language, sensitivity=sensitivity)
            for i, language, sensitivity in rows
        )
        return Dataset(name="toy", split=split, examples=examples)

    return Splits(
        fit=part("fit", [("f1", "es", None), ("f2", "en", None)]),
        validation=part("validation", [("v1", "es", None)]),
        trust=None,
        calibration=None,
        test=part("test", [("t1", "en", DataClass.SPECIAL), ("t2", "en", None)]),
        how=(Phrase(package="sazon.data", key="how.fit", values={"rows": 2}),),
    )
