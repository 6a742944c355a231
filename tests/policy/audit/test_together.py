"""Group commit: everybody's items are written once, in order, and everybody hears of a failure."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from sazon.core.errors import EnvironmentLacks
from sazon.policy.audit.together import Together


def test_items_of_many_threads_are_written_once_each_and_share_writes() -> None:
    written: list[int] = []
    writes: list[int] = []
    first_is_in, go_on = threading.Event(), threading.Event()

    def write(items: Sequence[int]) -> int:
        if not writes:
            first_is_in.set()
            assert go_on.wait(30)
        writes.append(len(items))
        written.extend(items)
        return len(written) - len(items)

    together = Together(write)
    places: dict[int, int] = {}

    def add(number: int) -> None:
        places[number] = together.add([number, -number])

    threads = [threading.Thread(target=add, args=(1,))]
    threads[0].start()
    assert first_is_in.wait(30)
    threads += [threading.Thread(target=add, args=(n,)) for n in range(2, 20)]
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 18:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    assert writes == [2, 36]
    assert len(written) == 38
    assert all(written[at : at + 2] == [number, -number] for number, at in places.items())


@pytest.mark.parametrize("failure", [EnvironmentLacks("full"), KeyboardInterrupt()])
def test_a_failed_write_fails_for_everybody_in_it_and_for_nobody_after(failure: BaseException) -> None:
    failures = [failure]
    together = Together(lambda items: 0 if not failures else (_ for _ in ()).throw(failures.pop()))
    with pytest.raises(type(failure)):
        together.add([1])
    assert together.add([2]) == 0


def test_who_waited_for_an_interrupted_writer_hears_of_it() -> None:
    entered, go_on = threading.Event(), threading.Event()
    heard: list[BaseException] = []

    def write(items: Sequence[int]) -> int:
        if items == [0]:
            entered.set()
            assert go_on.wait(30)
            return 0
        raise KeyboardInterrupt

    together = Together(write)

    def add(number: int) -> None:
        try:
            together.add([number])
        except BaseException as error:
            heard.append(error)

    threads = [threading.Thread(target=add, args=(0,))]
    threads[0].start()
    assert entered.wait(30)
    threads += [threading.Thread(target=add, args=(n,)) for n in (1, 2, 3)]
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 3:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    assert sorted(type(error).__name__ for error in heard) == [
        "EnvironmentLacks",
        "EnvironmentLacks",
        "KeyboardInterrupt",
    ]
