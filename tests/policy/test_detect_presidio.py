"""Presidio as a detector: all languages, Spanish telephones, no download, and an error where it is absent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sazon.core.errors import EnvironmentLacks
from sazon.policy.detect import presidio
from sazon.policy.detect.inspector import Inspector


class Stand(ModuleType):
    """Stands in for Presidio and tldextract, and remembers how it is used."""

    def __init__(self) -> None:
        super().__init__("stand")
        self.languages: list[str] = []
        self.regions: list[str] = []
        self.suffix_lists: list[Any] = []
        self.extract: Any = None

    def TLDExtract(self, *, suffix_list_urls: tuple[str, ...]) -> Any:  # noqa: N802
        self.suffix_lists.append(suffix_list_urls)
        return lambda text: text

    def NoOpNlpEngine(self, *, models: list[dict[str, str]]) -> Any:  # noqa: N802
        return SimpleNamespace(load=lambda: None, models=models)

    def RecognizerRegistry(self, *, supported_languages: list[str]) -> Any:  # noqa: N802
        return SimpleNamespace(
            load_predefined_recognizers=lambda languages, nlp_engine: None,
            add_recognizer=lambda r: self.regions.extend(r.regions),
        )

    def PhoneRecognizer(self, *, supported_language: str, supported_regions: list[str]) -> Any:  # noqa: N802
        return SimpleNamespace(regions=supported_regions)

    def AnalyzerEngine(self, **_: Any) -> Any:  # noqa: N802
        def analyze(*, text: str, language: str, score_threshold: float) -> list[Any]:
            self.languages.append(language)
            kind = "ES_NIF" if language == "es" else "SOMETHING_NEW"
            return [SimpleNamespace(start=0, end=9, entity_type=kind)] if language in ("es", "en") else []

        return SimpleNamespace(analyze=analyze)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    module = Stand()
    for name in (
        "presidio_analyzer",
        "presidio_analyzer.nlp_engine",
        "presidio_analyzer.predefined_recognizers",
    ):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "tldextract", module)
    presidio._analyser.cache_clear()
    yield module
    presidio._analyser.cache_clear()


def test_every_language_reads_every_text(stand: Stand) -> None:
    spans = presidio.find("12345678Z")
    assert {(s.kind, s.detector) for s in spans} == {("NIF", "presidio"), ("OTHER", "presidio")}
    assert set(stand.languages) == set(presidio.LANGUAGES)


def test_spain_is_a_region_and_no_list_is_downloaded(stand: Stand) -> None:
    presidio.find("612345678")
    assert {"ES", "MX", "AR", "CO", "CL", "PE"} <= set(stand.regions)
    assert stand.suffix_lists == [()]
    assert callable(stand.extract)


def test_where_it_is_absent_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("presidio_analyzer", "tldextract"):
        monkeypatch.setitem(sys.modules, name, None)
    presidio._analyser.cache_clear()
    with pytest.raises(EnvironmentLacks, match="pip install presidio-analyzer"):
        presidio.find("text")
    seen = Inspector({"presidio": presidio.find}, timeout_s=60, size_limit=100).inspect("text")
    assert seen.blocked == "detector_failed"
