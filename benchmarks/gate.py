"""What the gate costs: a ruling with ten thousand consents, sealing, and the whole way to the socket.

    python benchmarks/gate.py [--consents 10000] [--rounds 2000] [--out FILE.json]

A request carries about 1 kB of text with two identifiers. *Ruling* is `Gate.rule`, digests included;
*sealing* rules, names the request for the log (here a log that keeps nothing) and fixes its bytes;
*preparing* is everything before the socket: shape, detectors, pseudonyms, sealing. Beside them stands one
SHA-256 of the body and one `json.dumps` of it, taken in the same rounds. Medians.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from keep import keep

from sazon.core.dataset import DataClass
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import Consents, Record
from sazon.policy.destination import Destination
from sazon.policy.detect.inspector import default_inspector
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.message import ChatRequest
from sazon.policy.passage import Asked, Passage
from sazon.policy.permit import Opening
from sazon.policy.ruling import Disclosure, Request
from sazon.policy.spending import Limits

GOAL_US = 200.0
PROVIDER = "frontier"
SENTENCE = "Quiero cambiar la cita del martes porque no me viene bien, y preguntar por el resultado. "
TEXT = f"Hola, mi DNI es 12345678Z y mi correo ana.lopez@correo.es. {SENTENCE * 11}"


def consent(number: int) -> Record:
    """One of many."""
    return Record(
        id=f"c{number}", subject=f"client-{number}", purpose="infer.external", recipient=PROVIDER,
        classes=frozenset({DataClass.PERSONAL}), basis="consent", notice="0" * 64, given_at=0.0,
        expires_at=1e12,
    )  # fmt: skip


def median_us(work: Callable[[], object], rounds: int) -> float:
    """Median microseconds of a call."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        work()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--consents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()

    opening = Opening(
        provider=PROVIDER, to=Destination.parse("https://example.com/v1"), model="big-1", key=None,
        max_tokens=256, limits=Limits(tokens=10**12),
    )  # fmt: skip
    consents = Consents.of(map(consent, range(given.consents)), digest="0" * 64)
    gate = Gate([opening], policy=PolicyConfig(opt_in=["infer.external"]), consents=lambda: consents)
    content = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 256}
    people = (Disclosure(subject=f"client-{given.consents // 2}", data_class=DataClass.PERSONAL),)

    def request() -> Request:
        return Request(
            purposes=("infer.external",), provider=PROVIDER, url="https://example.com/v1/chat/completions",
            data_digest="", message=ChatRequest(content={"model": "big-1", **content}, max_tokens=256),
            disclosures=people,
        )  # fmt: skip

    body = request().message.body()
    asked = Asked(provider=PROVIDER, content={"model": PROVIDER, **content}, disclosures=people)
    passages = {
        names: Passage(
            {PROVIDER: opening},
            gate=gate,
            egress=Egress(gate),
            inspector=default_inspector(names.split(" + ")),
        )
        for names in ("patterns", "patterns + names")
    }
    sealed = gate.seal(request())
    assert gate.recheck(sealed).allow
    figures = [
        ("SHA-256 of the body", median_us(lambda: hashlib.sha256(body).hexdigest(), given.rounds), None),
        ("json.dumps of the body", median_us(request().message.body, given.rounds), None),
        ("gate ruling", median_us(lambda: gate.rule(request()), given.rounds), GOAL_US),
        ("gate sealing", median_us(lambda: gate.seal(request()), given.rounds), None),
        ("check at the socket", median_us(lambda: gate.recheck(sealed), given.rounds), GOAL_US),
        *(
            (f"preparing, {names}", median_us(lambda p=passage: p._prepare(asked), given.rounds // 20), None)
            for names, passage in passages.items()
        ),
    ]
    print(f"{given.consents:,} consents, a body of {len(body):,} bytes, median of {given.rounds:,}")
    for name, value, goal in figures:
        print(f"{name:<32}{value:>10.1f} µs" + ("" if goal is None else f"   goal ≤ {goal:g} µs"))
    keep(
        given.out,
        [
            {
                "name": name,
                "value": value,
                "unit": "µs",
                "goal": goal,
                "met": None if goal is None else value <= goal,
            }
            for name, value, goal in figures
        ],
    )


if __name__ == "__main__":
    main()
