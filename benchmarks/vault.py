"""The vault: records put and read, a person erased, all keys rotated, and how the keyring grows.

    python benchmarks/vault.py [--people 2000] [--erased 500] [--rounds 3] [--data DIR] [--out FILE.json]

Every put and every erasure is on disk before it returns, so beside them stands what one fdatasync of
the same disk costs in the same run. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from keep import keep

from sazon.core.store import Store
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.sealing import fresh_key
from sazon.policy.keys.source import LocalKey
from sazon.policy.vault import Vault

TEXT = b"x" * 200


def each_ms(work: Callable[[int], object], times: int) -> float:
    """Median milliseconds of one call."""
    spent = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        spent.append(1e3 * (time.perf_counter() - start))
    return statistics.median(spent)


def sync_ms(folder: Path) -> float:
    """Median milliseconds of one small write with fdatasync."""
    with (folder / "sync").open("wb", buffering=0) as file:

        def once(_: int) -> None:
            file.write(TEXT)
            os.fdatasync(file.fileno())

        return each_ms(once, 200)


def once(folder: Path, *, people: int, erased: int) -> dict[str, float]:
    """One round on an empty store."""
    ring = folder / "keys.json"
    keyring = Keyring.create(folder, LocalKey(fresh_key()))
    store = Store.open(f"sqlite:///{folder / 'policy.db'}")
    vault = Vault(store, keyring)
    figures = {"fdatasync": sync_ms(folder), "keyring.empty": float(ring.stat().st_size)}
    figures["put"] = each_ms(lambda n: vault.put(f"p{n}", "a", TEXT), people)
    figures["get"] = each_ms(lambda n: vault.get(f"p{n}", "a"), people)
    figures["erase.first"] = each_ms(lambda n: vault.erase(f"p{n}"), 20)
    for number in range(20, erased - 20):
        vault.erase(f"p{number}")
    figures["erase.last"] = each_ms(lambda n: vault.erase(f"p{erased - 20 + n}"), 20)
    figures["keyring.erased"] = float(ring.stat().st_size)
    figures["get.erased"] = each_ms(lambda n: vault.get(f"p{erased + n}", "a"), people - erased)
    start = time.perf_counter()
    moved = vault.rotate(LocalKey(fresh_key()))
    figures["rotate"] = moved / (time.perf_counter() - start)
    store.close()
    return figures


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--erased", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder on the disk to measure")
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    rounds = []
    for _ in range(wanted.rounds):
        with tempfile.TemporaryDirectory(dir=wanted.data) as folder:
            rounds.append(once(Path(folder), people=wanted.people, erased=wanted.erased))
    middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    n = wanted.erased
    table = [
        ("one fdatasync", middle["fdatasync"], "ms"),
        ("put", middle["put"], "ms"),
        ("put, in fdatasyncs", middle["put"] / middle["fdatasync"], "ratio"),
        ("get", middle["get"], "ms"),
        (f"get after {n} erasures", middle["get.erased"], "ms"),
        ("erase, first 20", middle["erase.first"], "ms"),
        (f"erase, the last 20 of {n}", middle["erase.last"], "ms"),
        ("keyring, nobody erased", middle["keyring.empty"] / 1e3, "kB"),
        (f"keyring, {n} erased", middle["keyring.erased"] / 1e3, "kB"),
        ("keyring, one erasure", (middle["keyring.erased"] - middle["keyring.empty"]) / n / 1e3, "kB"),
        ("data keys rotated", middle["rotate"], "1/s"),
    ]
    for name, value, unit in table:
        print(f"{name:32} {value:12,.3f} {unit}")
    figures = [
        {"name": f"vault: {name}", "value": value, "unit": unit, "goal": None, "met": None}
        for name, value, unit in table
    ]
    keep(wanted.out, figures, rounds=wanted.rounds)


if __name__ == "__main__":
    main()
