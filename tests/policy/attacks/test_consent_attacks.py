"""Attacks 15 to 21: on consent. Only what everybody concerned has opted in to leaves, now, and to there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from sazon.core.dataset import DataClass
from sazon.core.errors import DataError, SazonError
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import moment
from sazon.policy.destination import Destination
from sazon.policy.detect.inspector import Inspector
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.passage import Asked, Passage
from sazon.policy.permit import Opening
from sazon.policy.response import Response
from sazon.policy.ruling import Denied, Disclosure
from sazon.policy.spending import Limits
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import PROVIDER, Clock, Gatehouse, gatehouse

from ...gateway.test_outbound import running  # noqa: TID252
from .conftest import says

WORDS = says("hello, friend")
DAY = 86_400.0


def refused(house: Gatehouse, subjects: list[str | None], **more: Any) -> str:
    with pytest.raises(Denied) as error:
        house.ask(WORDS, subjects=subjects, **more)
    return error.value.ruling.reason


# 15 ------------------------------------------------------------------------------------


def test_15_none_unknown_or_missing_is_a_no(house: Gatehouse, provider: FakeProvider) -> None:
    assert refused(house, []) == "unknown_subject"
    assert refused(house, [None]) == "unknown_subject"
    assert refused(house, [""]) == "unknown_subject"
    assert refused(house, ["c-119"]) == "no_consent"
    assert refused(house, ["C-118"]) == "no_consent"
    assert refused(house, ["c-118 "]) == "no_consent"
    assert refused(house, ["c-118"], data_class=None) == "no_consent"
    assert refused(house, ["c-118"], data_class=DataClass.SPECIAL) == "no_consent"
    assert refused(house, ["c-118"], data_class=DataClass.INTERNAL) == "no_consent"
    assert provider.received == b""


@pytest.mark.parametrize("opened", [[], ["federate"], ["ledger", "adapt", "evaluate"]])
def test_15_one_purpose_never_opens_another(
    tmp_path: Path, provider: FakeProvider, inspector: Inspector, opened: list[Any]
) -> None:
    policy = PolicyConfig(consents="consents.jsonl", opt_in=opened)
    with gatehouse(tmp_path, provider, inspector=inspector, policy=policy) as house:
        for purpose in ("federate", "ledger", "adapt", "evaluate"):
            house.consent("c-118", purpose=purpose)
        assert refused(house, ["c-118"]) == "not_opened"
        house.consent("c-118")
        assert refused(house, ["c-118"]) == "not_opened"
    assert provider.received == b""


# 16, 17 --------------------------------------------------------------------------------


def test_16_withdrawn_between_the_ruling_and_the_socket(
    tmp_path: Path, provider: FakeProvider, inspector: Inspector
) -> None:
    class Late(Egress):
        async def send(self, sealed: Any) -> Response:
            await asyncio.to_thread(house.locks.end, record.id)
            return await super().send(sealed)

    environment = {"CANARY_KEY": "sk-x"}
    dress = lambda gate, egress: Late(gate, environment=environment)  # noqa: E731
    with gatehouse(tmp_path, provider, inspector=inspector, dress=dress) as house:
        record = house.consent("c-118")
        assert refused(house, ["c-118"]) == "no_consent"
        assert house.locks.log.tail(1)[0].fields["event"] == "stopped"
    assert provider.received == b""


def test_17_withdrawn_while_the_answer_streams_to_a_client(tmp_path: Path, inspector: Inspector) -> None:
    said = "word " * 60_000
    with (
        FakeProvider(lambda text: said) as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
        running(house.passage) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        record = house.consent("c-118")
        headers = {"X-Sazon-Subject": "c-118", "X-Sazon-Class": "personal"}
        stream = client.chat.completions.create(
            model=PROVIDER, messages=WORDS["messages"], extra_headers=headers, stream=True
        )
        got = ""
        with pytest.raises(openai.APIError, match="cut off"):  # noqa: PT012
            for chunk in stream:
                if not got:
                    house.locks.end(record.id)
                got += "".join(c.delta.content or "" for c in chunk.choices)
        assert 0 < len(got) < len(said)
        told = [entry.fields["event"] for entry in house.locks.log.tail(5)]
        assert "cut" in told


# 18 ------------------------------------------------------------------------------------


def test_18_the_second_before_and_the_second_of_its_end(
    tmp_path: Path, provider: FakeProvider, inspector: Inspector
) -> None:
    clock = Clock()
    with gatehouse(tmp_path, provider, inspector=inspector, clock=clock) as house:
        record = house.consent("c-118", days=1)
        clock.now = record.expires_at - 1
        house.ask(WORDS, subjects=["c-118"])
        sent = provider.received
        for late in (0.0, 1.0, DAY):
            clock.now = record.expires_at + late
            assert refused(house, ["c-118"]) == "no_consent"
        # Set back, it brings nothing back to life.
        clock.now = record.given_at + 1
        assert refused(house, ["c-118"]) == "no_consent"
        assert house.locks.log.verify().holds
    # Nor does a restart.
    with gatehouse(tmp_path, provider, inspector=inspector, clock=clock) as house:
        assert refused(house, ["c-118"]) == "no_consent"
        told = [entry.fields for entry in house.locks.log.tail(9)]
        assert any("clock" in str(fields) for fields in told), told
    assert provider.received == sent


@pytest.mark.parametrize("now", [float("nan"), float("-inf")])
def test_18_a_clock_that_says_nothing_allows_nothing(
    house: Gatehouse, provider: FakeProvider, now: float
) -> None:
    gate = Gate(
        [house.opening],
        policy=house.locks.config,
        consents=house.locks.consents,
        clock=lambda: now,
    )
    wanted = house.asked(WORDS, ["c-118"], DataClass.PERSONAL)
    passage = Passage({PROVIDER: house.opening}, gate=gate, egress=Egress(gate), inspector=_nothing())
    with pytest.raises(Denied):
        asyncio.run(passage.ask(wanted))
    assert provider.received == b""


def test_18_a_consent_that_begins_later_is_none_yet(house: Gatehouse, provider: FakeProvider) -> None:
    house.clock.now += 3600
    house.consent("c-7")
    house.clock.now -= 3600
    # The log has seen the later hour: the gate goes by it only once it has ruled then.
    assert refused(house, ["c-7"]) == "no_consent"
    assert provider.received == b""


def test_18_times_without_an_offset_are_refused() -> None:
    assert moment("2026-10-25T02:30:00+02:00", where="x") + 3600 == moment(
        "2026-10-25T02:30:00+01:00", where="x"
    )
    with pytest.raises(DataError):
        moment("2026-10-25T02:30:00", where="x")


# 19 ------------------------------------------------------------------------------------


def test_19_consent_for_one_provider_is_none_for_another(house: Gatehouse, inspector: Inspector) -> None:
    with FakeProvider(lambda text: "b") as other, FakeProvider(lambda text: "a", always="500") as failing:
        openings = {
            name: Opening(
                provider=name,
                to=Destination.parse(url),
                model="m",
                key=None,
                max_tokens=256,
                limits=Limits(tokens=10**8),
            )
            for name, url in ((PROVIDER, failing.url), ("second", other.url))
        }
        gate = house.locks.gate(openings.values())
        passage = Passage(openings, gate=gate, egress=Egress(gate), inspector=inspector)
        asked = house.asked(WORDS, ["c-118"], DataClass.PERSONAL)
        for _ in range(3):  # however often one fails, nobody else is asked
            assert asyncio.run(passage.ask(asked)).status == 500
        with pytest.raises(Denied) as error:
            asyncio.run(passage.ask(replace(asked, provider="second")))
        assert error.value.ruling.reason == "no_consent"
        with running(passage) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
            headers = {"X-Sazon-Subject": "c-118", "X-Sazon-Class": "personal"}
            for name, why in (("second", "no_consent"), (PROVIDER, "provider")):
                raw = client.chat.completions.with_raw_response.create(
                    model=name, messages=WORDS["messages"], extra_headers=headers
                )
                assert (raw.headers["x-sazon-answered-by"], raw.headers["x-sazon-ruling"]) == ("here", why)
        assert failing.received
        assert other.received == b""


# 20 ------------------------------------------------------------------------------------


def _lines(house: Gatehouse) -> tuple[Path, list[str]]:
    assert house.locks.register is not None
    path = house.locks.register.path
    return path, path.read_text("utf-8").splitlines(keepends=True)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda lines: [*lines, lines[0]], id="the consent said again after its end"),
        pytest.param(lambda lines: lines[:1], id="its end cut off"),
        pytest.param(lambda lines: [], id="emptied"),
        pytest.param(lambda lines: lines[1:], id="begun later"),
        pytest.param(lambda lines: [lines[1], lines[0]], id="the other way round"),
        pytest.param(lambda lines: [lines[0].replace("c-118", "c-999"), *lines[1:]], id="other subject"),
        pytest.param(lambda lines: [lines[0].replace(PROVIDER, "second"), *lines[1:]], id="other recipient"),
        pytest.param(lambda lines: [lines[0].replace("personal", "special"), *lines[1:]], id="other class"),
        pytest.param(lambda lines: [lines[0], lines[1].replace("withdrawn", "given")], id="other event"),
        pytest.param(lambda lines: [*lines, "\n"], id="an empty line"),
        pytest.param(lambda lines: [*lines, '{"event":{}}\n'], id="a line of nobody's"),
    ],
)
def test_20_a_register_that_was_edited_allows_nothing(
    house: Gatehouse, provider: FakeProvider, forge: Any
) -> None:
    [record] = house.locks.consents().records.values()
    house.locks.end(record.id)
    path, lines = _lines(house)
    forged = forge(lines)
    assert forged != lines
    path.write_text("".join(forged), "utf-8")
    with pytest.raises(SazonError):
        house.ask(WORDS, subjects=["c-118"])
    assert provider.received == b""


def test_20_another_organisations_consents_are_none_here(
    house: Gatehouse, provider: FakeProvider, inspector: Inspector, tmp_path: Path
) -> None:
    _, lines = _lines(house)
    other_folder = tmp_path / "other"
    policy = PolicyConfig(tenant="other", consents="consents.jsonl", opt_in=["infer.external"])
    with gatehouse(other_folder, provider, inspector=inspector, policy=policy) as other:
        assert refused(other, ["c-118"]) == "no_consent"
        (other_folder / "consents.jsonl").write_text("".join(lines), "utf-8")
        with pytest.raises(SazonError):
            other.ask(WORDS, subjects=["c-118"])
    assert provider.received == b""


def test_20_a_receipt_opens_nothing(house: Gatehouse, provider: FakeProvider) -> None:
    from sazon.policy.receipts import receipt

    [record] = house.locks.consents().records.values()
    shown = receipt(house.locks, record.id)
    house.locks.end(record.id)
    path, lines = _lines(house)
    for replayed in shown["sazon:proof"]["sazon:signedLines"]:
        path.write_text("".join([*lines, f"{replayed}\n"]), "utf-8")
        assert refused(house, ["c-118"]) == "consents_broken"
    path.write_text("".join(lines), "utf-8")
    with pytest.raises(DataError):
        house.locks.give([record])
    assert refused(house, ["c-118"]) == "no_consent"
    assert provider.received == b""


# 21 ------------------------------------------------------------------------------------


def test_21_of_two_people_one_has_not_been_asked(house: Gatehouse, provider: FakeProvider) -> None:
    assert refused(house, ["c-118", "c-119"]) == "no_consent"
    assert refused(house, ["c-118", None]) == "unknown_subject"
    mixed = Asked(
        provider=PROVIDER,
        content={"model": PROVIDER, **WORDS},
        disclosures=(
            Disclosure(subject="c-118", data_class=DataClass.PERSONAL),
            Disclosure(subject="c-118", data_class=DataClass.SPECIAL),
        ),
    )
    with pytest.raises(Denied):
        asyncio.run(house.passage.ask(mixed))
    assert provider.received == b""
    house.consent("c-119")
    house.ask(WORDS, subjects=["c-118", "c-119"])
    assert json.loads(provider.received.split(b"\r\n\r\n", 1)[1])["messages"] == WORDS["messages"]


def _nothing() -> Inspector:
    return Inspector({"nothing": lambda text: []}, timeout_s=20.0, size_limit=100_000)
