"""Drafts for data protection: every figure is the log's, no person is named, every gap is marked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sazon import pipeline
from sazon.cli.main import app
from sazon.core.dataset import DataClass
from sazon.core.errors import EnvironmentLacks, IntegrityError, SazonError
from sazon.core.words import LANGUAGES, catalogue
from sazon.pipeline.consenting import locks_of
from sazon.pipeline.papers import facts_of
from sazon.policy import papers
from sazon.policy.audit.entry import Entry
from sazon.policy.config import Basis, LocalPurpose, Purpose
from sazon.policy.keys import lifecycle
from sazon.policy.lineage import Lineage
from sazon.policy.papers.facts import STATES, Facts, Place, place_of
from sazon.policy.papers.history import Sent, counted
from sazon.policy.papers.markdown import plain
from sazon.policy.papers.measures import MeasureKey, measures
from sazon.policy.papers.risks import RiskKey, risks
from sazon.recipe import Recipe
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import KEY, Clock, gatehouse

PEOPLE = ("ana-canary", "bruno-canary", "carla-canary", "dolores-canary")
TEXT = "Soy Ana Canario, mi NIF es 12345678Z y me duele la rodilla"
RECIPE = """
name: front-desk
data:
  train: {path: rows.csv}
  input: text
  target: label
  subject: who
  sensitivity: class
providers:
  frontier: {base_url: "https://api.example.com/v1", model: big-1, region: US}
  near: {base_url: "https://near.example.org/v1", model: small, region: es, pin: "sha256/PIN"}
  unknown: {base_url: "https://unknown.example.net/v1", model: m}
  own: {base_url: "http://127.0.0.1:9/v1", model: m}
candidates: {linear: {technique: linear}}
policy:
  tenant: Clínica del Puerto
  consents: consents.jsonl
  opt_in: [adapt, infer.external]
  local_basis: {serve: contract}
""".replace("PIN", "A" * 43 + "=")
ROWS = "text,label,who,class\n" + "".join(
    f"mensaje {i} de la fila,l{i % 2},{PEOPLE[i % 3] if i < 6 else ''},{('personal', 'special', '')[i % 3]}\n"
    for i in range(9)
)
# Names of the vocabulary (W3C DPV 2.0: dpv.csv and eu-gdpr.csv, column `term`) that the papers use.
VOCABULARY = set(
    """
    dpv:ROPA dpv:DPIA dpv:DataController dpv:hasDataController dpv:Process dpv:hasProcess dpv:Purpose
    dpv:hasPurpose dpv:hasProcessing dpv:hasLegalBasis dpv:DataSubject dpv:hasDataSubject dpv:PersonalData
    dpv:SpecialCategoryPersonalData dpv:NonPersonalData dpv:ConfidentialData dpv:hasPersonalData
    dpv:Recipient dpv:hasRecipient dpv:Location dpv:hasLocation dpv:ThirdCountry dpv:hasThirdCountry
    dpv:hasTechnicalMeasure dpv:hasOrganisationalMeasure dpv:hasConsentStatus dpv:hasStorageCondition
    dpv:StorageDuration dpv:Risk dpv:hasRisk dpv:isMitigatedByMeasure dpv:ConsentGiven dpv:ConsentExpired
    dpv:ConsentStatusInvalidForProcessing dpv:ConsentWithdrawn dpv:ConsentRevoked dpv:ConsentInvalidated
    dpv:ServiceOptimisation dpv:ServiceProvision dpv:RecordManagement dpv:Analyse dpv:Assess dpv:Share
    dpv:Disclose dpv:Store dpv:Use dpv:InformationFlowControl dpv:ConsentManagement
    dpv:EncryptionInTransfer dpv:CryptographicAuthentication dpv:DataSanitisationTechnique
    dpv:RNGPseudonymisation dpv:EncryptionAtRest dpv:CryptographicKeyManagement dpv:DataBackupProtocols
    dpv:DigitalSignatures dpv:RecordsOfActivities dpv:AccessControlMethod
    eu-gdpr:A6-1-a eu-gdpr:A6-1-b eu-gdpr:A6-1-c eu-gdpr:A6-1-d eu-gdpr:A6-1-e eu-gdpr:A6-1-f
    dct:title dct:description dct:conformsTo dct:created skos:broader xsd:dateTime
    """.split()
)


def recipe_in(folder: Path, text: str = RECIPE) -> Recipe:
    (folder / "recipe.yaml").write_text(text, "utf-8")
    (folder / "rows.csv").write_text(ROWS, "utf-8")
    return pipeline.recipe_of(folder / "recipe.yaml")


def live_through(folder: Path, wanted: Recipe) -> None:
    """Consents given, used, refused, withdrawn, run out, erased; rows that entered an artifact."""
    ana, bruno, carla, dolores = PEOPLE
    said = {"messages": [{"role": "user", "content": TEXT}]}
    clock = Clock()
    with (
        FakeProvider(lambda text: "refund") as provider,
        gatehouse(folder, provider, policy=wanted.config.policy, clock=clock) as house,
    ):
        house.consent(ana, classes=[DataClass.PERSONAL, DataClass.SPECIAL])
        withdrawn = house.consent(bruno)
        house.consent(carla, days=0.5)
        house.consent(dolores, purpose="adapt", recipient="")
        trained = house.consent(bruno, purpose="adapt", recipient="")
        lineage = Lineage(house.locks.store, name_of=house.locks.name_of)
        for who, artifact in ((bruno, "b" * 64), (dolores, "d" * 64), (ana, "a" * 64)):
            lineage.note([who], run="run-1", candidate="linear", purpose="adapt", artifact=artifact)
        house.ask(said, subjects=[ana])
        house.ask(said, subjects=[ana], data_class=DataClass.SPECIAL)
        house.ask(said, subjects=[ana, bruno], conversation="one")
        house.ask(said, subjects=[carla])
        house.locks.end(withdrawn.id)
        house.locks.end(trained.id)
        clock.now += 86_400
        for subjects in ([bruno], [carla], [None], ["nobody-canary"]):
            with pytest.raises(SazonError):
                house.ask(said, subjects=subjects)
        house.locks.erase(dolores)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("lived")
    wanted = recipe_in(folder)
    live_through(folder, wanted)
    return wanted


@pytest.fixture(scope="module")
def facts(lived: Recipe) -> Facts:
    return facts_of(lived)


@pytest.fixture(scope="module")
def entries(lived: Recipe) -> list[dict[str, Any]]:
    with locks_of(lived) as locks:
        return [dict(one.fields) for one in locks.log.tail(10_000)]


def both(facts: Facts) -> list[papers.Paper]:
    return [papers.ropa(facts), papers.dpia(facts)]


def texts(facts: Facts) -> Iterator[str]:
    for paper in both(facts):
        for language in LANGUAGES:
            yield papers.markdown(paper, language)
            yield json.dumps(papers.jsonld(paper, language), ensure_ascii=False)


# -------------------------------------------------------------------------------- figures


def test_what_was_sent_is_what_the_log_counts(facts: Facts, entries: list[dict[str, Any]]) -> None:
    sent = [one for one in entries if one["event"] == "sent"]
    assert len(sent) == 4
    [(name, told)] = facts.history.sent.items()
    assert name == "frontier"
    assert (told.requests, told.answered) == (4, sum(one["event"] == "answered" for one in entries))
    assert (
        told.by_class == Counter(c for one in sent for c in one["classes"]) == {"personal": 3, "special": 1}
    )
    assert len(told.people) == len({s for one in sent for s in one["subjects"]}) == 3
    assert sum(told.found.values()) == sum(n for one in sent for n in one["found"].values()) > 0
    assert (told.first, told.last) == (sent[0]["at"], sent[-1]["at"])
    shown = papers.markdown(papers.dpia(facts), "en")
    assert (
        "| requests: 4; people: 3; broken off before leaving: 0 | personal: 3; special category: 1 |" in shown
    )


def test_refusals_are_told_by_reason(facts: Facts, entries: list[dict[str, Any]]) -> None:
    refused = Counter(one["reason"] for one in entries if one.get("allow") is False)
    assert refused == {"no_consent": 3, "unknown_subject": 1}
    told: Counter[str] = Counter()
    for (_, _, reason), times in facts.history.refused.items():
        told[reason] += times
    assert told == refused
    found = papers.jsonld(papers.dpia(facts), "es")["sazon:log"]
    assert {one["dct:title"]: one["sazon:count"] for one in found["sazon:refused"]} == refused
    assert found["sazon:entries"] == len(entries) == facts.history.entries
    assert found["sazon:erasures"] == sum(one["event"] == "erased" for one in entries) == 1


def test_consents_are_counted_as_the_register_has_them(facts: Facts, entries: list[dict[str, Any]]) -> None:
    given = Counter((one["purposes"][0], one["provider"]) for one in entries if one["event"] == "consent")
    assert {(one.purpose, one.recipient): one.given for one in facts.consents} == given
    ended = Counter(one["event"] for one in entries if one["event"] in ("withdrawn", "terminated"))
    assert {state: facts.consented(state) for state in ("withdrawn", "terminated")} == ended
    assert (facts.consented("standing"), facts.consented("lapsed")) == (1, 1)
    [infer] = [one for one in facts.consents if one.purpose == "infer.external"]
    assert (infer.people, infer.classes) == (3, {DataClass.PERSONAL: 1, DataClass.SPECIAL: 1})
    for paper in both(facts):
        assert (
            "| answering by an external model (infer.external) | frontier | 3 | 3 | 1 | 1 | 0 | 1 | 0 | 0 |"
            in (papers.markdown(paper, "en"))
        )


def test_rows_and_people_are_counted(facts: Facts) -> None:
    assert facts.rows is not None
    assert facts.rows.by_class == {"personal": 3, "special": 3, "unknown": 3}
    assert (facts.rows.total, facts.rows.people, facts.rows.nobody) == (9, 3, 3)


def test_data_that_cannot_be_read_are_said_to_be_unread(tmp_path: Path) -> None:
    wanted = recipe_in(tmp_path)
    lifecycle.init(wanted.config.policy, tmp_path)
    (tmp_path / "rows.csv").unlink()
    found = facts_of(wanted)
    assert found.rows is None
    assert "could not be read" in papers.markdown(papers.ropa(found), "en")


# --------------------------------------------------------------------------------- people


def test_no_person_no_key_and_no_text_is_in_a_paper(
    lived: Recipe, facts: Facts, entries: list[dict[str, Any]]
) -> None:
    keyed = {s for one in entries for s in one.get("subjects", ())}
    secret = (lived.root / ".sazon" / "key").read_text().strip()
    never = [*PEOPLE, "nobody-canary", *keyed, secret, KEY, "Canario", "12345678Z", "rodilla", "mensaje"]
    for text in texts(facts):
        assert not [one for one in never if one in text]


# ---------------------------------------------------------------------------------- risks


def test_risks_follow_from_the_facts(facts: Facts) -> None:
    found = {one.key: one for one in risks(facts)}
    assert {
        "special", "third_country", "region_unknown", "no_pin", "detection_misses", "not_retrained",
        "no_basis", "no_recovery", "key_beside_data", "no_anchor",
    } == set(found)  # fmt: skip
    assert "frontier" in found["third_country"].evidence.words("en")
    assert found["special"].evidence.values == {"sent": 1, "consents": 1, "rows": 6}
    assert found["region_unknown"].evidence.values["names"] == "unknown"
    assert found["no_pin"].evidence.values["names"] == "frontier, unknown"
    assert found["no_basis"].evidence.values["purposes"] == "evaluate"
    on = {one.key for one in measures(facts)}
    assert all(set(one.against) <= on for one in found.values())


def test_only_people_who_left_have_artifacts_to_retrain(facts: Facts) -> None:
    # Bruno withdrew and Dolores was erased; Ana's training never rested on a consent of hers that ended.
    wanted = [f"run-1/linear (adapt, {letter * 16})" for letter in "bd"]
    assert (list(facts.stale), facts.stale_people) == (wanted, 2)


def test_a_measure_takes_its_risk_away(tmp_path: Path) -> None:
    lifecycle.pair(tmp_path / "private", tmp_path / "public")
    wanted = recipe_in(tmp_path, RECIPE.replace("opt_in: [adapt, infer.external]", "opt_in: []"))
    lifecycle.init(wanted.config.policy, tmp_path, recovery=tmp_path / "public")
    with locks_of(wanted) as locks:
        anchor = locks.log.checkpoint()
    found = facts_of(wanted, anchors=[anchor])
    assert not {"no_recovery", "no_anchor", "detection_misses"} & {one.key for one in risks(found)}
    assert {"recovery", "anchor"} <= {one.key for one in measures(found)}
    assert not {"detection", "pseudonyms"} & {one.key for one in measures(found)}


def test_what_the_log_and_the_recipe_show_is_a_risk(facts: Facts) -> None:
    def keys(**changes: Any) -> set[str]:
        return {one.key for one in risks(replace(facts, **changes))}

    before = keys()
    assert keys(federates=True, sites=("norte", "sur")) - before == {"federated"}
    assert keys(detectors=("patterns",)) - before == {"no_names"}
    assert keys(history=replace(facts.history, events=Counter(clock=2))) - before == {"clock_set_back"}
    as_is = {"frontier": replace(facts.history.sent["frontier"], as_is=3)}
    assert keys(history=replace(facts.history, sent=as_is)) - before == {"sent_as_is"}
    pinned = tuple(replace(one, pinned=True) for one in facts.providers)
    assert before - keys(providers=pinned) == {"no_pin"}


def test_federated_work_names_its_sites_and_what_nobody_recorded(facts: Facts) -> None:
    shown = papers.markdown(papers.ropa(replace(facts, federates=True, sites=("norte", "sur"))), "es")
    assert "| norte | sede de la federación |" in shown
    assert "Lo que se intercambian las sedes" in shown
    assert "| entrenamiento federado (federate) | nadie ha consentido todavía | nadie todavía |" in shown


def test_a_detector_that_cannot_be_used_is_no_measure(tmp_path: Path) -> None:
    wanted = recipe_in(tmp_path, RECIPE + "  detectors: [patterns, not-installed]\n")
    lifecycle.init(wanted.config.policy, tmp_path)
    found = facts_of(wanted)
    assert not {"detection", "pseudonyms"} & {one.key for one in measures(found)}
    assert "NOT in operation" in papers.markdown(papers.dpia(found), "en")


CLASSES = st.lists(st.sampled_from(["public", "personal", "unknown"]), max_size=2, unique=True)
ENTRY = st.fixed_dictionaries(
    {
        "event": st.sampled_from(
            ["ruling", "sent", "answered", "failed", "stopped", "erased", "clock", "new"]
        ),
        "provider": st.sampled_from(["a", "b"]),
        "purposes": st.sampled_from([["infer.external"], ["evaluate", "infer.external"]]),
        "classes": CLASSES,
        "subjects": st.lists(st.sampled_from(["s1", "s2", "s3"]), max_size=3, unique=True),
        "people": st.integers(0, 4),
        "found": st.dictionaries(st.sampled_from(["NIF", "PERSON"]), st.integers(1, 3)),
        "allow": st.booleans(),
        "left": st.booleans(),
        "reason": st.sampled_from(["no_consent", "expired"]),
    }
)


@settings(max_examples=60)
@given(st.lists(ENTRY, max_size=12))
def test_any_log_is_counted_once_and_whole(many: list[dict[str, Any]]) -> None:
    log = [
        Entry(index=i, fields=fields | {"at": f"2026-11-{i + 1:02}"}, seed=b"")
        for i, fields in enumerate(many)
    ]
    found = counted(log)
    assert found.entries == len(many) == sum(found.events.values())
    refused = [m for m in many if m["event"] in ("ruling", "stopped") and not m["allow"]]
    assert sum(found.refused.values()) == len(refused)
    assert found.allowed == sum(m["event"] == "ruling" and m["allow"] for m in many)
    assert found.erased == {s for m in many if m["event"] == "erased" for s in m["subjects"]}
    for provider in "ab":
        here = [m for m in many if m["provider"] == provider]
        sent, told = [m for m in here if m["event"] == "sent"], found.sent.get(provider, Sent())
        assert told.requests == len(sent)
        assert told.by_class == Counter(c for m in sent for c in m["classes"])
        assert told.found == sum((Counter(m["found"]) for m in sent), Counter())
        assert told.people == {s for m in sent for s in m["subjects"]}
        assert told.more_people == any(m["people"] > len(m["subjects"]) for m in sent)
        assert told.answered == sum(m["event"] == "answered" for m in here)
        assert told.never_left == sum(m["event"] == "failed" and not m["left"] for m in here)
        assert told.as_is == sum("evaluate" in m["purposes"] and m["classes"] != ["public"] for m in sent)


@pytest.mark.parametrize(
    ("region", "house", "place"),
    [
        ("ES", False, "inside"),
        (" eu ", False, "inside"),
        ("US", False, "outside"),
        ("eu-west-2", False, "unclear"),  # a cloud's word for London
        ("Frankfurt", False, "unclear"),
        ("", False, "undeclared"),
        (None, False, "undeclared"),
        (None, True, "house"),
    ],
)
def test_a_region_is_placed_only_where_its_name_is_sure(region: str | None, house: bool, place: str) -> None:
    assert place_of(region, house=house) == place


# ------------------------------------------------------------------------------- the forms


def test_json_ld_uses_the_declared_vocabularies(facts: Facts) -> None:
    for paper in both(facts):
        for language in LANGUAGES:
            found = json.loads(json.dumps(papers.jsonld(paper, language)))
            used = set(terms(found))
            prefixes = {term.partition(":")[0] for term in used}
            assert prefixes <= set(found["@context"])
            assert {term for term in used if not term.startswith("sazon:")} <= VOCABULARY
            assert found["@type"] == f"dpv:{paper.kind.upper()}"
    assert "dpv:hasRisk" in papers.jsonld(papers.dpia(facts), "en")
    assert "dpv:hasRisk" not in papers.jsonld(papers.ropa(facts), "en")


def terms(node: Any) -> Iterator[str]:
    """Keys, types and references with a prefix; identifiers of things are no terms."""
    if isinstance(node, list):
        for one in node:
            yield from terms(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if not key.startswith("@"):
                yield key
            elif key == "@type":
                yield from [value] if isinstance(value, str) else value
            elif key == "@id" and not value.startswith(("urn:", "https:")):
                yield value
            if key != "@context":
                yield from terms(value)


def test_both_languages_say_the_whole_paper(facts: Facts) -> None:
    for paper in both(facts):
        en, es = (papers.markdown(paper, language) for language in ("en", "es"))
        assert [line.count("|") for line in en.splitlines()] == [line.count("|") for line in es.splitlines()]
        assert en.count("To be filled in") == es.count("Por completar") > 10
        assert en.splitlines()[2].startswith("> DRAFT")
        assert es.splitlines()[2].startswith("> BORRADOR")
        assert not [text for text in (en, es) if "{" in text or "None |" in text]


def test_there_are_words_for_whatever_may_happen() -> None:
    words = catalogue("sazon.policy.papers", "en")
    for family, keys in {
        "measure": get_args(MeasureKey),
        "measure_name": get_args(MeasureKey),
        "risk": [f"{key}.{part}" for key in get_args(RiskKey) for part in ("says", "evidence")],
        "purpose": get_args(Purpose),
        "local": get_args(LocalPurpose),
        "basis": get_args(Basis),
        "class": [*DataClass, "unknown"],
        "place": get_args(Place),
        "column": STATES,
        "source": ("file", "env", "command"),
    }.items():
        assert not [key for key in keys if f"{family}.{key}" not in words]


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_text_from_outside_is_no_markup(text: str) -> None:
    shown = plain(text)
    assert all(letter.isprintable() for letter in shown)
    bare = shown.replace("\\\\", "")
    for mark in "|`<[*":
        assert bare.count(mark) == bare.count(f"\\{mark}")


def test_names_from_outside_end_no_line_and_no_cell(facts: Facts) -> None:
    provider = replace(facts.providers[0], name="a|b\n# c")
    named = replace(facts, controller="x\n## y", providers=(provider, *facts.providers[1:]))
    for paper, plain_one in zip(both(named), both(facts), strict=True):
        shown = papers.markdown(paper, "en")
        heads = [line for line in shown.splitlines() if line.startswith("#")]
        assert heads == [line for line in papers.markdown(plain_one, "en").splitlines() if line[:1] == "#"]
        assert "a\\|b" in shown


# ---------------------------------------------------------------------- nothing, and damage


def test_without_keys_there_is_no_paper(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="no keys yet"):
        facts_of(recipe_in(tmp_path))


def test_where_nothing_happened_everything_is_none(tmp_path: Path) -> None:
    wanted = recipe_in(tmp_path)
    lifecycle.init(wanted.config.policy, tmp_path)
    found = facts_of(wanted)
    assert (found.history.entries, found.consents, found.stale, found.former) == (0, (), (), ())
    shown = papers.markdown(papers.dpia(found), "en")
    assert shown.count("None (") == 4  # consents, ends of consents, refusals, pseudonyms
    assert "The log holds 0 entries" in shown
    assert "nobody has consented yet" in shown
    assert papers.jsonld(papers.ropa(found), "es")["sazon:log"]["sazon:entries"] == 0


def test_a_provider_that_left_the_recipe_is_not_forgotten(lived: Recipe, facts: Facts) -> None:
    text = RECIPE.replace("  frontier:", "  other:")
    (lived.root / "later.yaml").write_text(text, "utf-8")
    later = facts_of(pipeline.recipe_of(lived.root / "later.yaml"))
    assert later.former == ("frontier",)
    assert "former_recipient" in {one.key for one in risks(later)}
    assert "no longer in the recipe" in papers.markdown(papers.ropa(later), "en")
    assert facts.former == ()


def test_a_damaged_log_makes_no_paper(tmp_path: Path) -> None:
    wanted = recipe_in(tmp_path)
    lifecycle.init(wanted.config.policy, tmp_path)
    with locks_of(wanted) as locks:
        locks.log.append({"event": "keys"})
        with locks.store.writing() as connection:
            connection.exec_driver_sql("UPDATE audit_entry SET seed = zeroblob(32)")
    with pytest.raises(IntegrityError, match="does not hold"):
        facts_of(wanted)


# ------------------------------------------------------------------------------ the command


def export(folder: Path, *arguments: str) -> Any:
    recipe = ("--recipe", str(folder / "recipe.yaml"), "--out", str(folder / "paper"))
    return CliRunner().invoke(app, ["audit", "export", *recipe, *arguments])


@pytest.mark.parametrize("kind", ["ropa", "dpia"])
def test_the_command_writes_a_draft(lived: Recipe, kind: str) -> None:
    done = export(lived.root, f"--{kind}", "--lang", "es")
    assert done.exit_code == 0, done.output
    assert "Borrador" in done.stdout
    assert "Responsable del tratamiento" in (lived.root / "paper").read_text("utf-8")
    assert export(lived.root, f"--{kind}", "--format", "jsonld").exit_code == 0
    assert json.loads((lived.root / "paper").read_text("utf-8"))["@type"] == f"dpv:{kind.upper()}"


@pytest.mark.parametrize(
    "wrong", [("--dpia", "--ropa"), ("--dpia", "--format", "pdf"), ("--ropa", "--since", "2026-01-01")]
)
def test_the_command_refuses_what_it_cannot_do(lived: Recipe, wrong: tuple[str, ...]) -> None:
    done = export(lived.root, *wrong)
    assert done.exit_code == 2
    assert "a draft is made of one kind" in done.stderr


def test_the_command_says_in_words_that_there_are_no_keys(tmp_path: Path) -> None:
    recipe_in(tmp_path)
    done = export(tmp_path, "--ropa")
    assert done.exit_code == 3
    assert "no keys yet" in done.stderr
