"""The audit log: durable appends a second beside one fdatasync, checks a second, sizes of proofs, kills.

    python benchmarks/audit.py [--threads 8] [--rounds 3] [--kills 50] [--data DIR] [--out FILE.json]

Every append is on disk and signed before it returns. Beside the rate stands what one fdatasync of a
block of 4 KiB takes in the same folder at the same time, and the rate of one thread, which shares its
commits with nobody. `--kills N` starts a writing process N times, kills it, and looks whether everything
it acknowledged is still there and the log verifies. DIR is where the stores go (default: a temporary folder).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from keep import keep

from sazon.core.store import Store
from sazon.policy.audit import claims
from sazon.policy.audit.log import AuditLog

GOAL_PER_S = 2_000.0
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()


def fields(number: int) -> dict[str, object]:
    """A typical entry: thirteen fields with the time."""
    return {
        "event": "sent", "purpose": "infer.external", "provider": f"p{number % 5}", "classes": ["personal"],
        "allow": True, "reason": "granted", "consents": ["c-17"], "policy": "a" * 64, "request": "b" * 64,
        "spans": {"nif": 1, "email": 2}, "subject": "c" * 32, "model": "big-1",
    }  # fmt: skip


def opened(folder: Path, name: str) -> AuditLog:
    """A log in a store of its own."""
    return AuditLog(Store.open(f"sqlite:///{folder / name}.db"), sign=KEY.sign, public=PUBLIC)


def fdatasync_s(folder: Path, times: int = 50) -> float:
    """Median seconds of one fdatasync after 4 KiB were written."""
    path, taken = folder / "synced", []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(taken)


def appends_per_s(log: AuditLog, threads: int, each: int) -> float:
    """Rate of appends from several threads at once."""

    def work() -> None:
        for number in range(each):
            log.append(fields(number))  # type: ignore[arg-type]

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return threads * each / (time.perf_counter() - began)


def kills(folder: Path, count: int) -> tuple[int, int]:
    """Kill a writer `count` times; returns how many entries were acknowledged and how many of them lost."""
    url, chance, kept = f"sqlite:///{folder / 'killed'}.db", random.Random(0), {}
    log = AuditLog(Store.open(url), sign=KEY.sign, public=PUBLIC)
    for kill in range(count):
        writer = subprocess.Popen(
            [sys.executable, __file__, "--write", url, str(kill)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 120))]
        writer.kill()
        lines += writer.stdout.readlines()
        writer.wait()
        kept |= dict(line.split() for line in lines if line.endswith("\n"))
        found = log.verify(log.latest())
        if not found.holds:
            raise SystemExit(f"kill {kill}: {found.problems[0].words('en')}")
    there = {str(e.index): e.fields.get("request") for e in log.entries(0, log.latest().size)}
    return len(kept), sum(there.get(index) != request for index, request in kept.items())


def write_for_ever(url: str, name: str) -> None:
    """Append from four threads and say what was acknowledged, until killed."""
    log, told = AuditLog(Store.open(url), sign=KEY.sign, public=PUBLIC), threading.Lock()

    def work(thread: int) -> None:
        number = 0
        while True:
            index = log.append({"event": "sent", "request": f"{name}-{thread}-{number}"})
            with told:
                sys.stdout.write(f"{index} {name}-{thread}-{number}\n")
                sys.stdout.flush()
            number += 1

    for thread in range(4):
        threading.Thread(target=work, args=(thread,)).start()


def measured(folder: Path, given: argparse.Namespace) -> list[dict[str, object]]:
    """All figures but the kills."""
    rates: dict[str, list[float]] = {"alone": [], "shared": [], "sync": []}
    for turn in range(given.rounds):
        log = opened(folder, f"round{turn}")
        rates["sync"].append(fdatasync_s(folder))
        rates["alone"].append(appends_per_s(log, 1, given.each))
        rates["shared"].append(appends_per_s(log, given.threads, given.each))
        rates["sync"].append(fdatasync_s(folder))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    large = Store.open(f"sqlite:///{folder / 'large.db'}")
    log = AuditLog(large, sign=KEY.sign, public=PUBLIC)
    began = time.perf_counter()
    for _ in range(10):
        log.append_many([fields(number) for number in range(1_000)])  # type: ignore[misc]
    bulk = 10_000 / (time.perf_counter() - began)
    began = time.perf_counter()
    found = log.verify(log.latest())
    check = found.size / (time.perf_counter() - began)
    if not found.holds:
        raise SystemExit("the log does not verify")
    began = time.perf_counter()
    dossier = claims.prove(log, event="sent", classes="special", provider="p1")
    made_s = time.perf_counter() - began
    began = time.perf_counter()
    claims.verify_dossier(claims.read_document(dossier.text), PUBLIC)
    checked_s = time.perf_counter() - began
    proofs = 32 * len(log.prove(4_321)), 32 * len(log.consistency(4_321, 10_000))
    large.close()  # so that everything stands in the one file
    stored = (folder / "large.db").stat().st_size
    rows: list[tuple[str, float, str, float | None]] = [
        (f"durable appends, {given.threads} threads", middle["shared"], "1/s", GOAL_PER_S),
        ("durable appends, one thread", middle["alone"], "1/s", None),
        ("shared over alone", middle["shared"] / middle["alone"], "×", None),
        ("one fdatasync of 4 KiB", 1e3 * middle["sync"], "ms", None),
        ("appends in the time of one fdatasync", middle["shared"] * middle["sync"], "", None),
        ("appends, 1,000 at once", bulk, "1/s", None),
        ("entries verified", check, "1/s", None),
        ("inclusion proof of 10,000 entries", proofs[0], "bytes", None),
        ("consistency proof 4,321 to 10,000", proofs[1], "bytes", None),
        ("dossier an entry, 3 fields asked", len(dossier.text) / 10_000, "bytes", None),
        ("dossier of 10,000 entries made", made_s, "s", None),
        ("dossier of 10,000 entries checked", checked_s, "s", None),
        ("store an entry", stored / 10_000, "bytes", None),
    ]
    return [figure(*row) for row in rows]


def figure(name: str, value: float, unit: str, goal: float | None) -> dict[str, object]:
    """A row of the table."""
    met = None if goal is None else value >= goal
    told = "" if goal is None else f"   at least {goal:,.0f}: {'met' if met else 'NOT met'}"
    print(f"{name:<40}{value:12,.4g} {unit}{told}")
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": met}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--each", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_for_ever(*given.write)
        return
    with tempfile.TemporaryDirectory(dir=given.data) as name:
        figures = measured(Path(name), given)
        if given.kills:
            kept, lost = kills(Path(name), given.kills)
            figures.append(figure(f"acknowledged before {given.kills} kills", kept, "entries", None))
            lost_row = figure("of those lost", lost, "entries", None)
            figures.append(lost_row | {"goal": 0, "met": lost == 0})
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    keep(given.out, figures, threads=given.threads)


if __name__ == "__main__":
    main()
