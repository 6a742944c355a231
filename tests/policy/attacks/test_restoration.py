"""Attacks 22 to 25: on what comes back. Each person's values return to their own requests alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from sazon.core.dataset import DataClass
from sazon.policy.detect.inspector import Inspector
from sazon.policy.passage import _restored
from sazon.policy.pseudonyms import RestoringEvents
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import PROVIDER, Gatehouse, gatehouse

from ...gateway.test_outbound import running  # noqa: TID252
from .canaries import Canary, leaked, nif
from .conftest import says

NIF = "12345678Z"
SAID = says(f"mi dni es {NIF}")
MARKER = re.compile(r"⟦[A-Z_]+_[0-9A-Z]{6}⟧")


def content_of(passed) -> str:
    return passed.content["choices"][0]["message"]["content"]


def behind(tmp_path: Path, inspector: Inspector, answer: Callable[[str], str]):
    """A house whose provider answers in its own way, and that provider."""
    provider = FakeProvider(answer)
    return provider, gatehouse(tmp_path, provider, inspector=inspector)


# 22 ------------------------------------------------------------------------------------


def test_22_cut_at_every_byte_it_is_the_same(house: Gatehouse) -> None:
    _, pseudonyms = house.passage._prepare(house.asked(SAID, ["c-118"], DataClass.PERSONAL))
    [marker] = {pseudonyms.cover(NIF, house.passage._inspector.inspect(NIF).spans)}

    def event(text: str) -> bytes:
        delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        return b"data: " + json.dumps({"choices": [delta]}, ensure_ascii=False).encode() + b"\n\n"

    stream = event(f"your ID, {marker[:4]}") + event(f"{marker[4:]}, is ñ fine") + b"data: [DONE]\n\n"

    async def read(blocks: list[bytes]) -> bytes:
        async def coming():
            for block in blocks:
                yield block

        return b"".join([b async for b in _restored(coming(), RestoringEvents(pseudonyms))])

    def said(out: bytes) -> str:
        events = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: {")]
        return "".join(c["delta"].get("content", "") for e in events for c in e["choices"])

    async def every() -> set[str]:
        cuts = [[stream[:i], stream[i:]] for i in range(len(stream) + 1)]
        cuts.append([stream[i : i + 1] for i in range(len(stream))])
        return {said(await read(cut)) for cut in cuts}

    assert asyncio.run(every()) == {f"your ID, {NIF}, is ñ fine"}


# 23 ------------------------------------------------------------------------------------

SPELT = {
    "small": str.lower,
    "spaces inside": lambda m: m.replace("⟦", "⟦ ").replace("⟧", " ⟧"),
    "square brackets": lambda m: f"[{m[1:-1]}]",
    "double brackets": lambda m: f"[[{m[1:-1]}]]",
    "no brackets": lambda m: m[1:-1],
    "bold": lambda m: f"**{m}**",
    "hyphen": lambda m: m.replace("_", "-"),
    "backslash": lambda m: m.replace("_", r"\_"),
    "translated": lambda m: m.replace("NIF", "DOCUMENTO"),
}


@pytest.mark.parametrize("spelling", SPELT)
def test_23_a_known_marker_comes_back_however_it_is_spelt(
    tmp_path: Path, inspector: Inspector, spelling: str
) -> None:
    answer = lambda text: f"so {SPELT[spelling](MARKER.search(text)[0])} it is"  # noqa: E731
    provider, opened = behind(tmp_path, inspector, answer)
    with provider, opened as house:
        house.consent("c-118")
        assert NIF in content_of(house.ask(SAID, subjects=["c-118"]))
        assert leaked(provider.received, Canary(kind="nif", text=NIF)) is None


@pytest.mark.parametrize(
    "invented", ["⟦NIF_ABC234⟧", "⟦PERSON_ZZZZ99⟧", "NIF_ABC234", "[[NIF_ABC234]]", "⟦NIF_"]
)
def test_23_an_invented_marker_stays_as_it_is(tmp_path: Path, inspector: Inspector, invented: str) -> None:
    provider, opened = behind(tmp_path, inspector, lambda text: invented)
    with provider, opened as house:
        house.consent("c-118")
        assert content_of(house.ask(SAID, subjects=["c-118"])) == invented


# 24 ------------------------------------------------------------------------------------


def test_24_a_marker_in_a_text_pulls_nothing_of_another_conversation(
    tmp_path: Path, inspector: Inspector
) -> None:
    provider, opened = behind(tmp_path, inspector, lambda text: text)
    with provider, opened as house:
        house.consent("c-118")
        house.consent("c-119")
        house.ask(SAID, subjects=["c-118"], conversation="one")
        [marker] = MARKER.findall(provider.requests[-1]["messages"][0]["content"])
        for subject, conversation in (("c-119", "one"), ("c-118", "two"), ("c-118", None), ("c-118", "one")):
            said = content_of(house.ask(says(f"x {marker} y"), subjects=[subject], conversation=conversation))
            assert said == f"x {marker} y"
            # What the provider saw was another marker in its place.
            assert marker not in provider.requests[-1]["messages"][0]["content"]


def test_24_a_provider_that_recalls_a_marker_gets_nothing_elsewhere(
    tmp_path: Path, inspector: Inspector
) -> None:
    seen: list[str] = []

    def answer(text: str) -> str:
        seen.extend(MARKER.findall(text))
        return " ".join(seen)

    provider, opened = behind(tmp_path, inspector, answer)
    with provider, opened as house:
        house.consent("c-118")
        house.consent("c-119")
        assert NIF in content_of(house.ask(SAID, subjects=["c-118"], conversation="one"))
        assert NIF not in content_of(house.ask(says("hi"), subjects=["c-119"], conversation="one"))
        assert NIF not in content_of(house.ask(says("hi"), subjects=["c-118"], conversation="two"))


# 25 ------------------------------------------------------------------------------------


def test_25_a_value_that_looks_like_a_marker_is_restored_once(tmp_path: Path, inspector: Inspector) -> None:
    provider, opened = behind(tmp_path, inspector, lambda text: text)
    with provider, opened as house:
        house.consent("c-118")
        for text in (
            f"contraseña: ⟦NIF_ABC234⟧1 y {NIF}",
            "⟦PERSON_⟦NIF_ABC234⟧⟧",
            "⟦NIF_ABC234⟧⟦NIF_ABC234⟧",
            r"⟦NIF\_ABC234⟧ **NIF_ABC234** nif_abc234",
        ):
            assert content_of(house.ask(says(text), subjects=["c-118"])) == text


# at once -------------------------------------------------------------------------------


def test_a_hundred_conversations_at_once_each_get_their_own_back(
    tmp_path: Path, inspector: Inspector
) -> None:
    from random import Random

    chance = Random(11)
    people = {f"c-{n}": nif(chance).text for n in range(100)}
    provider, opened = behind(tmp_path, inspector, lambda text: f"so {text}")
    with provider, opened as house, running(house.passage) as url:
        for name in people:
            house.consent(name)
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120) as client:

            def ask(name: str) -> tuple[str, str]:
                headers = {
                    "X-Sazon-Subject": name,
                    "X-Sazon-Class": "personal",
                    "X-Sazon-Conversation": "the-same",
                }
                raw = client.chat.completions.with_raw_response.create(
                    model=PROVIDER,
                    messages=[{"role": "user", "content": f"dni {people[name]}"}],
                    extra_headers=headers,
                )
                assert raw.headers["x-sazon-answered-by"] == "provider"
                return name, raw.parse().choices[0].message.content or ""

            with ThreadPoolExecutor(16) as pool:
                answers = dict(pool.map(ask, people))
    assert answers == {name: f"so dni {number}" for name, number in people.items()}
    for number in people.values():
        assert number.encode() not in provider.received
