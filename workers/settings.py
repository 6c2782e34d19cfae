"""The settings, by environment (`STELE_*`); the same for `stele up`, for compose and for a process alone."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _log_level(name: str) -> str:
    if name.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("one of DEBUG, INFO, WARNING, ERROR")
    return name.upper()


class Settings(BaseSettings):
    """Unknown `STELE_*` variables are an error in compose's test, not here: other tools may have their own."""

    model_config = SettingsConfigDict(env_prefix="STELE_", frozen=True)

    data: Path = Path(".stele")
    """Where the embedded servers, the owner's token and the `ready` file are."""
    postgres_url: str | None = None
    """An outside Postgres; without it `stele up` starts its own."""
    nats_url: str | None = None
    """An outside NATS with JetStream; without it `stele up` starts its own."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8420
    """0: any free port."""
    url: str | None = None
    """For the commands of a client: the hub to talk to."""
    token: str | None = None
    """For the commands of a client: the token to talk with."""
    tools: str = "adapters.tools.note:NoteTool"
    """The executor's tools: `module:Class`, separated by commas. The class takes no arguments."""
    log_level: Annotated[str, AfterValidator(_log_level)] = "INFO"


class NotConfigured(Exception):
    """A process was started without a setting that it needs."""


def required(value: str | None, name: str) -> str:
    """Raises NotConfigured."""
    if not value:
        raise NotConfigured(
            f"{name} is not set; `stele up` sets it for its own processes, compose.yaml for its services"
        )
    return value
