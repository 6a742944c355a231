"""Several processes that train one model: who they are, how they meet, what they sum.

One of them, rank 0, runs everything; the others wait for trainings, take their share of every
batch, and write nothing. They are either started here, or there already because `torchrun`
started them all; both kinds meet in torch's TCPStore under the variables that torchrun sets.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from sazon.core.errors import EnvironmentLacks, RecipeError
from sazon.models.power import busy_threads

if TYPE_CHECKING:
    import torch

PATIENCE = datetime.timedelta(days=20)
"""How long a process waits for the others: one of them may be evaluating, or have nothing to train."""
END = b"end"
"""Said instead of an order when nothing more will be trained."""


@dataclass(frozen=True)
class Team:
    """The processes of one training, as one of them sees them."""

    rank: int
    size: int

    def share(self, rows: list[int]) -> list[int]:
        """This process's rows of a batch; every row belongs to exactly one process."""
        return rows[self.rank :: self.size]

    def combine(self, parameters: Iterable[torch.Tensor], lost: float, *, due: bool) -> tuple[float, bool]:
        """Sum gradients and loss over all processes.

        Args:
            parameters: their gradients are replaced by the sum; none counts as zero.
            lost: this process's part of the loss.
            due: whether this process wants a checkpoint.

        Returns:
            the whole loss, and whether any process wants a checkpoint.
        """
        import torch

        held = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in held]
        said = torch.tensor([lost, float(due)], device=held[0].device)
        flat = torch.cat([*(g.reshape(-1) for g in gradients), said])
        torch.distributed.all_reduce(flat)
        at = 0
        for parameter in held:
            parameter.grad = flat[at : at + parameter.numel()].view_as(parameter)
            at += parameter.numel()
        return float(flat[-2]), bool(flat[-1] > 0)

    def align(self, parameters: Iterable[torch.Tensor]) -> None:
        """Give every process the numbers of rank 0."""
        import torch

        for parameter in parameters:
            torch.distributed.broadcast(parameter.data, src=0)

    def agree(self, answer: bool) -> bool:
        """The answer of rank 0."""
        import torch

        told = torch.tensor([int(answer)], device=_device())
        torch.distributed.broadcast(told, src=0)
        return bool(told.item())

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """This tensor of every process, by rank."""
        import torch

        mine = tensor.to(_device())
        everywhere = [torch.empty_like(mine) for _ in range(self.size)]
        torch.distributed.all_gather(everywhere, mine)
        return [t.cpu() for t in everywhere]


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training as the other processes are told of it: JSON-like facts and arrays."""

    facts: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]

    def packed(self) -> bytes:
        """Both as the bytes of an .npz file."""
        facts = np.frombuffer(json.dumps(self.facts).encode(), dtype=np.uint8)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, facts=facts, **{f"array/{k}": a for k, a in self.arrays.items()})
        return file.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes) -> Order:
        """Undo `packed`; nothing is unpickled."""
        with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
            facts = json.loads(stored["facts"].tobytes())
            arrays = {k.removeprefix("array/"): stored[k] for k in stored.files if k != "facts"}
        return cls(facts=facts, arrays=arrays)


class Company:
    """Rank 0's hold on the other processes."""

    def __init__(self, store: Any, *, size: int) -> None:
        """Keep the store where they meet."""
        self.store, self.size = store, size

    @contextlib.contextmanager
    def team(self, order: Order) -> Iterator[Team]:
        """Let all processes train together for a while."""
        # Through memory: rows are never written where somebody else might read them.
        number = int(self.store.add("orders", 1))
        self.store.set(f"order/{number}", order.packed())
        with meeting(self.store, number, rank=0, size=self.size) as team:
            yield team
        self.store.delete_key(f"order/{number}")


def wanted_processes(processes: int | Literal["auto"]) -> int:
    """How many processes train: as told, or one for each GPU; torchrun has the last word."""
    if under_torchrun():
        return int(os.environ["WORLD_SIZE"])
    if processes != "auto":
        return processes
    import torch

    return max(1, torch.cuda.device_count())


def under_torchrun() -> bool:
    """Whether this process is one of several that `torchrun` started."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def company(processes: int | Literal["auto"]) -> Iterator[Company | None]:
    """The other processes, started here unless torchrun did; None where there is one process only.

    Args:
        processes: how many in all.

    Raises:
        EnvironmentLacks: one of them ended before its time, with its last words.
    """
    size = wanted_processes(processes)
    if size == 1:
        yield None
    elif under_torchrun():
        yield Company(world_store(), size=size)
    else:
        with _started(size) as (store, words):
            try:
                yield Company(store, size=size)
            except RuntimeError as error:
                if not (last := words()):
                    raise
                raise EnvironmentLacks(
                    f"a training process ended: {last}",
                    mend="Give it more memory, or set processes: 1.",
                ) from error


@contextlib.contextmanager
def _started(size: int) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Start ranks 1 … size − 1; they end with the block, or with this process."""
    import torch

    store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=PATIENCE
    )
    threads = max(1, busy_threads() // size)
    log = tempfile.TemporaryFile()
    told = {
        "WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": store.port,
        "TORCHELASTIC_RESTART_COUNT": 0,
    }
    started: list[subprocess.Popen[bytes]] = []
    was = torch.get_num_threads()
    torch.set_num_threads(min(was, threads))
    try:
        for rank in range(1, size):
            own = told | {"RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": min(was, threads)}
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "sazon.adapt.follower"],
                    env=os.environ | {k: str(v) for k, v in own.items()},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                )
            )
        yield _ours(store, restart=0), lambda: _last_words(started, log)
    finally:
        torch.set_num_threads(was)
        for process in started:
            # They also end by themselves when this pipe closes, should this process be killed.
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        log.close()


def _last_words(started: list[subprocess.Popen[bytes]], log: Any) -> str:
    """The last line that the processes printed, else the status one ended with; empty while all are well."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    ended = [f"exit status {p.returncode}" for p in started if p.poll() is not None]
    return str((lines or ended or [""])[-1])


def world_store() -> Any:
    """The store at MASTER_ADDR:MASTER_PORT; rank 0 keeps it where torchrun's agent does not."""
    import torch

    keeps = os.environ["RANK"] == "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=keeps,
        wait_for_workers=False,
        timeout=PATIENCE,
    )
    return _ours(store, restart=int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")))


def _ours(store: Any, *, restart: int) -> Any:
    """Our part of a store; after torchrun's agent restarted all, not that of the processes before."""
    import torch

    return torch.distributed.PrefixStore(f"sazon/{restart}", store)  # type: ignore[attr-defined]


@contextlib.contextmanager
def meeting(store: Any, number: int, *, rank: int, size: int) -> Iterator[Team]:
    """Join the group of training `number`.

    Raises:
        RecipeError: the process has joined a group of torch's own already.
    """
    import torch

    if torch.distributed.is_initialized():
        raise RecipeError(
            "this process has joined a torch process group already", mend="Leave it, or set processes: 1."
        )
    backend = "gloo"
    if torch.cuda.device_count() >= size:
        backend = "nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
    ours = torch.distributed.PrefixStore(f"group/{number}", store)  # type: ignore[attr-defined]
    torch.distributed.init_process_group(
        backend,
        store=ours,
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    try:
        yield Team(rank, size)
    finally:
        torch.distributed.destroy_process_group()


def _device() -> str:
    import torch

    return "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
