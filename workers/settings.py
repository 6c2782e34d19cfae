"""The settings, by environment (`STELE_*`); the same for `stele up`, for compose and for a process alone."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_PORT_MAX = 65_535


def _log_level(name: str) -> str:
    if name.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("one of DEBUG, INFO, WARNING, ERROR")
    return name.upper()


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > _PORT_MAX:
        raise ValueError("host:port, as in 127.0.0.1:9464")
    return text


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
    port: Annotated[int, Field(ge=0, le=_PORT_MAX)] = 8420
    """0: any free port."""
    url: str | None = None
    """For the commands of a client: the hub to talk to."""
    token: str | None = None
    """For the commands of a client: the token to talk with."""
    tools: str = "adapters.tools.note:NoteTool"
    """The executor's tools: `module:Class`, separated by commas. The class takes no arguments."""
    log_level: Annotated[str, AfterValidator(_log_level)] = "INFO"
    master_keys: SecretStr | None = None
    """The keys that wrap persons' keys, `<id>:<32 bytes in base64url>`, separated by commas, the wrapping one first."""
    master_key_file: Path | None = None
    """A file with the same, line by line; without either, `master.key` in the data folder, which `stele up` makes."""
    metrics_listen: Annotated[str, AfterValidator(_address)] | None = None
    """host:port where this process shows its `/metrics` and `/livez`. The processes of `stele up` listen on that port
    and on those that follow it, or each on any free one when it is 0.
    """
    metrics_token: Annotated[str, Field(min_length=16, pattern=r"^[\x21-\x7e]+$")] | None = None
    """Opens `/metrics` and nothing else; without it `serve` wants a token with the role `operator`."""


class NotConfigured(Exception):
    """A process was started without a setting that it needs."""


def required(value: str | None, name: str) -> str:
    """Raises NotConfigured."""
    if not value:
        raise NotConfigured(
            f"{name} is not set; `stele up` sets it for its own processes, compose.yaml for its services"
        )
    return value
