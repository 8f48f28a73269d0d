"""Ceilings of workers, and of what is said to and by them. `limits.py` has them, too: import from there."""

from __future__ import annotations

from typing import Final

from ostiary.core.ceiling import Ceiling

# Ends of workers, and the file of settings
MAX_KEPT_ENDS: Final = Ceiling(64, "ends", "of one model; quarantine comes long before, and needs the newest only")
MAX_ENDS_BYTES: Final = Ceiling(16_384, "bytes", "64 ends of 30 bytes each and a name take 3 KiB")
MAX_SETTINGS_BYTES: Final = Ceiling(
    262_144, "bytes", "settings are written by people; limits of 500 models fill 50 KiB"
)
MAX_SETTINGS_TEXT_CHARACTERS: Final = Ceiling(64, "characters", "one setting: a number and its unit")
MAX_LIMITED_PATTERNS: Final = Ceiling(512, "patterns", "each is held against every model that is opened")
MAX_MEMORY_REFUSALS: Final = Ceiling(
    100, "requests", "for more memory at once than a worker may have at all; each costs the cell 50 microseconds"
)

# Speaking with workers
MAX_FRAME_BODY_BYTES: Final = Ceiling(
    8 << 20,
    "bytes",
    "the JSON of one frame: a prompt that fills the longest usual context, as text, has under 1 MiB",
)
MAX_FRAME_VALUES: Final = Ceiling(
    327_680, "values", "the JSON of one frame: a prompt of the most token ids, and tools; half a second of reading"
)
MAX_FRAME_TAIL_BYTES: Final = Ceiling(
    256 << 20, "bytes", "the tensors of one call or answer, or one small file of a model; those have 64 MiB at most"
)
MAX_LENT_BYTES: Final = Ceiling(
    256 << 20, "bytes", "of calls, and as many of answers, in memory that one worker is lent: the data of a frame"
)
MAX_LENT_IDLE_MS: Final = Ceiling(
    10_000, "milliseconds", "pages that are lent stay in memory without a large call; fresh ones take 2 us each"
)
MAX_REPLY_BODY_BYTES: Final = Ceiling(
    4 << 20, "bytes", "the JSON of one piece or result: the text of the longest usual answer has under 1 MiB"
)
MAX_ANSWER_BODY_BYTES: Final = Ceiling(
    256 << 20, "bytes", "the JSON of all pieces of one call: a token with twenty alternatives has 2 KiB"
)
MAX_CALLS_IN_FLIGHT: Final = Ceiling(256, "calls", "to one worker at once; batching gains nothing beyond")
MAX_FAILURES_BEFORE_REST: Final = Ceiling(
    16, "failures", "of one worker; each leaves a task behind in MLX, so another takes over once it has no calls"
)
MAX_FAILURES_OF_A_WORKER: Final = Ceiling(
    40, "failures", "of one worker that is asked all the time; after some sixty, MLX waits for ever"
)
MAX_UNREAD_REPLY_BYTES: Final = Ceiling(
    64 << 20, "bytes", "answers of one worker that the application did not take yet; beyond, the worker has to wait"
)
MAX_USAGE_FRAMES: Final = Ceiling(
    2_000, "frames", "reports of one worker at once, 20 more each second; honest ones send ten a second"
)
MAX_READING_MS: Final = Ceiling(
    2_000, "milliseconds", "of our time for what one worker says, 250 more each second; a piece takes 0.02"
)
MAX_UNSENT_BYTES: Final = Ceiling(
    64 << 20, "bytes", "calls that one worker did not take yet; beyond, the caller has to wait"
)
MAX_PREPARE_MS: Final = Ceiling(
    60_000, "milliseconds", "how long a fork server may take to import an engine; a cold disk takes ten seconds"
)
MAX_IDLE_FORK_SERVERS: Final = Ceiling(2, "processes", "without a worker; each has a whole engine in memory")
MAX_FORK_MS: Final = Ceiling(
    10_000, "milliseconds", "how long a worker may take from its fork to its wall; 20 are usual"
)
MAX_LAST_WORDS_MS: Final = Ceiling(
    1_000, "milliseconds", "how long an ended worker's exit status is waited for; 5 are usual"
)
MAX_IDLE_CPU_MS: Final = Ceiling(
    500, "milliseconds", "of each thread of a worker that nobody asked anything; some libraries wait so for 200"
)
MAX_STOPPED_MS: Final = Ceiling(
    5_000, "milliseconds", "how long a worker may be stopped before it is ended, and another answers instead"
)
CANCEL_GRACE_MS: Final = Ceiling(
    2_000, "milliseconds", "how long a worker may take to let go of a call whose time is over, before it is ended"
)

# Calls to the language engine
MAX_CALL_CHOICES: Final = Ceiling(16, "answers", "to one prompt; each takes a place in the batch")
MAX_CALL_LOGPROBS: Final = Ceiling(20, "tokens", "told with each token of an answer, as other servers have it")
MAX_CALL_MESSAGES: Final = Ceiling(
    4_096, "entries", "messages, parts, tools or documents; long chats have hundreds"
)
MAX_LOGIT_BIASES: Final = Ceiling(1_024, "entries", "other servers take 300; each costs a write for each token")
MAX_PENALTY_CONTEXT: Final = Ceiling(65_536, "tokens", "how far penalties look back; 20 are usual")
MAX_STOP_TEXTS: Final = Ceiling(16, "texts", "other servers take 4; each is looked for in every piece of an answer")
MAX_STOP_CHARACTERS: Final = Ceiling(
    256, "characters", "as much of an answer may be held back, to see what follows"
)
MAX_TENANT_CHARACTERS: Final = Ceiling(128, "characters", "a word that the application knows its customer by")

# Requests and answers
MAX_REQUEST_CHARACTERS: Final = Ceiling(
    1 << 20, "characters", "all texts of a request together; the longest usual context has half as many"
)
MAX_REQUEST_TOKENS: Final = Ceiling(
    262_144, "tokens", "a prompt that is given as token ids; the longest usual context has 131,072"
)
MAX_REQUEST_VALUES: Final = Ceiling(65_536, "values", "tools, documents and options of a request, as JSON")
MAX_REQUEST_DEPTH: Final = Ceiling(32, "levels", "tools, documents and options; JSON Schemas of tools have ten")
MAX_ANSWER_CHARACTERS: Final = Ceiling(
    16 << 20, "characters", "the text of one answer; with 131,072 tokens it has half a million"
)
MAX_TOKEN_BYTES: Final = Ceiling(
    16_384, "bytes", "of one token, told with its log-probability: the longest word that a vocabulary may have"
)

# Inputs that an application has checked
MAX_INPUT_DEPTH: Final = Ceiling(
    32, "levels", "lists in lists; MLX ends the process on deep ones, and no array has more"
)
MAX_INPUT_ITEMS: Final = Ceiling(1 << 22, "items", "of lists, looked at one by one; longer ones are arrays already")
