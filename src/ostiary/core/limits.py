"""Every ceiling of the house, with unit and reason. docs/reference/limits.md is generated from this file."""

from __future__ import annotations

from typing import Final

from ostiary.core.ceiling import Ceiling
from ostiary.core.cell_limits import *  # noqa: F403  one place to import from
from ostiary.core.request_limits import *  # noqa: F403

# What is printed
MAX_QUOTED_CHARACTERS: Final = Ceiling(
    120, "characters", "text from a model in a message: enough to recognise it, too little to flood a log"
)

# The tree
MAX_TREE_FILES: Final = Ceiling(
    4_096, "files", "the largest published models have a few hundred; each one costs a descriptor and a digest"
)
MAX_TREE_DEPTH: Final = Ceiling(8, "directories", "published models use two; deeper trees only cost")
MAX_NAME_BYTES: Final = Ceiling(255, "bytes", "what every common file system can hold, so a model can be copied")
MAX_PATH_BYTES: Final = Ceiling(1_024, "bytes", "macOS's own limit, so a model can be copied")
MAX_TREE_BYTES: Final = Ceiling(4 << 40, "bytes", "the largest published models are below 2 TiB")
MAX_HEAD_BYTES: Final = Ceiling(4_096, "bytes", "how much of a file is looked at to recognise its format")
MAX_TAIL_BYTES: Final = Ceiling(
    65_557, "bytes", "how much of a file's end is looked at: a zip's end record with its longest comment"
)
MAX_SEARCHED_BYTES: Final = Ceiling(
    1 << 20, "bytes", "how far a document or an unknown file is searched; a model card has below 100 KiB"
)
MAX_KEPT_BYTES: Final = Ceiling(
    256 << 20, "bytes", "what all files together may keep in memory to be parsed; published models need 60 MiB"
)
MAX_FINDINGS: Final = Ceiling(1_000, "findings", "a person reads no more; past it the list is cut and says so")

# JSON
MAX_JSON_BYTES: Final = Ceiling(
    64 << 20,
    "bytes",
    "the largest published tokenizer.json is half of it; a parsed text takes many times its size in memory",
)
MAX_CONFIG_BYTES: Final = Ceiling(
    1 << 20, "bytes", "published configurations stay below 200 KiB, also with one quantization entry per layer"
)
MAX_JSON_DEPTH: Final = Ceiling(
    64, "levels", "published files use eight; a parser that recurses must not choose when to stop"
)
MAX_JSON_VALUES: Final = Ceiling(
    4 << 20,
    "values",
    "the largest published tokenizer.json has two million; each one costs memory many times its text",
)
MAX_JSON_NUMBER_CHARACTERS: Final = Ceiling(
    64, "characters", "a double needs 25 at most; converting longer ones costs more than linear time"
)

# Weight files
MAX_SAFETENSORS_HEADER_BYTES: Final = Ceiling(
    16 << 20, "bytes", "the largest published headers are below 1 MiB; parsing takes ten times the header in memory"
)
MAX_TENSORS_PER_FILE: Final = Ceiling(
    131_072, "tensors", "the largest published models have 92,000 in all, over many files"
)
MAX_TENSOR_DIMENSIONS: Final = Ceiling(8, "dimensions", "weights use at most 5")
MAX_DIMENSION: Final = Ceiling((1 << 31) - 1, "elements", "MLX keeps sizes as signed 32-bit integers")
MAX_TENSOR_BYTES: Final = Ceiling((1 << 63) - 1, "bytes", "MLX keeps strides and offsets as signed 64-bit integers")
MAX_TENSOR_NAME_CHARACTERS: Final = Ceiling(512, "characters", "published names stay below 200")
MAX_TENSOR_NAME_PARTS: Final = Ceiling(32, "parts", "names are walked recursively; published ones stay below 16")
MAX_TENSOR_NAME_INDEX: Final = Ceiling(
    16_383, "positions", "MLX builds a list this long; published models number up to a few hundred experts"
)
MAX_TENSOR_LIST_SLOTS: Final = Ceiling(
    1 << 20, "positions", "what all lists built from the names of one file may hold together"
)
MAX_UNUSUAL_NAME_CHARACTERS: Final = Ceiling(
    65_536, "characters", "all names of one file that are not plain ASCII together; published names are ASCII"
)
MAX_METADATA_ENTRIES: Final = Ceiling(4_096, "entries", "published files have below 100")
MAX_METADATA_KEY_CHARACTERS: Final = Ceiling(512, "characters", "a key is a short word")
MAX_METADATA_VALUE_CHARACTERS: Final = Ceiling(4 << 20, "characters", "training notes of adapters reach 1 MiB")
MAX_GGUF_HEADER_BYTES: Final = Ceiling(
    64 << 20, "bytes", "a header holds the vocabulary and its merges; the largest published ones reach 20 MiB"
)
MAX_GGUF_METADATA_ENTRIES: Final = Ceiling(4_096, "entries", "published files have below 100")
MAX_GGUF_KEY_BYTES: Final = Ceiling(512, "bytes", "published keys stay below 100; the format would allow 65,535")
MAX_GGUF_ARRAY_STRINGS: Final = Ceiling(
    2 << 20, "strings", "all arrays of one header: a vocabulary of 260,000 and its merges stay below half"
)
MAX_GGUF_DIMENSIONS: Final = Ceiling(4, "dimensions", "the format's own limit")
MAX_GGUF_ALIGNMENT_BYTES: Final = Ceiling(65_536, "bytes", "published files use 32; more than a page is useless")
MAX_NPY_HEADER_BYTES: Final = Ceiling(4_096, "bytes", "NumPy writes 118 for the arrays that MLX reads")
MAX_NPZ_MEMBERS: Final = Ceiling(65_536, "members", "as many as a zip without extensions can list")
MAX_NPZ_DIRECTORY_BYTES: Final = Ceiling(16 << 20, "bytes", "65,536 entries with names of 200 bytes")
MAX_NPZ_INFLATION: Final = Ceiling(100, "times", "weights deflate to a half at best, masks to a fiftieth")
MAX_NPZ_UNCHECKED_INFLATION_BYTES: Final = Ceiling(
    1 << 20, "bytes", "below this a member may inflate as far as deflate can: small arrays of zeros are honest"
)
MAX_NPZ_HEAD_INPUT_BYTES: Final = Ceiling(
    65_536, "bytes", "compressed bytes read to see a member's array header, which needs a few hundred"
)
MAX_MLXFN_BYTES: Final = Ceiling(
    256 << 20, "bytes", "constants lie between the steps of the graph, so the whole file is walked"
)
MAX_MLXFN_FUNCTIONS: Final = Ceiling(1_024, "functions", "one per signature that was exported")
MAX_MLXFN_STEPS: Final = Ceiling(131_072, "steps", "a large language model's graph has some ten thousand")
MAX_MLXFN_LIST_ITEMS: Final = Ceiling(
    524_288, "items", "inputs, outputs and keywords of all functions and steps of one file together"
)

# The record
MAX_ENTRY_BYTES: Final = Ceiling(
    16_384, "bytes", "one entry of the record; C2SP tiles hold 65,535, and an event is a few hundred"
)
MAX_EVENT_TEXT_CHARACTERS: Final = Ceiling(
    2_048, "characters", "one text of an event: a post-quantum key has 1,800, a path 1,024; more is cut and says so"
)
MAX_EVENT_COUNTS: Final = Ceiling(
    200, "names", "how many names one table of counts in an event holds; the rest is counted as `other`"
)
MAX_OFFERED_EVENTS: Final = Ceiling(
    4_096, "events", "merely useful events waiting to be recorded, about 2 MiB; past it they are dropped"
)
MAX_RECORD_WAIT_MS: Final = Ceiling(
    10_000, "milliseconds", "how long a writer waits for other programs; a commit takes about one"
)
MAX_CHECKPOINT_BYTES: Final = Ceiling(
    65_536, "bytes", "a checkpoint with 16 signatures of the largest kind, as C2SP asks verifiers to accept"
)
MAX_CHECKPOINT_GAP: Final = Ceiling(
    10_000, "entries", "how many entries may follow the last signed checkpoint while the record is open"
)
MAX_HOOK_MS: Final = Ceiling(10_000, "milliseconds", "how long a checkpoint hook or a signing command may take")
MAX_PROOF_BYTES: Final = Ceiling(131_072, "bytes", "a proof has at most 63 hashes and one checkpoint")
MAX_GIVEN_FILE_BYTES: Final = Ceiling(
    1_048_576, "bytes", "a proof, a checkpoint, a list of keys or an entry that is named on the command line"
)
MAX_KEY_FILE_BYTES: Final = Ceiling(16_384, "bytes", "two private keys and their names are below 1 KiB")

# Tokenizers
MAX_VOCABULARY: Final = Ceiling(
    2_000_000, "tokens", "the largest published vocabularies stay below 1.1 million; each token costs memory"
)
MAX_TOKEN_ID: Final = Ceiling(
    2**31 - 1, "token id", "ids become signed 32-bit integers on their way into the embedding"
)
MAX_TOKEN_CHARACTERS: Final = Ceiling(
    4_096, "characters", "the longest published tokens are runs of a few hundred spaces or dashes"
)
MAX_TOKENIZER_FILES: Final = Ceiling(
    16,
    "files",
    "tokenizer.json in all folders of one model; published models have one for each part, at most three",
)
MAX_TOKENIZER_MERGES: Final = Ceiling(
    4_000_000, "merges", "the largest published tokenizers have 0.6 million; each one costs a table entry"
)
MAX_TOKENIZER_PARTS: Final = Ceiling(
    64, "parts", "published tokenizers chain five; each one is a pass over the text"
)
MAX_TOKENIZER_DEPTH: Final = Ceiling(
    4, "levels", "published tokenizers nest one sequence; the native loader recurses"
)
MAX_PADDED_TOKENS: Final = Ceiling(
    131_072, "tokens", "published ones pad to 512 at most; every padded token costs 100 bytes per text"
)
MAX_TEXT_GROWTH: Final = Ceiling(
    64, "times", "what replacements may multiply a text by; published ones replace one character by at most two"
)
MAX_TEMPLATE_PIECES: Final = Ceiling(
    256, "pieces", "published post-processors add at most a handful of special tokens to a text"
)
MAX_WORD_CHARACTERS: Final = Ceiling(
    4_096, "characters", "WordPiece takes quadratic time in the longest word it tries; published ones say 100"
)
MAX_REGEX_CHARACTERS: Final = Ceiling(
    8_192, "characters", "the longest published pre-tokenizer pattern has under 4,000"
)
MAX_TOKENIZER_REGEX_CHARACTERS: Final = Ceiling(
    32_768, "characters", "all patterns of one tokenizer: published ones have under 6,000; each is parsed twice"
)
MAX_REGEX_DEPTH: Final = Ceiling(
    32, "groups", "published patterns nest three; a parser that recurses needs a bound"
)
MAX_REGEX_REPEATS: Final = Ceiling(
    1_000, "repetitions", "a counted repetition is expanded in memory; published patterns count to three"
)
MAX_CHARSMAP_BYTES: Final = Ceiling(
    8 << 20, "bytes", "the largest published character map (nmt_nfkc_cf) has under 400 KiB"
)
MAX_CHARSMAP_REPLACEMENT_BYTES: Final = Ceiling(
    256, "bytes", "what one character may become; Unicode's longest compatibility form has 33"
)
MAX_VOCABULARY_FILE_BYTES: Final = Ceiling(
    64 << 20, "bytes", "published vocabulary, merge and SentencePiece files stay below 20 MiB"
)

# Code and other passengers
MAX_PICKLE_BYTES: Final = Ceiling(
    8 << 20, "bytes", "how far a pickle is walked to name its imports; it is refused whatever lies beyond"
)
MAX_PICKLE_OPS: Final = Ceiling(
    250_000,
    "instructions",
    "a published checkpoint of 1,000 tensors has 60,000; the walk takes a quarter of a second",
)
MAX_PICKLE_IMPORTS: Final = Ceiling(64, "imports", "honest checkpoints name fewer than ten; more only fill a list")
MAX_PICKLES_IN_ARCHIVE: Final = Ceiling(4, "pickles", "PyTorch writes at most three into one archive")
MAX_SIGNATURE_BYTES: Final = Ceiling(
    16 << 20, "bytes", "a signature over the most files a model may have fills 2 MiB"
)
MAX_LEFTOVER_BYTES: Final = Ceiling(
    1 << 20, "bytes", "what a file manager or a hub client leaves behind is a few KiB; more would hide something"
)

# Configuration
MAX_LAYERS: Final = Ceiling(
    1_024,
    "layers",
    "the deepest published models have below 200; a loader builds each one in Python before it looks on",
)
MAX_WIDTH: Final = Ceiling(
    1 << 20, "numbers", "the widest published layer has 65,536; two such widths make a matrix"
)
MAX_HEADS: Final = Ceiling(4_096, "heads", "published models have 256 at most")
MAX_HEAD_WIDTH: Final = Ceiling(1 << 14, "numbers", "published models have 1,024 at most")
MAX_EXPERTS: Final = Ceiling(1 << 14, "experts", "published models have 1,024 at most")
MAX_CONTEXT_TOKENS: Final = Ceiling((1 << 31) - 1, "tokens", "MLX counts positions in 32 bits")
USUAL_CONTEXT_TOKENS: Final = Ceiling(
    1 << 24, "tokens", "the longest published promise is ten million; more is told, not refused"
)
MAX_SMALL_COUNT: Final = Ceiling(
    1 << 20, "steps", "intervals, patch sizes and the like, all far below in published models"
)
MAX_BEAMS: Final = Ceiling(1_024, "sequences", "each one costs a whole cache; published models use ten at most")
MAX_ADAPTER_RANK: Final = Ceiling(8_192, "numbers", "published adapters have 512 at most")
MAX_ADAPTER_KEYS: Final = Ceiling(4_096, "names", "published adapters name a dozen kinds of layers, or each one")
MAX_MISSING_TENSORS: Final = Ceiling(
    1_000,
    "tensors",
    "when so many are missing the model is another one; a configuration alone can ask for millions",
)
MAX_LAYOUT_FINDINGS: Final = Ceiling(8, "findings", "a person reads no more about packed layers that do not fit")
MAX_CODE_FINDINGS: Final = Ceiling(32, "findings", "a person reads no more about one file")
MAX_TEMPLATES: Final = Ceiling(64, "templates", "published models name three at most")

# Trust
MAX_PEM_BYTES: Final = Ceiling(
    65_536, "bytes", "a certificate chain as PEM text has a few thousand, a key a few hundred"
)
MAX_SIGNATURE_FILES: Final = Ceiling(16, "files", "one per signer; a policy asks for a handful of signers at most")
MAX_STATEMENT_BYTES: Final = Ceiling(
    8 << 20, "bytes", "a line for each of the most files a model may have fills 2 MiB, with chunk trees 3"
)
MAX_STATEMENT_FILES: Final = Ceiling(4_096, "files", "as many as a model may have; see MAX_TREE_FILES")
MAX_BUNDLE_VALUES: Final = Ceiling(10_000, "values", "a keyless bundle has a hundred; each one costs memory")
MAX_STATEMENT_VALUES: Final = Ceiling(
    131_072, "values", "twelve for each of the most files a model may have, and as many findings again"
)
MAX_BUNDLE_CERTIFICATES: Final = Ceiling(
    8, "certificates", "published chains have three; each one costs a signature check"
)
MAX_LOG_ENTRIES: Final = Ceiling(4, "entries", "keyless bundles carry one entry of a transparency log")
MAX_MODEL_ID_CHARACTERS: Final = Ceiling(200, "characters", "owner and name of a hub have 96 each at most")
MAX_MODEL_VERSION_CHARACTERS: Final = Ceiling(64, "characters", "published versions have below 30")
MAX_CLAIMS: Final = Ceiling(64, "claims", "a publisher's free words on a model; more is a document, not a claim")
MAX_CLAIM_CHARACTERS: Final = Ceiling(1_024, "characters", "one claim's value: a sentence or a URL")
MAX_SIGNED_FINDINGS: Final = Ceiling(1_000, "findings", "as many as an examination lists")

# Files that people write
MAX_TOML_LINE_CHARACTERS: Final = Ceiling(4_096, "characters", "one line of a policy; nobody reads longer ones")
MAX_TOML_LINE_DOTS: Final = Ceiling(
    128, "dots", "the TOML reader takes quadratic time in the parts of a dotted key; a long list has several lines"
)
MAX_TOML_LIST_ITEMS: Final = Ceiling(256, "items", "one list of a rule: as many as a policy may have signers")

# Policy
MAX_POLICY_BYTES: Final = Ceiling(
    262_144, "bytes", "a policy is read by people; 200 signers with their keys and as many rules fill 150 KiB"
)
MAX_POLICY_SIGNERS: Final = Ceiling(256, "signers", "each one's key is tried against every signature of a model")
MAX_POLICY_RULES: Final = Ceiling(512, "rules", "each is held against every other, so that no two overlap unsaid")
MAX_REVOCATIONS: Final = Ceiling(1_024, "entries", "each takes some 150 bytes of the policy's ceiling")
MAX_POLICY_TEXT_CHARACTERS: Final = Ceiling(1_024, "characters", "an identity, an address, a reason or a directory")
MAX_SIGNER_NAME_CHARACTERS: Final = Ceiling(64, "characters", "a word that people call a signer by")

# Memory of versions
MAX_REMEMBERED_MODELS: Final = Ceiling(10_000, "models", "one line of 300 bytes each; a house serves a few hundred")
MAX_MEMORY_BYTES: Final = Ceiling(8 << 20, "bytes", "10,000 models with the longest ids and versions take 5 MiB")

# Distributed trust
MAX_TUF_ROOT_BYTES: Final = Ceiling(524_288, "bytes", "a root with 50 keys and signatures of the largest kind")
MAX_TUF_METADATA_BYTES: Final = Ceiling(
    1 << 20, "bytes", "timestamp, snapshot and targets of a repository with two small files"
)
MAX_TUF_ROOT_ROTATIONS: Final = Ceiling(256, "rotations", "how many new roots one update follows")
MAX_TUF_DELEGATIONS: Final = Ceiling(
    8, "roles", "how many roles are asked for one file; small repositories have one"
)
MAX_CHUNK_FILE_BYTES: Final = Ceiling(
    64 << 20, "bytes", "4,096 leaves for each of 300 large files; the largest published models have 200"
)
MAX_PASSPHRASE_BYTES: Final = Ceiling(4_096, "bytes", "one line that a person or a secret store gives")
MAX_SIGNER_MS: Final = Ceiling(
    120_000, "milliseconds", "how long a program or token that signs may take: somebody may have to touch it"
)

# Keyless signing
MAX_IDENTITY_TOKEN_BYTES: Final = Ceiling(
    16_384, "bytes", "an identity token; those of build services have below 2,000"
)
MAX_TOKEN_VALUES: Final = Ceiling(1_024, "values", "the claims of an identity token; build services state some 40")
MAX_SIGSTORE_CONFIG_BYTES: Final = Ceiling(
    524_288, "bytes", "a client trust configuration; the public instance's has 8,000"
)
MAX_SIGSTORE_CONFIG_VALUES: Final = Ceiling(8_192, "values", "the public instance's configuration has some 150")
MAX_SERVICE_ANSWER_BYTES: Final = Ceiling(
    262_144, "bytes", "a certificate chain, a log entry with its proof or a timestamp; each has some 10,000"
)
MAX_SERVICE_ANSWER_VALUES: Final = Ceiling(1_024, "values", "a log entry has a proof of at most 64 hashes")
MAX_SERVICE_MS: Final = Ceiling(
    60_000, "milliseconds", "one exchange with a service: a log answers when the entry is in it, within 20 seconds"
)

# Chat templates
MAX_TEMPLATE_CHARACTERS: Final = Ceiling(
    262_144, "characters", "the longest published template has under 60,000; compiling takes time in proportion"
)
MAX_MODEL_TEMPLATE_CHARACTERS: Final = Ceiling(
    524_288,
    "characters",
    "all templates of one model, several seconds of judging; published models have under 100,000",
)
MAX_TEMPLATE_DEPTH: Final = Ceiling(
    120, "levels", "published templates nest thirty; compilers recurse and have a stack"
)
MAX_TEMPLATE_ROUNDS: Final = Ceiling(
    1_000_000, "rounds", "what loops and calls with fixed bounds may add up to: about a second of work"
)
MAX_TEMPLATE_OUTPUT: Final = Ceiling(
    16 << 20, "characters", "fixed text that a template may build; the longest context holds less"
)
MAX_TEMPLATE_WIDTH: Final = Ceiling(
    10_000, "characters", "the widest padding or indentation; published templates indent by four"
)
MAX_TEMPLATE_GROWTH: Final = Ceiling(
    10_000, "times", "how often a template may repeat what it is given; published ones do it once or twice"
)
MAX_TEMPLATE_NUMBER_BITS: Final = Ceiling(
    4_096, "bits", "numbers in published templates fit 64; powers of powers never end"
)
MAX_TEMPLATE_RANGE: Final = Ceiling(
    100_000, "numbers", "the sandbox of jinja2 refuses longer ranges while rendering"
)
