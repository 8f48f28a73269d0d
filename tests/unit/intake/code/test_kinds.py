"""The dangerous one of what the name says and what the bytes are."""

from __future__ import annotations

import pytest

from ostiary.core.tickets import FileKind
from ostiary.intake.code.kinds import recognise_file

TEXT = b"some text\n"
JSON = b"{}\n"
SAFETENSORS = b"\x08\0\0\0\0\0\0\0{}      "
PICKLE = b"cos\nsystem\n(S'true'\ntR."


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("model.safetensors", SAFETENSORS, FileKind.SAFETENSORS),
        ("model-00001-of-00002.safetensors", SAFETENSORS, FileKind.SAFETENSORS),
        ("model.safetensors", b"", FileKind.SAFETENSORS),
        ("model.safetensors.index.json", JSON, FileKind.INDEX),
        ("config.json", JSON, FileKind.CONFIG),
        ("generation_config.json", JSON, FileKind.GENERATION_CONFIG),
        ("tokenizer.json", JSON, FileKind.TOKENIZER),
        ("tokenizer_config.json", JSON, FileKind.TOKENIZER_CONFIG),
        ("tokenizer.model", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", FileKind.SENTENCEPIECE),
        ("spiece.model", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", FileKind.SENTENCEPIECE),
        ("tokenizer.model.v3", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", FileKind.SENTENCEPIECE),
        ("tokenizer.model.v7m1", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", FileKind.SENTENCEPIECE),
        ("tokenizer.model.v3", PICKLE, FileKind.PICKLE),
        ("sp.spm", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", FileKind.SENTENCEPIECE),
        ("vocab.json", JSON, FileKind.VOCABULARY),
        ("merges.txt", TEXT, FileKind.VOCABULARY),
        ("vocab.txt", TEXT, FileKind.VOCABULARY),
        ("qwen.tiktoken", b"IQ== 0\n", FileKind.VOCABULARY),
        ("added_tokens.json", JSON, FileKind.VOCABULARY),
        ("special_tokens_map.json", JSON, FileKind.VOCABULARY),
        ("chat_template.jinja", b"{{ x }}", FileKind.CHAT_TEMPLATE),
        ("chat_template.json", JSON, FileKind.CHAT_TEMPLATE),
        ("adapter/adapter_config.json", JSON, FileKind.ADAPTER_CONFIG),
        ("adapter/adapters.safetensors", SAFETENSORS, FileKind.SAFETENSORS),
        ("preprocessor_config.json", JSON, FileKind.JSON),
        ("anything.json", JSON, FileKind.JSON),
        ("Config.json", JSON, FileKind.JSON),
        ("model.sig", JSON, FileKind.SIGNATURE),
        ("model.sigstore", JSON, FileKind.SIGNATURE),
        ("model.sigstore.json", JSON, FileKind.SIGNATURE),
        ("model.sig", b"\x88\x75\x04\0\x01", FileKind.UNKNOWN),
        ("README.md", TEXT, FileKind.DOCUMENT),
        ("README", TEXT, FileKind.DOCUMENT),
        ("LICENSE", TEXT, FileKind.DOCUMENT),
        ("LICENSE-APACHE", TEXT, FileKind.DOCUMENT),
        ("NOTICE.txt", TEXT, FileKind.DOCUMENT),
        (".gitattributes", TEXT, FileKind.DOCUMENT),
        (".gitignore", TEXT, FileKind.DOCUMENT),
        (".DS_Store", b"\0\0\0\x01Bud1\0", FileKind.DOCUMENT),
        (".DS_Store", b"\0\0\0\x01Xud1\0", FileKind.UNKNOWN),
        ("logo.png", b"\x89PNG\r\n\x1a\n", FileKind.DOCUMENT),
        ("logo.jpg", b"\x89PNG\r\n\x1a\n", FileKind.DOCUMENT),
        ("logo.png", TEXT, FileKind.UNKNOWN),
        ("logo.svg", b"<svg></svg>", FileKind.DOCUMENT),
        ("icon.ico", b"\0\0\x01\0\x01\0", FileKind.DOCUMENT),
        ("figure", b"\xff\xd8\xff\xe0", FileKind.DOCUMENT),
        ("README.md", b"text\0binary", FileKind.UNKNOWN),
        ("README.md", SAFETENSORS, FileKind.UNKNOWN),
        ("evil.py", TEXT, FileKind.CODE),
        ("EVIL.PY", TEXT, FileKind.CODE),
        ("Makefile", TEXT, FileKind.CODE),
        ("notebook.ipynb", JSON, FileKind.CODE),
        ("kernel.metal", TEXT, FileKind.CODE),
        ("lib.so", TEXT, FileKind.EXECUTABLE),
        ("pytorch_model.bin", b"", FileKind.PICKLE),
        ("pytorch_model-00001-of-00002.bin", SAFETENSORS, FileKind.PICKLE),
        ("model.pt", TEXT, FileKind.PICKLE),
        ("model.ckpt", b"PK\x03\x04" + bytes(30), FileKind.PICKLE),
        ("data.zip", TEXT, FileKind.ARCHIVE),
        ("a.npz", b"PK\x05\x06" + bytes(18), FileKind.NPZ),
        ("a.npy", b"", FileKind.NPY),
        ("a.gguf", b"XXXX", FileKind.GGUF),
        ("a.mlxfn", b"", FileKind.MLXFN),
        ("tf_model.h5", TEXT, FileKind.UNKNOWN),
        ("data.bin", b"\x01\x02", FileKind.UNKNOWN),
        ("data", SAFETENSORS, FileKind.SAFETENSORS),
        ("strange", TEXT, FileKind.UNKNOWN),
    ],
)
def test_honest_files_are_what_their_names_say(path: str, data: bytes, kind: FileKind) -> None:
    assert recognise_file(path, data, len(data)) is kind


@pytest.mark.parametrize(
    "path",
    ["model.safetensors", "config.json", "README.md", "tokenizer.model", "logo.png", "model.sig", "x", "x.npz"],
)
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PICKLE, FileKind.PICKLE),
        (b"\x7fELF\x02\x01\x01\0", FileKind.EXECUTABLE),
        (b"#!/bin/sh\n", FileKind.CODE),
        (b"\x1f\x8b\x08\0", FileKind.ARCHIVE),
        (b"GGUF\x03\0\0\0", FileKind.GGUF),
        (b"\x93NUMPY\x01\0v\0", FileKind.NPY),
        (b"\x06\0\0\0\0\0\0\x000.32.4\x01\0\0\0", FileKind.MLXFN),
    ],
)
def test_dangerous_bytes_win_over_any_name(path: str, data: bytes, kind: FileKind) -> None:
    expected = FileKind.NPZ if path == "x.npz" and kind is FileKind.ARCHIVE else kind
    assert recognise_file(path, data, len(data)) is expected
