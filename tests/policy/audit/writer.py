"""A process that appends until it is killed, and says what has been acknowledged.

    python writer.py STORE NAME [COUNT]

Prints the index and the name of each entry after it has been acknowledged; four threads.
"""

from __future__ import annotations

import sys
import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sazon.core.store import Store
from sazon.policy.audit.log import AuditLog


def main() -> None:
    url, name = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    log = AuditLog(Store.open(url), sign=key.sign, public=key.public_key().public_bytes_raw())
    told = threading.Lock()

    def work(thread: int) -> None:
        for number in range(count):
            request = f"{name}-{thread}-{number}"
            index = log.append({"event": "sent", "request": request})
            with told:
                sys.stdout.write(f"{index} {request}\n")
                sys.stdout.flush()

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
