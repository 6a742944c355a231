"""Where the gateway listens and how much it takes in."""

from __future__ import annotations

from pydantic import Field, field_validator

from sazon.core.config import Config, refuse

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class GatewayConfig(Config):
    """Where the gateway listens and how much one request may hold."""

    host: str = "127.0.0.1"
    """Address to listen on. Only this machine's own for now: the gateway has no authentication yet."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes any free one."""
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, le=100_000_000)
    """Largest request body taken in."""
    max_inputs: int = Field(default=256, ge=1, le=10_000)
    """Most inputs in one request to `/v1/tasks/{name}`."""

    external_tokens: int = Field(default=1_000_000, ge=1)
    """Most tokens that requests to one provider may use while the gateway runs."""
    external_max_tokens: int = Field(default=1024, ge=1, le=100_000)
    """Most tokens one answer of a provider may have."""

    @field_validator("host")
    @classmethod
    def _only_this_machine(cls, value: str) -> str:
        if value not in LOOPBACK:
            raise refuse(
                "the gateway has no authentication yet, so it listens on this machine only",
                f"Use one of {', '.join(LOOPBACK)}; put a proxy with authentication in front to share it.",
            )
        return value
