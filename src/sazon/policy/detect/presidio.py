"""Microsoft Presidio as a further detector: its recognisers of every language on every text, no model.

Three things it needs to be safe and of use here. Its recognisers are bound to a language and a text in
another one passes unseen: all run. Its telephone regions lack Spain and Latin America: they are added.
Its check of e-mail addresses downloads a list of domains: it is pinned to the list it ships.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sazon.core.errors import EnvironmentLacks
from sazon.policy.detect.span import Kind, Span

LANGUAGES = ("en", "es", "it", "pl", "de", "fr", "pt")
PHONE_REGIONS = (
    "ES",
    "MX",
    "AR",
    "CO",
    "CL",
    "PE",
    "VE",
    "EC",
    "UY",
    "PY",
    "BO",
    "CR",
    "CU",
    "DO",
    "GT",
    "HN",
    "NI",
    "PA",
    "SV",
    "PR",
    "BR",
    "US",
    "GB",
    "DE",
    "FR",
    "IT",
    "PT",
)
LEAST_SCORE = 0.4
"""Below it stand its bare shapes without a check, such as any letter with digits as a licence."""
_KINDS: dict[str, Kind] = {
    "PERSON": "PERSON",
    "LOCATION": "PLACE",
    "ORGANIZATION": "ORGANISATION",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "URL": "URL",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "ES_NIF": "NIF",
    "ES_NIE": "NIE",
    "ES_PASSPORT": "PASSPORT",
    "US_PASSPORT": "PASSPORT",
    "IBAN_CODE": "IBAN",
    "CREDIT_CARD": "CARD",
    "US_BANK_NUMBER": "ACCOUNT",
    "DATE_TIME": "DATE",
    "US_SSN": "NATIONAL_ID",
    "UK_NHS": "NATIONAL_ID",
    "UK_NINO": "NATIONAL_ID",
    "US_DRIVER_LICENSE": "LICENCE",
    "CRYPTO": "SECRET",
    "MEDICAL_LICENSE": "LICENCE",
}


def find(text: str) -> list[Span]:
    """What Presidio's recognisers of all languages find.

    Raises:
        EnvironmentLacks: `presidio-analyzer` is not installed.
    """
    analyse = _analyser()
    found = {
        Span(start=r.start, end=r.end, kind=_KINDS.get(r.entity_type, "OTHER"), detector="presidio")
        for language in LANGUAGES
        for r in analyse(text=text, language=language, score_threshold=LEAST_SCORE)
        if r.end > r.start
    }
    return sorted(found, key=lambda span: (span.start, span.end, span.kind))


@cache
def _analyser() -> Callable[..., Any]:
    """Presidio's `analyze` over all languages, without a model and without the net."""
    try:
        import tldextract
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NoOpNlpEngine
        from presidio_analyzer.predefined_recognizers import PhoneRecognizer
    except ImportError as error:
        raise EnvironmentLacks(
            "the detector 'presidio' needs the package 'presidio-analyzer'",
            mend="Run: pip install presidio-analyzer",
        ) from error
    # Its e-mail recogniser calls `tldextract.extract`, which would fetch the list of public suffixes.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=()).__call__
    engine = NoOpNlpEngine(models=[{"lang_code": code, "model_name": "no_op"} for code in LANGUAGES])
    engine.load()
    registry = RecognizerRegistry(supported_languages=list(LANGUAGES))
    registry.load_predefined_recognizers(languages=list(LANGUAGES), nlp_engine=engine)
    for code in LANGUAGES:
        registry.add_recognizer(
            PhoneRecognizer(supported_language=code, supported_regions=list(PHONE_REGIONS))
        )
    analyser = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=list(LANGUAGES))
    analyse: Callable[..., Any] = analyser.analyze
    return analyse
