"""The honest model with one thing wrong in its weights, the same in other formats, and honest look-alikes."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from attack_cases.base import ACCEPT, Case, model_files
from attack_cases.weight_files import (
    Member,
    deflate,
    fn_bytes,
    fn_constant,
    fn_function,
    fn_operation,
    fn_shape,
    gguf_array,
    gguf_bytes,
    gguf_entry,
    gguf_tensor,
    gguf_text,
    npy_bytes,
    raw_safetensors,
    split_safetensors,
    zip64_bytes,
    zip_bytes,
)

MALFORMED = "INTAKE_MALFORMED"
LARGE = "INTAKE_TOO_LARGE"
NAME = "INTAKE_UNSAFE_NAME"
DUPLICATE = "INTAKE_DUPLICATE_NAME"
FORMAT = "INTAKE_UNSAFE_FORMAT"
CODE = "INTAKE_CARRIES_CODE"
ESCAPE = "INTAKE_PATH_ESCAPE"

Header = dict[str, Any]
HONEST = model_files()["model.safetensors"]
NORM = "model.norm.weight"
EMBED = "model.embed_tokens.weight"
LAYER = "model.layers.0.input_layernorm.weight"


def _model(name: str, what: str, expect: str, weights: bytes, rule: str | None = None) -> Case:
    return Case(f"weights_{name}", what, expect, model_files(model__safetensors=weights), rule)


def _header(name: str, what: str, expect: str, rule: str | None, change: Callable[[Header], Header | None]) -> Case:
    """The honest weights after `change` of their header; the data stays."""
    header, data = split_safetensors(HONEST)
    return _model(name, what, expect, raw_safetensors(change(header) or header, data), rule)


def _text(name: str, what: str, expect: str, rule: str | None, change: Callable[[bytes], bytes]) -> Case:
    """The honest weights after `change` of their header's text."""
    header, data = split_safetensors(HONEST)
    return _model(name, what, expect, raw_safetensors(change(json.dumps(header).encode()), data), rule)


def _set(key: str, value: object, tensor: str = NORM) -> Callable[[Header], None]:
    return lambda header: header[tensor].update({key: value})


def _renamed(to: str, tensor: str = NORM) -> Callable[[Header], Header]:
    return lambda header: {to if key == tensor else key: value for key, value in header.items()}


def _with(name: str, value: object) -> Callable[[Header], Header]:
    return lambda header: {**header, name: value}


def _metadata(value: object) -> Callable[[Header], Header]:
    return _with("__metadata__", value)


def _shifted(after: int, by: int) -> Callable[[Header], None]:
    """Every tensor from offset `after` on moves by `by`."""

    def change(header: Header) -> None:
        for key, entry in header.items():
            if key != "__metadata__" and entry["data_offsets"][0] >= after:
                entry["data_offsets"] = [offset + by for offset in entry["data_offsets"]]

    return change


def _with_hole(at: int) -> bytes:
    """Nine bytes that belong to no tensor."""
    header, data = split_safetensors(HONEST)
    _shifted(at, 9)(header)
    return raw_safetensors(header, data[:at] + b"PK\5\6hello" + data[at:])


def _swapped() -> bytes:
    """The two norms change places in the data; the header keeps its order."""
    header, data = split_safetensors(HONEST)
    first, second = header[LAYER], header["model.layers.0.post_attention_layernorm.weight"]
    first["data_offsets"], second["data_offsets"] = second["data_offsets"], first["data_offsets"]
    return raw_safetensors(header, data)


def _of_length(length: int) -> bytes:
    return struct.pack("<Q", length) + HONEST[8:]


_END = len(HONEST) - 8 - int.from_bytes(HONEST[:8], "little")
_EMPTY = {"dtype": "F16", "shape": [0], "data_offsets": [_END, _END]}

STRUCTURE: list[Case] = [
    _model("length_past_end", "header length is the whole file", MALFORMED, _of_length(len(HONEST)), "safetensors.truncated"),
    _model("length_max", "header length 2**64-1", MALFORMED, _of_length(2**64 - 1), "safetensors.truncated"),
    _model("length_zero", "header length 0", MALFORMED, _of_length(0), "safetensors.header-start"),
    _model("length_one_more", "header length takes one byte of the data", MALFORMED, _of_length(int.from_bytes(HONEST[:8], "little") + 1)),
    _model("cut_in_header", "the file ends inside its header", MALFORMED, HONEST[:500], "safetensors.truncated"),
    _model("cut_last_byte", "the last byte is missing", MALFORMED, HONEST[:-1], "safetensors.past-end"),
    _model("one_byte_more", "one byte follows the tensors", MALFORMED, HONEST + b"\n", "safetensors.trailing-bytes"),
    _model("page_of_zeros", "4096 zeros follow the tensors", MALFORMED, HONEST + bytes(4096), "safetensors.trailing-bytes"),
    _model("hole_first", "a hole before the first tensor", MALFORMED, _with_hole(0), "safetensors.gap"),
    _model("hole_middle", "a hole between two tensors", MALFORMED, _with_hole(24640), "safetensors.gap"),
    _header("overlap_one", "two tensors share two bytes", MALFORMED, "safetensors.overlap", _shifted(24640, -2)),
    _header("alias", "a second name for the bytes of the embedding", MALFORMED, "safetensors.overlap", lambda h: {**h, "lm_head.weight": h[EMBED]}),
    _header("past_end", "a tensor past the end of the file", MALFORMED, "safetensors.past-end", _shifted(24704, 2**40)),
]  # fmt: skip

NUMBERS: list[Case] = [
    _header("negative_pair", "two negative sizes make a positive product", MALFORMED, "weights.shape", _set("shape", [-64, -32], EMBED)),
    _header("wraps_32", "a size that is right when cut to 32 bits", MALFORMED, "weights.shape", _set("shape", [2**32 + 32])),
    _header("wraps_64", "sizes whose product is right when cut to 64 bits", MALFORMED, "weights.size-overflow", _set("shape", [2**30, 2**30, 2**4, 32])),
    _header("zero_hides", "a size of 0 beside sizes whose strides overflow", MALFORMED, "weights.size-overflow",
            _with("x", {**_EMPTY, "shape": [0, 2**31 - 1, 2**31 - 1, 2**31 - 1]})),
    _header("bool_size", "true for a size of one", MALFORMED, "weights.shape", _set("shape", [True, 32])),
    _header("float_size", "a size of 32.0", MALFORMED, "weights.shape", _set("shape", [32.0])),
    _header("text_size", "a size in quotes", MALFORMED, "weights.shape", _set("shape", ["32"])),
    _header("null_shape", "no shape", MALFORMED, "weights.shape", _set("shape", None)),
    _header("nine_dimensions", "nine dimensions", LARGE, "weights.too-many-dimensions", _set("shape", [1] * 8 + [32])),
    _header("float_offset", "an offset of 4096.0", MALFORMED, "safetensors.offsets", _set("data_offsets", [4096.0, 4160])),
    _header("text_offset", "offsets in quotes", MALFORMED, "safetensors.offsets", _set("data_offsets", ["4096", "4160"])),
    _header("reversed_offsets", "end before start", MALFORMED, "safetensors.offsets", _set("data_offsets", [4160, 4096])),
    _header("one_offset", "only a start", MALFORMED, "safetensors.offsets", _set("data_offsets", [4096])),
    _header("header_as_weights", "an offset that wraps into the header", MALFORMED, "safetensors.past-end", _set("data_offsets", [2**64 - 65, 2**64 - 1])),
    _text("minus_zero", "an offset of -0", MALFORMED, "weights.shape", lambda t: t.replace(b"[0, 4096]", b"[-0, 4096]")),
    _text("exponent", "a size in exponent form", MALFORMED, "weights.shape", lambda t: t.replace(b"[64, 32]", b"[64, 32e0]")),
    _text("huge_exponent", "a size that no number holds", MALFORMED, None, lambda t: t.replace(b"[64, 32]", b"[64, 1e999]")),
    _text("big_integer", "an integer of 100 digits", LARGE, None, lambda t: t.replace(b"[64, 32]", b"[64, " + b"9" * 100 + b"]")),
]  # fmt: skip

ENTRIES: list[Case] = [
    _header("dtype_lower", "a type in lower case", MALFORMED, "safetensors.dtype", _set("dtype", "f16")),
    _header("dtype_number", "a type that is a number", MALFORMED, "safetensors.dtype", _set("dtype", 16)),
    _header("dtype_wider", "a wider type in the same bytes", MALFORMED, "safetensors.size", _set("dtype", "F32")),
    _header("dtype_f64", "64-bit floats", FORMAT, "safetensors.dtype-unsupported", lambda h: {**h, "x": {**_EMPTY, "dtype": "F64"}}),
    _header("dtype_f4", "4-bit floats", FORMAT, "safetensors.dtype-unsupported", lambda h: {**h, "x": {**_EMPTY, "dtype": "F4"}}),
    _header("more_fields", "a field that the format does not have", MALFORMED, "safetensors.entry", _set("strides", [1])),
    _header("no_dtype", "a tensor without a type", MALFORMED, "safetensors.entry", lambda h: h[NORM].pop("dtype") and None),
    _header("entry_null", "a tensor that is null", MALFORMED, "safetensors.entry", _with(NORM, None)),
    _header("entry_list", "a tensor that is a list", MALFORMED, "safetensors.entry", _with("x", [1, 2])),
    _text("twice", "the same tensor twice", DUPLICATE, None,
          lambda t: t[:-1] + b', "model.norm.weight": {"dtype": "F16", "shape": [32], "data_offsets": [4096, 4160]}}'),
    _text("twice_escaped", "the same tensor twice, once written with an escape", DUPLICATE, None,
          lambda t: t[:-1] + b', "\\u006dodel.norm.weight": {"dtype": "F16", "shape": [32], "data_offsets": [4096, 4160]}}'),
    _text("dtype_twice", "a tensor with two types", DUPLICATE, None, lambda t: t.replace(b'"dtype": "F16"', b'"dtype": "F16", "dtype": "BF16"', 1)),
    _header("metadata_list", "metadata that is a list", MALFORMED, "safetensors.metadata", _metadata([])),
    _header("metadata_number", "metadata with a number", MALFORMED, "safetensors.metadata", _metadata({"step": 1})),
    _header("metadata_nested", "metadata in metadata", MALFORMED, "safetensors.metadata", _metadata({"a": {"b": "c"}})),
    _header("metadata_many", "metadata of 5000 entries", LARGE, "safetensors.metadata-too-large", _metadata({str(i): "" for i in range(5000)})),
    _header("metadata_long_key", "a metadata key of 10,000 characters", LARGE, "safetensors.metadata-too-large", _metadata({"k" * 10_000: ""})),
]  # fmt: skip

NAMES: list[Case] = [
    _header(f"name_{label}", what, NAME, rule, _renamed(to))
    for label, what, rule, to in (
        ("empty", "an empty name", "weights.name-empty-part", ""),
        ("dots", "a name with an empty part", "weights.name-empty-part", "model..norm.weight"),
        ("end_dot", "a name that ends in a dot", "weights.name-empty-part", "model.norm.weight."),
        ("long", "a name of 600 characters", "weights.name-too-long", "n" * 600),
        ("deep", "a name of 40 parts", "weights.name-too-long", "n." * 39 + "n"),
        ("class", "a name that reaches for a class", "weights.name-dunder", "model.__class__.weight"),
        ("init", "a name that replaces a method", "weights.name-dunder", "model.norm.__call__"),
        ("metadata", "the metadata key inside a name", "weights.name-dunder", "model.__metadata__.weight"),
        ("absolute", "an absolute path", "weights.name-path", "/tmp/model.norm.weight"),  # noqa: S108
        ("parent", "a path that climbs", "weights.name-path", "../model.norm.weight"),
        ("parent_inside", "a path that climbs in the middle", "weights.name-path", "model/../../norm.weight"),
        ("home", "a path from home", "weights.name-path", "~/norm.weight"),
        ("backslash", "a Windows path", "weights.name-path", "model\\norm.weight"),
        ("drive", "a path with a drive", "weights.name-path", "C:norm.weight"),
        ("index_bomb", "a layer number of a billion", "weights.name-index", "model.layers.1000000000.weight"),
        ("index_minus", "a layer number of -1", "weights.name-index", "model.layers.-1.weight"),
        ("index_underscore", "a number as only Python reads it", "weights.name-index", "model.layers.1_0.weight"),
        ("index_zeros", "a number that begins with a zero", "weights.name-index", "model.layers.00.weight"),
        ("index_arabic", "a number in other digits", "weights.name-index", "model.layers.\u0660.weight"),
        ("zero_width", "a zero-width space", "weights.name-invisible", "model.norm\u200b.weight"),
        ("bidi", "a right-to-left override", "weights.name-invisible", "model.\u202enorm.weight"),
        ("escape", "a terminal escape", "weights.name-invisible", "model.norm\x1b]0;x\x07.weight"),
        ("nul", "a NUL", "weights.name-invisible", "model.norm.weight\0.png"),
        ("newline", "a line break", "weights.name-invisible", "model.norm.weight\nmodel"),
        ("tag", "tag characters", "weights.name-invisible", "model.norm.weight\U000e0041"),
    )
] + [
    _header("name_inside", "a tensor inside another tensor", NAME, "weights.name-inside-tensor", _with("model.norm", _EMPTY)),
    _header("name_lookalike", "the same name in wide letters", DUPLICATE, "weights.name-lookalike", _with("\uff4dodel.norm.weight", _EMPTY)),
    _header("name_slots", "many lists with one far position each", NAME, "weights.name-list-slots",
            lambda h: {**h, **{f"a{i}.16000": _EMPTY for i in range(70)}}),
]  # fmt: skip

TEXT: list[Case] = [
    _text("bom", "a byte order mark", MALFORMED, "safetensors.header-start", lambda t: b"\xef\xbb\xbf" + t),
    _text("leading_newline", "a line break before the header", MALFORMED, "safetensors.header-start", lambda t: b"\n" + t),
    _text("list", "a header that is a list", MALFORMED, "safetensors.header-start", lambda t: b"[" + t + b"]"),
    _text("nul_padding", "a header padded with NULs", MALFORMED, "safetensors.header-end", lambda t: t + bytes(8)),
    _text("tab_padding", "a header padded with tabs", MALFORMED, "safetensors.header-end", lambda t: t + b"\t\t"),
    _text("two_headers", "a second header behind the first", MALFORMED, None, lambda t: t + t),
    _text("comma", "a comma too many", MALFORMED, None, lambda t: t[:-1] + b",}"),
    _text("comment", "a comment", MALFORMED, None, lambda t: t[:-1] + b"/* hi */}"),
    _text("single_quotes", "a Python literal", MALFORMED, None, lambda t: t.replace(b'"', b"'")),
    _text("nan", "a NaN", MALFORMED, None, lambda t: t[:-1] + b', "__metadata": NaN}'),
    _text("not_utf8", "a byte that is not UTF-8", MALFORMED, None, lambda t: t.replace(b"norm", b"n\xffrm", 1)),
    _text("surrogate", "half of a surrogate pair", MALFORMED, None, lambda t: t.replace(b"norm", b"n\\ud800rm", 1)),
    _text("deep", "a header nested 5000 deep", LARGE, None, lambda t: t[:-1] + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    _text("wide_padding", "a header padded with 17 MiB of spaces", LARGE, "safetensors.header-too-large", lambda t: t + b" " * (17 << 20)),
]  # fmt: skip


def _shards() -> dict[str, bytes]:
    """The honest model in two files with an index."""
    header, data = split_safetensors(HONEST)
    del header["__metadata__"]
    first = {name: entry for name, entry in header.items() if entry["data_offsets"][1] <= 12352}
    second = {name: dict(entry) for name, entry in header.items() if name not in first}
    for entry in second.values():
        entry["data_offsets"] = [offset - 12352 for offset in entry["data_offsets"]]
    files = model_files(model__safetensors=None)
    names = {1: "model-00001-of-00002.safetensors", 2: "model-00002-of-00002.safetensors"}
    files[names[1]] = raw_safetensors(first, data[:12352])
    files[names[2]] = raw_safetensors(second, data[12352:])
    placed = {**dict.fromkeys(first, names[1]), **dict.fromkeys(second, names[2])}
    index = {"metadata": {"total_size": len(data)}, "weight_map": placed}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    return files


HONEST_ONES: list[Case] = [
    _text("ok_padded", "a header padded with spaces", ACCEPT, None, lambda t: t + b" " * 37),
    _text("ok_indented", "a header written with line breaks", ACCEPT, None, lambda t: json.dumps(json.loads(t), indent=2).encode()),
    _text("ok_compact", "a header without a space", ACCEPT, None, lambda t: json.dumps(json.loads(t), separators=(",", ":")).encode()),
    _text("ok_escapes", "a name written with escapes", ACCEPT, None, lambda t: t.replace(b"model.norm", b"\\u006d\\u006fdel.norm")),
    _header("ok_order", "a header in reverse", ACCEPT, None, lambda h: dict(reversed(h.items()))),
    _header("ok_fields_order", "fields in another order", ACCEPT, None,
            lambda h: {k: v if k == "__metadata__" else dict(reversed(v.items())) for k, v in h.items()}),
    _header("ok_null_metadata", "null for metadata, as MLX writes it", ACCEPT, None, _metadata(None)),
    _header("ok_no_metadata", "no metadata", ACCEPT, None, lambda h: h.pop("__metadata__") and None),
    _header("ok_notes", "long training notes", ACCEPT, None, _metadata({"format": "pt", "ss_tags": json.dumps({"a -1, [b]": 5}) * 9000})),
    _header("ok_lines", "metadata of several lines in other scripts", ACCEPT, None, _metadata({"note": "zwei\nZeilen\t\u3042\u2026", "\u00e4": ""})),
    _model("ok_swapped", "tensors in another order than the header", ACCEPT, _swapped()),
    _header("ok_bfloat16", "another type of the same width", ACCEPT, None, lambda h: {k: v if k == "__metadata__" else {**v, "dtype": "BF16"} for k, v in h.items()}),
    Case("weights_ok_shards", "the model in two files with an index", ACCEPT, _shards()),
]  # fmt: skip


def _one(name: str, what: str, expect: str, rule: str, data: bytes) -> Case:
    """A single file; the format is in the case's name."""
    return Case(f"weights_{name}", what, expect, {f"model.{name.partition('_')[0]}": data}, rule, single=True)


_BIG = npy_bytes(bytes(2 << 20), "(524288,)")
_INPUT = [gguf_tensor("blk.0.w.weight", (32,), 2, 0)]

OTHER_FORMATS: list[Case] = [
    _one("gguf_honest", "nothing wrong but the format", FORMAT, "format.gguf", gguf_bytes([gguf_tensor("x", (2,), 0, 0)], bytes(8))),
    _one("gguf_template", "a chat template among the metadata", FORMAT, "gguf.chat-template",
         gguf_bytes(entries=[gguf_entry("tokenizer.chat_template", 8, gguf_text("{{ messages }}"))])),
    _one("gguf_string_past_end", "a text longer than the file", MALFORMED, "gguf.truncated",
         gguf_bytes(entries=[gguf_entry("k", 8, struct.pack("<Q", 2**62))])),
    _one("gguf_array_past_end", "an array longer than the file", MALFORMED, "gguf.truncated",
         gguf_bytes(entries=[gguf_entry("k", 9, gguf_array(8, 2**61, b""))])),
    _one("gguf_float64", "a legal array that MLX misreads", FORMAT, "gguf.float64-array",
         gguf_bytes(entries=[gguf_entry("k", 9, gguf_array(12, 1, bytes(8)))])),
    _one("gguf_derived", "two tensors that unpack to one name", DUPLICATE, "gguf.derived-name",
         gguf_bytes([*_INPUT, gguf_tensor("blk.0.w.biases", (0,), 0, 32)], bytes(32))),
    _one("gguf_truth", "a truth value of 255", FORMAT, "gguf.value", gguf_bytes(entries=[gguf_entry("k", 7, b"\xff")])),
    _one("gguf_polyglot", "a zip behind the tensors", FORMAT, "gguf.trailing-bytes",
         gguf_bytes([gguf_tensor("x", (2,), 0, 0)], bytes(8)) + zip_bytes(Member())),
    _one("npy_honest", "nothing wrong but the format", FORMAT, "format.npy", npy_bytes()),
    _one("npy_pickle", "an array of objects", CODE, "npy.pickle", npy_bytes(b"\x80\x04N.", "()", "'|O'")),
    _one("npy_pickle_inside", "objects inside a structured type", CODE, "npy.pickle", npy_bytes(descr="[('a', '<f4'), ('b', '|O')]")),
    _one("npy_call", "a call in the header", CODE, "npy.expression", npy_bytes(shape="(print('x') or 2,)")),
    _one("npy_short", "fewer bytes than the shape needs", MALFORMED, "npy.size", npy_bytes(bytes(4))),
    _one("npy_wraps", "a shape that wraps", MALFORMED, "weights.size-overflow", npy_bytes(b"", f"({'2147483647, ' * 4})")),
    _one("npz_honest", "nothing wrong but the format", FORMAT, "format.npz", zip_bytes(Member())),
    _one("npz_zip64", "nothing wrong but the format, in 64 bits", FORMAT, "format.npz", zip64_bytes([Member()])),
    _one("npz_slip", "a member that climbs out", ESCAPE, "npz.member-path", zip_bytes(Member(b"../../x.npy"))),
    _one("npz_other_name", "two records of one member disagree", MALFORMED, "npz.local-header", zip_bytes(Member(local_name=b"y.npy"))),
    _one("npz_quoted", "one block under two names", MALFORMED, "npz.overlap", zip_bytes(Member(), Member(b"y.npy", header_at=0))),
    _one("npz_hidden", "bytes between members", MALFORMED, "npz.hidden-bytes", zip_bytes(Member(), Member(b"y.npy"), gap=b"#!/bin/sh\n")),
    _one("npz_script", "a script inside", FORMAT, "npz.not-an-array", zip_bytes(Member(), Member(b"setup.py", b"print()"))),
    _one("npz_link", "a member that is a link", FORMAT, "npz.feature", zip_bytes(Member(attributes=0o120777 << 16))),
    _one("npz_bomb", "two megabytes in two kilobytes", LARGE, "npz.bomb", zip_bytes(Member(data=_BIG, method=8))),
    _one("npz_longer", "a member that inflates to more than it says", MALFORMED, "npz.structure",
         zip_bytes(Member(method=8, compressed=deflate(npy_bytes() + b"more")))),
    _one("npz_pickle", "an array of objects inside", CODE, "npy.pickle", zip_bytes(Member(data=npy_bytes(descr="'|O'"), method=8))),
    _one("mlxfn_honest", "nothing wrong but the format", FORMAT, "format.mlxfn", fn_bytes(fn_function([fn_operation(2, "Sin", [1])], outputs=[2]))),
    _one("mlxfn_gather", "a gather whose index nobody checks", FORMAT, "mlxfn.unknown-operation", fn_bytes(fn_function([fn_operation(2, "Gather", [1])]))),
    _one("mlxfn_divide", "a division of integers", FORMAT, "mlxfn.operation",
         fn_bytes(fn_function([fn_operation(2, "Divide", [1, 1], dtype=struct.pack("<iB", 7, 4))], inputs=[fn_shape(2) + struct.pack("<iB", 7, 4)]))),
    _one("mlxfn_kernel", "the source of a GPU program", FORMAT, "mlxfn.kernel", fn_bytes(fn_function([fn_operation(2, "CustomKernel", [1])]))),
    _one("mlxfn_shape_bomb", "a shape of 2**63 sizes", FORMAT, "mlxfn.truncated", fn_bytes(fn_function(inputs=[struct.pack("<Q", 2**63)]))),
    _one("mlxfn_short_constant", "a constant past the end", FORMAT, "mlxfn.truncated", fn_bytes(fn_function([fn_constant(2, fn_shape(9), data=b"")]))),
    Case("weights_gguf_beside", "a GGUF beside honest weights", FORMAT, {**model_files(), "model.gguf": gguf_bytes()}, "format.gguf"),
    Case("weights_npz_beside", "an archive beside honest weights", FORMAT, {**model_files(), "weights.npz": zip_bytes(Member())}, "format.npz"),
    _model("gguf_as_safetensors", "a GGUF under the name of safetensors", FORMAT, gguf_bytes([gguf_tensor("x", (2,), 0, 0)], bytes(8))),
    _model("npz_behind", "an archive behind the tensors", MALFORMED, HONEST + zip_bytes(Member()), "safetensors.trailing-bytes"),
    _model("pickle_behind", "a pickle behind the tensors", MALFORMED, HONEST + b"\x80\x04cbuiltins\nprint\n(tR.", "safetensors.trailing-bytes"),
]  # fmt: skip

CASES = [*STRUCTURE, *NUMBERS, *ENTRIES, *NAMES, *TEXT, *HONEST_ONES, *OTHER_FORMATS]
