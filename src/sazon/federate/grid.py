"""Flower's Grid in one process: messages are copied to each site's ClientApp and its reply back.

Flower's own simulation needs Ray. Its Grid is abstract and small, but messages take their
sender from process-wide private state, which `server_identity` sets and puts back.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

RUN_ID = 1
SERVER = 1
"""Node id of the coordinator; sites have the ids from 2."""


@contextlib.contextmanager
def server_identity() -> Iterator[None]:
    """Be the coordinator: messages made in this block are sent by it."""
    names = ("_run_id", "_task_id", "_node_id")
    before = {name: getattr(TaskIdentity, name) for name in names}
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = RUN_ID, SERVER, SERVER
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(TaskIdentity, name, value)


class InProcessGrid(Grid):  # type: ignore[misc]  # Flower is not followed by mypy
    """Delivers messages by calling each site's ClientApp, in the order of the node ids."""

    def __init__(self, apps: Mapping[str, ClientApp]) -> None:
        """Give each site a node id, by name.

        Args:
            apps: one ClientApp a site, which holds that site's rows and no others.
        """
        self.names = dict(enumerate(sorted(apps), start=SERVER + 1))
        self.bytes = 0
        """Bytes of all arrays sent so far, both ways."""
        self.seconds = 0.0
        """Time spent inside the sites so far, one after the other."""
        self._apps = {node: apps[name] for node, name in self.names.items()}
        self._contexts = {
            node: Context(run_id=RUN_ID, node_id=node, node_config={}, state=RecordDict(), run_config={})
            for node in self.names
        }
        self._replies: dict[str, Message] = {}
        self._sent = 0
        self._run = Run.create_empty(RUN_ID)

    def set_run(self, run: Run) -> None:
        """Keep Flower's description of the run."""
        self._run = run

    @property
    def run(self) -> Run:
        """Flower's description of the run."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message from the coordinator to one site."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Node ids of all sites, in the order of their names."""
        return list(self.names)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Deliver each message and keep the reply; an error at a site ends the federation here.

        Flower would average whoever is left and go on in silence.
        """
        ids = []
        for message in sorted(messages, key=lambda m: int(m.metadata.dst_node_id)):
            node = int(message.metadata.dst_node_id)
            sent = self._carry(message)
            began = time.perf_counter()
            reply = self._apps[node](sent, self._contexts[node])
            self.seconds += time.perf_counter() - began
            self._replies[sent.metadata.message_id] = self._carry(reply)
            ids.append(sent.metadata.message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies to messages, in the order of the sites' names; each is given out once."""
        replies = [self._replies.pop(i) for i in message_ids if i in self._replies]
        # Sums of floating-point numbers depend on their order.
        return sorted(replies, key=lambda m: int(m.metadata.src_node_id))

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Deliver messages and return the replies; sites answer at once, so `timeout` never matters."""
        return self.pull_messages(self.push_messages(messages))

    def _carry(self, message: Message) -> Message:
        """What arrives: a copy with an id, so that nobody shares memory with the sender."""
        arrived = copy.deepcopy(message)
        self._sent += 1
        facts: dict[str, Any] = arrived.metadata.__dict__
        facts["_message_id"], facts["_run_id"] = str(self._sent), RUN_ID
        self.bytes += sum(r.count_bytes() for r in arrived.content.array_records.values())
        return arrived
