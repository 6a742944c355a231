"""What the processes beside rank 0 do: wait for trainings, take part, write nothing.

`python -m sazon.adapt.follower` is started by `processes: n`; under torchrun the command line
comes here in every process but the first.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback

from sazon.adapt.processes import END, Order, meeting, world_store
from sazon.adapt.trainees import take_part


def follows() -> bool:
    """Whether this process of several is not rank 0; rank 0 promises to release the others at its end."""
    if os.environ["RANK"] != "0":
        return True
    store = world_store()

    def release() -> None:
        store.set(f"order/{int(store.add('orders', 1))}", END)

    atexit.register(release)
    return False


def follow() -> None:
    """Take part in every training of rank 0 until it says that there are no more."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = world_store()
    number = 0
    while True:
        number += 1
        said = store.get(f"order/{number}")
        if said == END:
            return
        try:
            with meeting(store, number, rank=rank, size=size) as team:
                take_part(Order.unpacked(said), team)
        except Exception:
            # Rank 0 meets the same error, or finds this process gone, and is the one to say so.
            traceback.print_exc()


def _end_with_parent() -> None:
    """End as soon as the process at the other end of stdin does, however it ends."""
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Follow the process that started this one."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    follow()


if __name__ == "__main__":
    main()
