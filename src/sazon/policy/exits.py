"""Every module that may touch the network, and why. A test holds the whole package to this list.

Prompts and records leave through `sazon.policy.egress` alone; what else connects carries none.
"""

from __future__ import annotations

NETWORK_PACKAGES = frozenset(
    {
        "_socket", "aiobotocore", "aiohttp", "anthropic", "asyncpg", "asyncssh", "boto3", "botocore",
        "curl_cffi", "datasets", "dns", "flwr", "ftplib", "google", "grpc", "h2", "http", "httpcore",
        "httpx", "huggingface_hub", "imaplib", "litellm", "mlflow", "mysql", "nntplib", "openai",
        "opentelemetry", "paramiko", "pg8000", "poplib", "psycopg", "psycopg2", "pycurl", "pymongo",
        "pymysql", "ray", "redis", "requests", "sentry_sdk", "smtplib", "socket", "socketserver",
        "telnetlib", "tornado", "urllib3", "uvicorn", "wandb", "websocket", "websockets", "xmlrpc",
        "zmq",
    }
)  # fmt: skip
"""Packages that can open a connection or listen for one (beside urllib.request, and SQLAlchemy, which
connects only where an engine is created)."""

EXITS: dict[str, tuple[frozenset[str], str]] = {
    "sazon.policy.egress": (
        frozenset({"aiohttp", "socket"}),
        "the only way out for prompts and records: sends what the gate has sealed",
    ),
    "sazon.core.store": (
        frozenset({"pg8000", "call.create_engine"}),
        "the organisation's own PostgreSQL, where the recipe names one; SQLite opens no connection",
    ),
    "sazon.data.fetch": (
        frozenset({"urllib.request", "urllib.error", "datasets", "huggingface_hub"}),
        "downloads of data the recipe names, pinned by sha256 or revision; off under --offline",
    ),
    "sazon.models.base": (
        frozenset({"huggingface_hub"}),
        "downloads of base models the recipe names, pinned by revision; off under --offline",
    ),
    "sazon.gateway.server": (
        frozenset({"socket", "uvicorn"}),
        "listens on this machine; opens nothing outwards",
    ),
}
"""Module → packages it may import, and what for."""

EXIT_FOLDERS: dict[str, tuple[frozenset[str], str]] = {
    "sazon.federate": (
        frozenset({"flwr"}),
        "model updates between sites, by Flower, after the gate's consent",
    ),
    "sazon.testing": (
        frozenset({"socket", "aiohttp"}),
        "fake providers on this machine, for tests and for the demo",
    ),
}
"""The same for whole rooms."""
