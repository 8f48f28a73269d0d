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
MAX_EMBED_TEXTS: Final = Ceiling(
    2_048, "texts", "to embed in one request, as OpenAI has it; each is a call of its own to the engine"
)
MAX_EMBED_NUMBERS: Final = Ceiling(
    1 << 22, "numbers", "of all vectors of one answer: a thousand of 4,096 each, which take 80 MB as JSON"
)
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
MAX_BEARER_CHARACTERS: Final = Ceiling(512, "characters", "a key that somebody shows; ours have 60")
MAX_CLIENT_KEYS: Final = Ceiling(
    1_024, "keys", "of clients, those that have expired or were revoked included; each has its person or program"
)
MAX_CLIENT_KEYS_BYTES: Final = Ceiling(
    4 << 20, "bytes", "the file of clients' keys; as many as may be, of a few models each, have a quarter of it"
)
MAX_KEY_DAYS: Final = Ceiling(36_500, "days", "until a key expires; whoever wants longer wants for ever")

# Admission
MAX_REMEMBERED_TENANTS: Final = Ceiling(
    4_096, "tenants", "that ask nothing now, and whose turn is remembered until the others caught up"
)
MAX_OVERTAKEN: Final = Ceiling(
    16, "requests", "that go before one for which there is no room yet; then everybody waits for it"
)
MAX_RETRY_SECONDS: Final = Ceiling(600, "seconds", "that somebody is told to wait before asking again")

# Who asks, by certificates and tokens
MAX_CERTIFIED_CLIENTS: Final = Ceiling(1_024, "clients", "with a certificate; each is a table of the settings")
MAX_CERTIFICATE_NAMES: Final = Ceiling(
    100, "names", "of one client's certificate; each is looked up, and people use one"
)
MAX_JWT_CHARACTERS: Final = Ceiling(8_192, "characters", "a signed token; usual ones have 1,500")
MAX_JWT_VALUES: Final = Ceiling(1_024, "values", "of a token's claims; usual ones have 30")
MAX_JWT_SUBJECT_CHARACTERS: Final = Ceiling(255, "characters", "a token's subject, as OpenID Connect has it")
MAX_JWKS_KEYS: Final = Ceiling(64, "keys", "of one issuer; there are two or three, while they are changed")
MAX_JWKS_BYTES: Final = Ceiling(262_144, "bytes", "the keys of one issuer; usual ones have 4 KiB")
MAX_JWKS_VALUES: Final = Ceiling(4_096, "values", "in the keys of one issuer; usual ones have 50")
MAX_JWKS_KEY_BITS: Final = Ceiling(8_192, "bits", "an RSA key; checking a signature costs with its square")
MIN_JWKS_KEY_BITS: Final = Ceiling(2_048, "bits", "an RSA key, as RFC 7518 asks for; shorter ones can be broken")
MAX_JWKS_MS: Final = Ceiling(
    10_000, "milliseconds", "in which an issuer's address must have given all its keys; usual are 200"
)
MIN_JWKS_GAP_MS: Final = Ceiling(
    30_000, "milliseconds", "between two fetches of keys, whatever tokens come: nobody makes us ask more often"
)

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

# What tenants use
MAX_COUNTED_TENANTS: Final = Ceiling(
    4_096, "tenants", "that ask within one day; each takes 40 KiB at most, and more are told to come again"
)
MAX_SETTING_TENANTS: Final = Ceiling(1_024, "tenants", "with limits of their own in the file of settings")
MAX_TENANT_LIMIT: Final = Ceiling(1 << 50, "requests or tokens", "a limit of a tenant; beyond, there is none")
MAX_TENANT_PRIORITY: Final = Ceiling(100, "shares", "of a machine that several want; 10 is usual")
MAX_USAGE_DAYS: Final = Ceiling(
    400, "days", "for which it is known what each tenant used: a year, and to look at it"
)
MAX_USAGE_ROWS: Final = Ceiling(
    200_000, "rows", "of a day and a tenant each; beyond, the oldest go. They take 12 MB of the file"
)
MAX_USAGE_LINE_BYTES: Final = Ceiling(
    65_536, "bytes", "one line of the file; the longest that is written has 8 KiB"
)
MAX_JOURNAL_BYTES: Final = Ceiling(
    4 << 20, "bytes", "added to the file of usage before it is written anew; so much is read in a quarter second"
)
