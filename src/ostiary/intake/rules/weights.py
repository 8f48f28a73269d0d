"""What is looked for in weight files: safetensors, GGUF, npy, npz and `.mlxfn`. Their tensors: tensors.py."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_CARRIES_CODE,
    INTAKE_DUPLICATE_NAME,
    INTAKE_MALFORMED,
    INTAKE_PATH_ESCAPE,
    INTAKE_TOO_LARGE,
    INTAKE_UNSAFE_FORMAT,
)


def _malformed(rule_id: str, title: str, harm: str, severity: Severity = Severity.HIGH) -> Rule:
    return Rule(rule_id, severity, INTAKE_MALFORMED, title, harm)


def _too_large(rule_id: str, title: str, harm: str) -> Rule:
    return Rule(rule_id, Severity.MEDIUM, INTAKE_TOO_LARGE, title, harm)


# safetensors
ST_TRUNCATED: Final = _malformed(
    "safetensors.truncated",
    "Safetensors file that ends before its header does",
    "Readers would wait for, or make up, bytes that are not there.",
    Severity.MEDIUM,
)
ST_HEADER_TOO_LARGE: Final = _too_large(
    "safetensors.header-too-large",
    "Safetensors header that is too long",
    "The whole header is held and parsed in memory before any check of it is possible.",
)
ST_HEADER_START: Final = _malformed(
    "safetensors.header-start",
    "Safetensors header that does not begin with '{'",
    "Strict and lenient readers see different files, so what was checked is not what is loaded.",
)
ST_HEADER_END: Final = _malformed(
    "safetensors.header-end",
    "Safetensors header that does not end with '}' and spaces",
    "Bytes after the header's JSON are seen by some readers and not by others.",
)
ST_ENTRY: Final = _malformed(
    "safetensors.entry",
    "Tensor entry without exactly dtype, shape and data_offsets",
    "Readers that skip what they do not know load something else than readers that do not.",
)
ST_DTYPE: Final = _malformed(
    "safetensors.dtype",
    "Unknown tensor type",
    "The size of its elements cannot be checked against the bytes that are there.",
)
ST_DTYPE_UNSUPPORTED: Final = Rule(
    "safetensors.dtype-unsupported",
    Severity.LOW,
    INTAKE_UNSAFE_FORMAT,
    "Tensor type that MLX does not read",
    "MLX stops with an error while loading; the model cannot run.",
)
ST_OFFSETS: Final = _malformed(
    "safetensors.offsets",
    "Data offsets that are not two ordered positions",
    "MLX adds them to the header's length without a check; a wrapped one returns the header as weights.",
)
ST_SIZE: Final = _malformed(
    "safetensors.size",
    "Tensor whose bytes do not fit its shape",
    "A reader that trusts the shape reads past the tensor, one that trusts the offsets reads other values.",
)
ST_PAST_END: Final = _malformed(
    "safetensors.past-end",
    "Tensor that reaches past the end of the file",
    "A lazy reader fails in the middle of inference, or returns memory that was never written.",
)
ST_OVERLAP: Final = _malformed(
    "safetensors.overlap",
    "Two tensors that share bytes",
    "Changing one weight changes another; the format forbids it and MLX does not check.",
)
ST_GAP: Final = _malformed(
    "safetensors.gap",
    "Bytes between tensors that belong to none",
    "Anything can be hidden there; it is signed and shipped, and never looked at.",
)
ST_TRAILING: Final = _malformed(
    "safetensors.trailing-bytes",
    "Bytes after the last tensor",
    "The file can be a second thing at once, such as a zip archive or a pickle.",
)
ST_METADATA: Final = _malformed(
    "safetensors.metadata",
    "Metadata that is not an object of strings",
    "Readers convert other values differently or fail on them.",
    Severity.MEDIUM,
)
ST_METADATA_TOO_LARGE: Final = _too_large(
    "safetensors.metadata-too-large",
    "Too much metadata",
    "It is held in memory and often printed whole.",
)
ST_METADATA_INVISIBLE: Final = Rule(
    "safetensors.metadata-invisible",
    Severity.LOW,
    None,
    "Metadata with characters that cannot be seen",
    "Printed raw, it can command a terminal or show something else than it says.",
)
ST_EMPTY: Final = Rule(
    "safetensors.empty",
    Severity.LOW,
    None,
    "Safetensors file without tensors",
    "It adds nothing to the model; a reader may take the missing weights for zeros.",
)
ST_RAW_BYTES: Final = Rule(
    "safetensors.raw-bytes",
    Severity.INFO,
    None,
    "8-bit floats that MLX reads as plain bytes",
    "MLX loads them as unsigned integers; code that does not convert them computes with wrong weights.",
)

# GGUF
GGUF_MAGIC: Final = _malformed(
    "gguf.magic", "Not a GGUF file", "MLX chooses this reader by the file's name alone.", Severity.LOW
)
GGUF_VERSION: Final = _malformed(
    "gguf.version",
    "GGUF version that is not 2 or 3",
    "Older and byte-swapped files have other field sizes, which MLX reads as if they were current.",
)
GGUF_TRUNCATED: Final = _malformed(
    "gguf.truncated",
    "GGUF header with a length or count past the end of the file",
    "MLX follows lengths and counts without a check and reads outside its memory.",
    Severity.CRITICAL,
)
GGUF_HEADER_TOO_LARGE: Final = _too_large(
    "gguf.header-too-large",
    "GGUF header that is too long",
    "The header is copied into memory entry by entry before any weight is used.",
)
GGUF_KEY: Final = _malformed(
    "gguf.key",
    "GGUF metadata key that is empty, too long or not plain text",
    "Keys choose how the rest is read, and are printed.",
    Severity.MEDIUM,
)
GGUF_DUPLICATE: Final = Rule(
    "gguf.duplicate-name",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "Two GGUF entries with the same name",
    "Readers keep the first or the last of them.",
)
GGUF_DERIVED_NAME: Final = Rule(
    "gguf.derived-name",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "GGUF tensor named like one that MLX makes up",
    "MLX unpacks a quantized tensor into weight, scales and biases; one of those names is already taken.",
)
GGUF_VALUE: Final = _malformed(
    "gguf.value",
    "GGUF metadata value of an unknown or impossible type",
    "MLX skips the wrong number of bytes and reads the rest of the header out of step.",
)
GGUF_FLOAT64_ARRAY: Final = Rule(
    "gguf.float64-array",
    Severity.CRITICAL,
    INTAKE_UNSAFE_FORMAT,
    "GGUF array of 64-bit floats",
    "It is legal, but MLX moves on by half its length, reads out of step and crashes.",
)
GGUF_ALIGNMENT: Final = _malformed(
    "gguf.alignment",
    "GGUF alignment that is not a power of two from 8 to 65,536",
    "Readers round differently and place the tensors at different bytes.",
)
GGUF_TYPE: Final = _malformed(
    "gguf.type",
    "Unknown or withdrawn GGUF tensor type",
    "MLX divides by zero on withdrawn types, and drops every tensor after an unknown one.",
)
GGUF_BLOCKS: Final = _malformed(
    "gguf.blocks",
    "Quantized GGUF tensor whose rows are not whole blocks",
    "Unpacking writes past the end of the array that was made for it.",
)
GGUF_LAYOUT: Final = _malformed(
    "gguf.layout",
    "GGUF tensor outside the data section, misaligned or with a gap",
    "MLX returns other bytes of the file, or of its memory, as weights.",
)
GGUF_OVERLAP: Final = _malformed(
    "gguf.overlap", "Two GGUF tensors that share bytes", "Changing one weight changes another."
)
GGUF_TRAILING: Final = _malformed(
    "gguf.trailing-bytes",
    "Bytes after the last GGUF tensor that are no padding",
    "The file can be a second thing at once, such as a zip archive.",
)
GGUF_TEMPLATE: Final = Rule(
    "gguf.chat-template",
    Severity.LOW,
    None,
    "Chat template inside a GGUF file",
    "The template is a program that runs on every conversation; it travels with the weights unseen.",
)

# npy
NPY_MAGIC: Final = _malformed(
    "npy.magic", "Not a NumPy array file", "MLX chooses this reader by the file's name alone.", Severity.LOW
)
NPY_TRUNCATED: Final = _malformed(
    "npy.truncated",
    "NumPy array file that ends before its header does",
    "MLX allocates what the header's length claims, up to 4 GiB for a file of 12 bytes.",
)
NPY_HEADER_TOO_LARGE: Final = _too_large(
    "npy.header-too-large",
    "NumPy array header that is too long",
    "MLX allocates what the header's length claims before it reads it.",
)
NPY_HEADER: Final = _malformed(
    "npy.header",
    "NumPy array header that is not in the written form",
    "MLX reads it at fixed positions and NumPy as a Python literal, so they see different arrays.",
)
NPY_EXPRESSION: Final = Rule(
    "npy.expression",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "NumPy array header with a Python expression",
    "A reader that evaluates the header runs it.",
)
NPY_PICKLE: Final = Rule(
    "npy.pickle",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "NumPy array of Python objects",
    "Its data is a pickle: loading it runs whatever program the pickle holds.",
)
NPY_DTYPE: Final = Rule(
    "npy.dtype",
    Severity.LOW,
    INTAKE_UNSAFE_FORMAT,
    "NumPy element type that MLX does not read",
    "MLX stops with an error while loading.",
)
NPY_SIZE: Final = _malformed(
    "npy.size",
    "NumPy array whose bytes do not fit its shape",
    "Too few and older MLX returns memory that was never written; too many and something is hidden.",
)

# npz
NPZ_STRUCTURE: Final = _malformed(
    "npz.structure",
    "NumPy archive that is not one well-formed zip from its first byte to its last",
    "Zip readers repair damage differently, so two of them see different arrays in one file.",
)
NPZ_PREFIX: Final = _malformed(
    "npz.hidden-bytes",
    "NumPy archive with bytes that belong to no member",
    "The file can be a second thing at once, such as a script in front of the archive.",
)
NPZ_OVERLAP: Final = _malformed(
    "npz.overlap",
    "NumPy archive whose members share bytes",
    "One compressed block counted many times inflates a small file to terabytes.",
)
NPZ_LOCAL_HEADER: Final = _malformed(
    "npz.local-header",
    "NumPy archive whose two records of a member disagree",
    "A reader that streams sees another member than one that reads the directory.",
)
NPZ_ENCRYPTED: Final = Rule(
    "npz.encrypted",
    Severity.MEDIUM,
    INTAKE_UNSAFE_FORMAT,
    "Encrypted member in a NumPy archive",
    "It cannot be looked at.",
)
NPZ_FEATURE: Final = Rule(
    "npz.feature",
    Severity.MEDIUM,
    INTAKE_UNSAFE_FORMAT,
    "Zip feature that NumPy does not write",
    "Readers support it differently: other compressions, data descriptors, links, extra fields, comments.",
)
NPZ_DUPLICATE: Final = Rule(
    "npz.duplicate-name",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "Two members of a NumPy archive with the same name",
    "Readers keep the first or the last of them.",
)
NPZ_MEMBER_PATH: Final = Rule(
    "npz.member-path",
    Severity.CRITICAL,
    INTAKE_PATH_ESCAPE,
    "Member of a NumPy archive that climbs out",
    "Unpacking the archive writes outside the chosen directory.",
)
NPZ_NOT_ARRAY: Final = Rule(
    "npz.not-an-array",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Member of a NumPy archive that is not an array",
    "NumPy hands other members out as raw bytes; archives can be nested without end.",
)
NPZ_TOO_LARGE: Final = _too_large(
    "npz.too-large",
    "NumPy archive with too many members",
    "Each member costs every reader memory and time before any weight is used.",
)
NPZ_BOMB: Final = _too_large(
    "npz.bomb",
    "Member of a NumPy archive that inflates too far",
    "A small file fills memory or disk when it is read.",
)

# .mlxfn
FN_TRUNCATED: Final = _malformed(
    "mlxfn.truncated",
    "Exported function with a length or count past the end of the file",
    "MLX follows it: a shape length past the end overflows the heap while importing.",
    Severity.CRITICAL,
)
FN_VERSION: Final = _malformed(
    "mlxfn.version", "Not an exported MLX function", "Nothing else in the file can be trusted to be in its place."
)
FN_TOO_LARGE: Final = _too_large(
    "mlxfn.too-large",
    "Exported function that is too large",
    "MLX reserves what the counts claim before it reads the graph.",
)
FN_COUNT: Final = _malformed(
    "mlxfn.count",
    "Exported function with counts that contradict each other",
    "MLX indexes one list by the other's length and reads past its end.",
    Severity.CRITICAL,
)
FN_DTYPE: Final = _malformed(
    "mlxfn.dtype",
    "Exported function with a type whose size is a lie",
    "MLX makes a buffer of the claimed size and writes elements of the real one: past its end.",
    Severity.CRITICAL,
)
FN_GRAPH: Final = _malformed(
    "mlxfn.graph",
    "Exported function whose graph is not connected",
    "It uses values that are not defined, or defines one twice.",
)
FN_OPERATION: Final = _malformed(
    "mlxfn.operation",
    "Operation whose inputs do not fit it",
    "MLX runs imported operations without checking them: it reads missing inputs or past arrays.",
    Severity.CRITICAL,
)
FN_UNKNOWN_OPERATION: Final = Rule(
    "mlxfn.unknown-operation",
    Severity.CRITICAL,
    INTAKE_UNSAFE_FORMAT,
    "Operation whose safety cannot be judged by looking",
    "Operations that index, slice or view memory read and write anywhere when their arguments are chosen for it.",
)
FN_SHAPELESS: Final = Rule(
    "mlxfn.shapeless",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Exported function without fixed sizes",
    "The sizes in the file say nothing about the arrays it will run on, so no operation in it can be judged.",
)
FN_KERNEL: Final = Rule(
    "mlxfn.kernel",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "GPU program inside an exported function",
    "The source text in the file is compiled and run on the GPU.",
)
FN_TRAILING: Final = _malformed(
    "mlxfn.trailing-bytes",
    "Bytes after the last function",
    "The file can be a second thing at once, such as a zip archive.",
)

RULES: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Rule))
