"""Ceilings of requests and of the doors that they come through. `limits.py` has them, too: import from there."""

from __future__ import annotations

from typing import Final

from ostiary.core.ceiling import Ceiling

# Forms that answers are held to, and calls of tools
MAX_SCHEMA_VALUES: Final = Ceiling(16_384, "values", "schemas that people publish have a few thousand")
MAX_SCHEMA_CHARACTERS: Final = Ceiling(262_144, "characters", "names, patterns and allowed values of a schema")
MAX_SCHEMA_DEPTH: Final = Ceiling(
    64, "steps", "from the whole to a value in it: two for each object in an object; other servers take ten objects"
)
MAX_SCHEMA_PROPERTIES: Final = Ceiling(
    1_024, "schemas", "with a name; a thousand take a tenth of a second to make a grammar of"
)
MAX_SCHEMA_COUNT: Final = Ceiling(65_536, "items", "or characters, that a schema may count to")
MAX_SCHEMA_MULTIPLE: Final = Ceiling(
    5_000, "remainders", "of multipleOf; each is a state, and so many take 25 milliseconds to list"
)
MAX_PATTERN_CHARACTERS: Final = Ceiling(1_024, "characters", "one pattern of a schema; people write below 200")
MAX_VECTOR_NUMBERS: Final = Ceiling(65_536, "numbers", "of the vector of a text; networks have 16,384 at most")
MAX_EMBED_TEXTS: Final = Ceiling(256, "texts", "to embed in one request; each is a call of its own to the engine")
MAX_TOOLS: Final = Ceiling(128, "tools", "of one request, as other servers have it")
MAX_TOOL_NAME_CHARACTERS: Final = Ceiling(64, "characters", "as other servers have it")
MAX_TOOL_CALLS: Final = Ceiling(128, "calls", "of tools, in one answer; people see a handful")
MAX_TOOL_CALL_CHARACTERS: Final = Ceiling(
    262_144, "characters", "one call of a tool; beyond, it is text like any other"
)

# The HTTP door
MAX_BODY_VALUES: Final = Ceiling(
    270_336, "values", "of one JSON body: a prompt of as many token ids as may be, and the rest of a request"
)
MAX_REQUEST_LINE_BYTES: Final = Ceiling(8_192, "bytes", "method, address and version; ours stay below 300")
MAX_HEADER_BYTES: Final = Ceiling(16_384, "bytes", "all header lines of a request together, as others have it")
MAX_HEADERS: Final = Ceiling(64, "headers", "of one request; clients and two proxies send 30")
MAX_CHUNK_LINE_BYTES: Final = Ceiling(16, "bytes", "a chunk's size in hexadecimal; extensions are refused")
MAX_PATH_PART_CHARACTERS: Final = Ceiling(256, "characters", "a named part of an address, such as a model's name")
MAX_REQUEST_ID_CHARACTERS: Final = Ceiling(128, "characters", "of an id that a client gives its request")
MAX_TENSORS_AT_ONCE: Final = Ceiling(
    1_024, "tensors", "inputs or outputs that one request names; functions have a few"
)
MAX_SERVED_MODELS: Final = Ceiling(64, "models", "of one server; each is a process")
MAX_SERVED_NAME_CHARACTERS: Final = Ceiling(128, "characters", "a model's name in requests; hubs have 96")
MAX_PIPELINED_BYTES: Final = Ceiling(
    65_536, "bytes", "of next requests on one connection, before this one is answered; beyond, it is not read"
)
MAX_LINGER_MS: Final = Ceiling(
    2_000, "milliseconds", "how long a connection that was refused is listened to, so that the answer arrives"
)
MAX_LINGER_BYTES: Final = Ceiling(
    64 << 20, "bytes", "of a refused request that are looked away from, so that who sends it all first reads why"
)
MAX_SERVER_TEXT_CHARACTERS: Final = Ceiling(1_024, "characters", "one setting of the server: a path or a name")
MAX_BEARER_CHARACTERS: Final = Ceiling(512, "characters", "a key that somebody shows; ours have 51")

# contract.json
MAX_TERMS_BYTES: Final = Ceiling(
    65_536, "bytes", "a contract is read by people; one with every field there is has 4 KiB"
)
MAX_TERMS_VALUES: Final = Ceiling(4_096, "values", "one with every field there is has 300")
MAX_TERMS_TEXT_CHARACTERS: Final = Ceiling(200, "characters", "a model's name, or the name of a template option")
MAX_COMBINING_RUN: Final = Ceiling(
    30,
    "characters",
    "that combine with one before them, as Unicode's Stream-Safe Text Format has it: sorting costs",
)
