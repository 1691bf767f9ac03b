"""The settings of the process: `EWS_*` variables, each with default, unit and bounds. Secrets come from files or variables."""

from __future__ import annotations

import re
import ssl
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from aiokafka.helpers import create_ssl_context
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream.engine.partitioner import Partitioner
from stream.errors import ConfigurationError
from stream.oauth import Tokens

ENV_PREFIX = "EWS_"


class Settings(BaseSettings):
    """Everything the process can be told. Detectors and policy have files of their own."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    app: str = Field("ews", pattern=r"^[a-zA-Z0-9._-]{1,80}$")
    """Name of this job: consumer group, and first part of transactional ids and changelog topics."""
    topic_prefix: str = Field("", pattern=r"^[a-zA-Z0-9._-]{0,80}$")
    """Put before every topic name: `bank.` makes `bank.payments`."""
    instance_id: str | None = Field(None, pattern=r"^[a-zA-Z0-9._-]{1,120}$")
    """Stable name of this worker (static membership); unique in the group. A pod's own name fits."""

    bootstrap: str = "127.0.0.1:9092"
    """Kafka's `host:port`, comma separated."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None
    """A file that holds the password alone; wins over `sasl_password`."""
    sasl_oauth_token_file: Path | None = None
    """OAUTHBEARER: a file that holds the token alone. Read at each login, so whoever renews it just writes it."""
    sasl_oauth_token_command: str | None = None
    """OAUTHBEARER: a program and its arguments, run without a shell, that writes the token to stdout within 10 seconds. It is
    shown by `ews config print`: no secret in it."""
    ssl_ca_file: Path | None = None
    ssl_cert_file: Path | None = None
    """The client's certificate (mTLS)."""
    ssl_key_file: Path | None = None
    ssl_key_password: SecretStr | None = None
    ssl_key_password_file: Path | None = None

    partitioner: Partitioner = "murmur2"
    """How the bank's producers place keys: `murmur2` (Java, Kafka's default) or `crc32` (librdkafka's default)."""
    partitions: int = Field(12, ge=1, le=1024)
    """Partitions that `ews topics create` gives each topic. All topics have the same count."""
    replication: int = Field(3, ge=1, le=7)
    min_insync: int = Field(2, ge=1, le=7)
    retention_days: int = Field(30, ge=1, le=36_500)
    """How long inputs, outputs and journal are kept: the reach of `ews replay --journal`."""

    commit_interval_ms: int = Field(100, ge=10, le=10_000)
    """Time between a task's transactions; it stretches so that commits take about 10 % of the CPU."""
    transaction_timeout_ms: int = Field(10_000, ge=1_000, le=60_000)
    """How long a stopped worker can hold read_committed readers back."""
    session_timeout_ms: int = Field(45_000, ge=6_000, le=1_800_000)
    chunk_records: int = Field(2_000, ge=1, le=20_000)
    """Records applied at a time: an upper bound on how long the loop is busy."""
    clock: Literal["ticks", "events"] = "ticks"
    """`ticks`: time passes for idle tasks too. `events`: only events move time (history)."""
    tick_seconds: float = Field(5.0, ge=0.1, le=3600)
    dead_letter_limit: float = Field(0.10, gt=0, le=1)
    """Share of bad records among the last 10,000 of a task at which the worker stops; never below 1,000 records."""
    max_record_bytes: int = Field(1_000_000, ge=10_000, le=100_000_000)
    """Largest record that the topics take (`max.message.bytes`); a larger dead letter is replaced by its SHA-256."""

    stall_seconds: float = Field(60.0, ge=2, le=3600)
    """How long a task that has something to do may stand still before the worker stops; half of it, and it is not ready."""

    contact_from: datetime | None = None
    """Signals of an earlier event time make no nudge and no escalation: keeps a first load of history silent."""
    detectors_file: Path | None = None
    """TOML with the detectors' settings; the packaged defaults where not given."""
    policy_file: Path | None = None
    """TOML with the contact policy; the packaged default where not given."""
    shadow_policy_file: Path | None = None
    """TOML with a policy that is tried out beside it: it decides and records, and sends nothing."""

    embedded_broker: bool = False
    """The broker is the embedded one of `ews demo`: it has no topic configuration to check and no checksums."""
    redis_url: str = "redis://127.0.0.1:6379/0"
    """Where `ews view` keeps its pictures: `rediss://user@host:port/db` (TLS), never with a password in it."""
    redis_password: SecretStr | None = None
    redis_password_file: Path | None = None
    """A file that holds the user's password alone; wins over `redis_password`."""
    redis_ca_file: Path | None = None
    """PEM with the authorities that the server is checked against; the system's where not given."""
    view_ttl_days: int = Field(90, ge=1, le=36_500)
    """A picture of whom nothing was told for so long goes."""

    web_host: str = "127.0.0.1"
    """Address of `/metrics`, `/live`, `/ready` and `/status`. Loopback unless told otherwise; `0.0.0.0` for a pod's probes."""
    web_port: int = Field(6066, ge=0, le=65_535)
    """0 switches the web server off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_sample: int = Field(0, ge=0, le=1_000_000_000)
    """One of so many records of each input is told in the log, at level info: where it lies, how large it is and its trace,
    nothing of what it says. 0: none."""

    @field_validator("contact_from")
    @classmethod
    def _offset_required(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("must carry an offset, such as 2026-01-31T00:00:00+00:00")
        return value

    @field_validator("sasl_mechanism", mode="before")
    @classmethod
    def _no_kerberos(cls, value: object) -> object:
        if value == "GSSAPI":
            raise ValueError(
                "GSSAPI (Kerberos) is not supported: the librdkafka that comes with confluent-kafka is built without it. Use "
                "OAUTHBEARER, SCRAM or mTLS (docs/security.md)"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            sound = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound, parts = False, urlsplit("")
        if parts.password is not None:
            raise ValueError("carries a password, which would be shown: put it into the file of EWS_REDIS_PASSWORD_FILE")
        if not sound or parts.query or re.fullmatch(r"/?[0-9]{0,4}", parts.path) is None:
            raise ValueError("must be like rediss://user@host:6379/0, or redis:// without TLS")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        self._check_login()
        if self.stall_seconds < 3 * self.commit_interval_ms / 1000:
            raise ValueError("EWS_STALL_SECONDS must be at least three times EWS_COMMIT_INTERVAL_MS")
        if (self.ssl_cert_file is None) != (self.ssl_key_file is None):
            raise ValueError("mTLS needs both EWS_SSL_CERT_FILE and EWS_SSL_KEY_FILE")
        if self.security_protocol.endswith("SSL"):
            self._ssl_context()
        return self

    def _check_login(self) -> None:
        sasl = self.security_protocol.startswith("SASL")
        command = (self.sasl_oauth_token_command or "").strip()
        sources = [source for source in (self.sasl_oauth_token_file, command) if source]
        if sources and not self._by_token:
            raise ValueError(
                "EWS_SASL_OAUTH_TOKEN_FILE and EWS_SASL_OAUTH_TOKEN_COMMAND need EWS_SECURITY_PROTOCOL=SASL_SSL and "
                "EWS_SASL_MECHANISM=OAUTHBEARER"
            )
        if self._by_token:
            if len(sources) != 1:
                raise ValueError("OAUTHBEARER needs one of EWS_SASL_OAUTH_TOKEN_FILE and EWS_SASL_OAUTH_TOKEN_COMMAND, not both")
            try:
                _ = self._tokens
            except ValueError:
                raise ValueError("EWS_SASL_OAUTH_TOKEN_COMMAND cannot be read: its quotes are not closed") from None
        elif sasl and not (self.sasl_username and self.password()):
            raise ValueError("SASL needs EWS_SASL_USERNAME and EWS_SASL_PASSWORD_FILE (or EWS_SASL_PASSWORD)")

    @property
    def _by_token(self) -> bool:
        return self.security_protocol.startswith("SASL") and self.sasl_mechanism == "OAUTHBEARER"

    @cached_property
    def _tokens(self) -> Tokens:
        """One for all clients: they share what the command told."""
        return Tokens(self.sasl_oauth_token_file, self.sasl_oauth_token_command)

    def password(self) -> str | None:
        """The SASL password, from its file where one is named."""
        return _secret(self.sasl_password, self.sasl_password_file)

    def redis(self) -> dict[str, Any]:
        """Connection arguments for redis-py: where, as whom, and how the server is checked."""
        parts = urlsplit(self.redis_url)
        options: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 6379,
            "db": int(parts.path.strip("/") or 0),
            "username": unquote(parts.username) if parts.username else None,
            "password": _secret(self.redis_password, self.redis_password_file),
        }
        if parts.scheme == "rediss":
            options |= {"ssl": True, "ssl_check_hostname": True}
            if self.redis_ca_file is not None:
                options["ssl_ca_certs"] = str(self.redis_ca_file)
        return options

    def topic(self, name: str) -> str:
        """The physical name of a topic of the catalogue."""
        return self.topic_prefix + name

    @property
    def group(self) -> str:
        """The consumer group."""
        return self.topic_prefix + self.app

    def changelog(self, stage: str) -> str:
        """The physical name of a stage's changelog."""
        return f"{self.topic_prefix}{self.app}-{stage}-changelog"

    def aiokafka(self) -> dict[str, Any]:
        """Connection arguments for aiokafka's clients."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._ssl_context()
        if self._by_token:
            options |= {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": self._tokens.aiokafka()}
        elif self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.password(),
            }
        return options

    def librdkafka(self) -> dict[str, Any]:
        """Connection configuration for librdkafka's clients.

        Raises TokenError where a token is needed and cannot be had: the client itself would only wait for it in vain. It may wait
        for the command, so not within an event loop.
        """
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            # A broker that is away is told once, by us; librdkafka would say so twenty times a second.
            "log_level": 2,
        }
        for key, path in (
            ("ssl.ca.location", self.ssl_ca_file),
            ("ssl.certificate.location", self.ssl_cert_file),
            ("ssl.key.location", self.ssl_key_file),
        ):
            if path is not None:
                config[key] = str(path)
        if key_password := _secret(self.ssl_key_password, self.ssl_key_password_file):
            config["ssl.key.password"] = key_password
        if self._by_token:
            self._tokens.read()
            config |= {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": self._tokens.librdkafka}
        elif self.security_protocol.startswith("SASL"):
            config |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": self.password(),
            }
        return config

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context: ssl.SSLContext = create_ssl_context(
                cafile=self.ssl_ca_file,
                certfile=self.ssl_cert_file,
                keyfile=self.ssl_key_file,
                password=_secret(self.ssl_key_password, self.ssl_key_password_file),
            )
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                "EWS_SSL_CA_FILE, EWS_SSL_CERT_FILE, EWS_SSL_KEY_FILE or the key's password cannot be used: "
                f"{error.strerror or error}"
            ) from error
        return context


def _secret(value: SecretStr | None, path: Path | None) -> str | None:
    if path is not None:
        try:
            return path.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise ConfigurationError(f"the secret's file {path} cannot be read: {why}") from None
    return value.get_secret_value() if value is not None else None


def load(**overrides: Any) -> Settings:
    """Settings from the environment, with `overrides` (None means: not given) on top.

    Raises ConfigurationError that names each wrong variable and what it may be, never its value.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{ENV_PREFIX}{str(item['loc'][0]).upper() if item['loc'] else '*'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise ConfigurationError("settings are wrong:\n  " + "\n  ".join(lines)) from None
