"""The settings of the server: each with its default, its bounds and what it means. One table of all, for every use.

The file itself is `ostiary.toml`, as for limits; `settings_file.py` reads it, docs/reference/settings.md and
config.schema.json are made of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from ostiary.admission.tenants import NO_LIMITS, TenantTable
from ostiary.core.values import dataclass
from ostiary.gateway.credential_settings import NO_CREDENTIALS, CredentialSettings


class Kind(Enum):
    """How a setting is written."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    COUNT = "a whole number"
    FLAG = "true or false"
    SIZE = "a number with its unit, as in 8 MiB"
    TIME = "a number with its unit, as in 30 s"


@dataclass(frozen=True, slots=True)
class ServerSetting:
    """One name that the table [server] may have."""

    name: str
    kind: Kind
    default: object
    """In bytes and seconds where it is a size or a time. None: as the machine is."""
    meaning: str
    least: int = 0
    most: int = 0


SERVER_SETTINGS: Final = (
    ServerSetting("host", Kind.TEXT, "127.0.0.1", "the address to listen at; beyond loopback only with keys"),
    ServerSetting("port", Kind.COUNT, 8_151, "the port to listen at; 0 takes any that is free", 0, 65_535),
    ServerSetting(
        "grpc_port", Kind.COUNT, 0, "the port for gRPC, at the same address; 0: it is not offered", 0, 65_535
    ),
    ServerSetting(
        "hosts", Kind.TEXTS, (), "names that the Host header may have beside the address that is listened at"
    ),
    ServerSetting("origins", Kind.TEXTS, (), "web origins whose pages may ask (CORS), as https://app.example"),
    ServerSetting("keys", Kind.FLAG, True, "whether a request needs a key; false only on a loopback address"),
    ServerSetting("body", Kind.SIZE, 8 << 20, "the largest body of a request", 1 << 10, 1 << 30),
    ServerSetting(
        "tensor_body", Kind.SIZE, 72 << 20, "the largest body of a request that brings tensors", 1 << 10, 257 << 20
    ),
    ServerSetting("buffers", Kind.SIZE, 256 << 20, "all bodies that are being received together", 1 << 20, 1 << 40),
    ServerSetting("head_time", Kind.TIME, 10, "in which the head of a request must be there", 1, 3_600),
    ServerSetting("body_time", Kind.TIME, 60, "in which the body of a request must be there", 1, 86_400),
    ServerSetting("idle_time", Kind.TIME, 75, "after which a connection without a request is closed", 1, 86_400),
    ServerSetting("write_time", Kind.TIME, 30, "in which a client must take something of its answer", 1, 3_600),
    ServerSetting("drain_time", Kind.TIME, 30, "that requests have to end when the server is stopped", 0, 3_600),
    ServerSetting("connections", Kind.COUNT, 2_048, "connections at once", 1, 65_536),
    ServerSetting("requests", Kind.COUNT, 240, "requests at once; more are asked to come again", 1, 65_536),
    ServerSetting(
        "memory",
        Kind.SIZE,
        None,
        "that the limits of all models at work may come to together; where another needs room, the least recently "
        "used goes",
        1 << 28,
        1 << 50,
    ),
    ServerSetting("load_time", Kind.TIME, 60, "that a request waits for its model to be loaded", 1, 3_600),
    ServerSetting(
        "queue", Kind.COUNT, 512, "requests that wait for their turn with one model; half of one tenant", 2, 65_536
    ),
    ServerSetting("queue_time", Kind.TIME, 60, "that a request waits for its turn", 1, 3_600),
)


@dataclass(frozen=True, slots=True)
class Server:
    """How the server is to be. The fields are those of SERVER_SETTINGS; a test holds them together."""

    host: str = "127.0.0.1"
    port: int = 8_151
    grpc_port: int = 0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    keys: bool = True
    body: int = 8 << 20
    tensor_body: int = 72 << 20
    buffers: int = 256 << 20
    head_time: int = 10
    body_time: int = 60
    idle_time: int = 75
    write_time: int = 30
    drain_time: int = 30
    connections: int = 2_048
    requests: int = 240
    memory: int | None = None
    load_time: int = 60
    queue: int = 512
    queue_time: int = 60


@dataclass(frozen=True, slots=True)
class ModelSetting:
    """One name that a table [models.NAME] may have."""

    name: str
    kind: Kind
    meaning: str
    least: int = 0
    most: int = 0


MODEL_SETTINGS: Final = (
    ModelSetting("path", Kind.TEXT, "the model directory; where it is relative, from this file's directory"),
    ModelSetting("key", Kind.TEXTS, "public keys to believe, as PEM files; else the policy decides"),
    ModelSetting("policy", Kind.TEXT, "whom to believe, as a policy file"),
    ModelSetting("id", Kind.TEXT, "the model must be signed as this one"),
    ModelSetting("adapter", Kind.TEXT, "the folder of the model that holds the adapter to use"),
    ModelSetting("context_tokens", Kind.COUNT, "at most so many tokens of prompt and answer", 1, (1 << 31) - 1),
    ModelSetting("load", Kind.TEXT, "`start` (as by default) or `demand`: loaded when somebody first asks it"),
    ModelSetting("workers", Kind.COUNT, "processes that share its work, each with memory of its own (1)", 1, 64),
)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model to serve, as the file of settings names it."""

    path: Path
    key: tuple[Path, ...] = ()
    policy: Path | None = None
    id: str | None = None
    adapter: str | None = None
    context_tokens: int | None = None
    load: str = "start"
    workers: int = 1


@dataclass(frozen=True, slots=True)
class ServerFile:
    """What the file of settings says of the server and its models."""

    server: Server
    said: frozenset[str]
    """The settings of the server that stand in the file."""
    models: Mapping[str, ModelEntry]
    credentials: CredentialSettings = NO_CREDENTIALS
    tenants: TenantTable = NO_LIMITS


NO_SERVER_FILE: Final = ServerFile(Server(), frozenset(), {})
