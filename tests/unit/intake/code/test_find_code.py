"""Every rule of the family strikes where it should, and honest files pass."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from ostiary.core.findings import Finding, Rule
from ostiary.core.limits import MAX_HEAD_BYTES, MAX_SIGNATURE_BYTES
from ostiary.core.tickets import FileKind
from ostiary.intake.code.find_code import find_in_file
from ostiary.intake.code.kinds import recognise_file
from ostiary.intake.rules import code as rules

CALL = b"cos\nsystem\n(S'true'\ntR."
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="1"/></svg>'


def find(path: str, data: bytes) -> tuple[Finding, ...]:
    kind = recognise_file(path, data[:MAX_HEAD_BYTES], len(data))
    return find_in_file(path, kind, data, data[-65_557:], len(data))


def zip_bytes(comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__main__.py", "print()")
        archive.comment = comment
    return buffer.getvalue()


STRIKES: list[tuple[Rule, str, bytes]] = [
    (rules.PICKLE_IMPORTS, "pytorch_model.bin", CALL),
    (rules.PICKLE_IMPORTS, "README.md", CALL),
    (rules.PICKLE_IMPORTS, "vocab.txt", b"V" + b"x" * 5000 + b"\n0" + CALL),
    (rules.PICKLE, "data.pkl", b"\x80\x04]\x94."),
    (rules.COMPILED, "libfoo.so", b"\x7fELF\x02\x01\x01\0"),
    (rules.COMPILED, "plugin.dylib", b""),
    (rules.COMPILED, "model.safetensors", b"\xcf\xfa\xed\xfe\x0c\0\0\x01"),
    (rules.COMPILED, "helper.cpython-311.pyc", b"\xa7\r\r\n" + bytes(12)),
    (rules.COMPILED, "kernels.metallib", b"MTLB\x01\x80\x02\0"),
    (rules.SOURCE, "modeling_custom.py", b"import os\n"),
    (rules.SOURCE, "run", b"#!/bin/sh\nls\n"),
    (rules.SOURCE, "example.ipynb", b"{}"),
    (rules.SOURCE, "kernel.cu", b"__global__ void f() {}\n"),
    (rules.SOURCE, "parsers/tool_parser.py", b"def parse(): ...\n"),
    (rules.SOURCE, "empty.lua", b""),
    (rules.ARCHIVE, "extra.zip", zip_bytes()),
    (rules.ARCHIVE, "extra.tar.gz", b"\x1f\x8b\x08\0"),
    (rules.ARCHIVE, "config.json", zip_bytes()),
    (rules.ARCHIVE, "blob", zlib.compress(bytes(500))),
    (rules.APPENDED_ARCHIVE, "README.md", b"# Hello\n" + zip_bytes()),
    (rules.APPENDED_ARCHIVE, "config.json", b"{}" + zip_bytes(b"a comment")),
    (rules.APPENDED_ARCHIVE, "config.json", b"{}" + zip_bytes() + b"\n" * 100),
    (rules.APPENDED_ARCHIVE, "README.md", b"PK is a pair of letters\n" + zip_bytes()),
    (rules.APPENDED_ARCHIVE, "a.txt", b"text" + b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + b"\xff" * 18),
    (rules.FOREIGN_WEIGHTS, "tf_model.h5", b"\x89HDF\r\n\x1a\n"),
    (rules.FOREIGN_WEIGHTS, "weights", b"\x89HDF\r\n\x1a\n"),
    (rules.FOREIGN_WEIGHTS, "flax_model.msgpack", b"\x81\xa1a\x01"),
    (rules.FOREIGN_WEIGHTS, "onnx/model.onnx", b"\x08\x07\x12\x07pytorch"),
    (rules.FOREIGN_WEIGHTS, "model.tflite", b"\x1c\0\0\0TFL3"),
    (rules.FOREIGN_WEIGHTS, "pytorch_model.bin", b""),
    (rules.FOREIGN_WEIGHTS, "model.ckpt", b"\xff\xfe\xfd"),
    (rules.DISGUISED, "model-extra.safetensors", CALL),
    (rules.DISGUISED, "README.md", b"#!/bin/sh\n"),
    (rules.UNKNOWN_BINARY, "data.bin", b"\x01\x02\x03"),
    (rules.UNKNOWN_BINARY, "README.md", b"text\0binary"),
    (rules.UNKNOWN_BINARY, "logo.png", b"\x01\x02\x03"),
    (rules.UNKNOWN_BINARY, "cache.db", b"SQLite format 3\0"),
    (rules.UNKNOWN_BINARY, "merges.txt", b"#version: 0.2\na b\0\n"),
    (rules.UNKNOWN_BINARY, "model.sig", b"\x88\x75\x04\0\x01"),
    (rules.UNKNOWN_TEXT, "recipe.cfg", b"a = 1\n"),
    (rules.UNKNOWN_TEXT, ".keep-me", b""),
    (rules.UNLISTED_TEMPLATE, "additional_chat_templates/tool_use.jinja", b"{{ x }}"),
    (rules.UNLISTED_TEMPLATE, "additional_chat_templates/notes.txt", b"x"),
    (rules.UNLISTED_TEMPLATE, "chat_template_tools.jinja", b"{{ x }}"),
    (rules.UNLISTED_TEMPLATE, "sub/chat_template.jinja", b"{{ x }}"),
    (rules.UNLISTED_TEMPLATE, "Chat_Template.JINJA", b"{{ x }}"),
    (rules.HIDDEN_DIRECTORY, ".git/config", b"[core]\n"),
    (rules.HUB_LEFTOVER, ".cache/huggingface/download/config.json.metadata", b"abc\ndef\n1.0\n"),
    (rules.EDITOR_LEFTOVER, "config.json~", b"{}"),
    (rules.ACTIVE_DOCUMENT, "logo.svg", b"<svg><script>alert(1)</script></svg>"),
    (rules.ACTIVE_DOCUMENT, "logo.svg", b"<svg onload = 'alert(1)'></svg>"),
    (rules.ACTIVE_DOCUMENT, "paper.pdf", b"%PDF-1.7\n<< /OpenAction 1 0 R >>"),
    (rules.YAML_TAG, "recipe.yaml", b"a: !!python/object/apply:os.system ['true']\n"),
    (rules.YAML_TAG, "recipe.yml", b"a: !<tag:yaml.org,2002:python/name:os.system>\n"),
    (rules.LFS_POINTER, "model.safetensors", LFS),
]


@pytest.mark.parametrize(("rule", "path", "data"), STRIKES)
def test_the_rule_strikes(rule: Rule, path: str, data: bytes) -> None:
    found = {finding.rule.id for finding in find(path, data)}
    assert rule.id in found
    assert all(finding.path == path for finding in find(path, data))


def test_a_signature_beyond_its_ceiling_is_refused() -> None:
    too_large = find_in_file("model.sig", FileKind.SIGNATURE, b"{}", b"{}", MAX_SIGNATURE_BYTES + 1)
    assert [finding.rule for finding in too_large] == [rules.SIGNATURE_TOO_LARGE]
    assert find_in_file("model.sig", FileKind.SIGNATURE, b"{}", b"{}", int(MAX_SIGNATURE_BYTES)) == ()


def test_every_rule_is_struck_by_some_case() -> None:
    struck = {rule.id for rule, _, _ in STRIKES} | {rules.SIGNATURE_TOO_LARGE.id}
    assert struck == {rule.id for rule in rules.RULES}


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("README.md", b"---\nlicense: mit\n---\n```python\nimport os\nos.system('ls')\n```\n<script>x</script>"),
        ("README.md", b"a: !!python/object is how YAML names objects\n"),
        ("LICENSE", b"Apache License\n"),
        (".gitattributes", b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"),
        ("logo.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        ("logo.svg", SVG),
        ("figure.webp", b"RIFF\x10\0\0\0WEBPVP8 "),
        ("paper.pdf", b"%PDF-1.7\n1 0 obj\n"),
        ("config.json", b"{}"),
        ("chat_template.jinja", b"{{ messages }}"),
        ("chat_template.json", b"{}"),
        ("model.sig", b"{}"),
        ("recipe.yaml", b"learning_rate: 1e-5\n"),
        ("model.safetensors", b"\x40\0\0\0\0\0\0\0{" + b" " * 100),
        ("empty_archive_behind.png", b"\x89PNG\r\n\x1a\n" + b"PK\x05\x06" + bytes(18)),
        ("vocab.txt", b"cat\ndog\n"),
        ("Readme_zh.md", "语言模型\n".encode()),
    ],
)
def test_honest_files_pass(path: str, data: bytes) -> None:
    assert find(path, data) == ()


def test_formats_with_their_own_rules_are_left_to_them() -> None:
    for path, data in (("a.gguf", b"GGUF\x03\0\0\0"), ("a.npy", b"\x93NUMPY\x01\0"), ("a.mlxfn", b"")):
        assert find(path, data) == ()


def test_an_archive_is_found_where_only_the_tail_is_there() -> None:
    data = b"{}" + b" " * 10_000 + zip_bytes()
    (finding,) = find_in_file("config.json", FileKind.CONFIG, data[:100], data[-60:], len(data))
    assert finding.rule is rules.APPENDED_ARCHIVE
    assert finding.offset == data.rindex(b"PK\x05\x06")


@pytest.mark.parametrize("field", [range(4, 12), range(12, 16), range(16, 20), range(20, 22)])
def test_an_end_of_archive_that_lies_in_one_field_is_found(field: range) -> None:
    archive = bytearray(b"{}" + zip_bytes())
    at = archive.rindex(b"PK\x05\x06")
    offset = int.from_bytes(archive[at + 16 : at + 20], "little") + 2
    archive[at + 16 : at + 20] = offset.to_bytes(4, "little")
    for place in field:
        archive[at + place] ^= 0x55
    found = find("config.json", bytes(archive))
    assert [finding.rule for finding in found] == [rules.APPENDED_ARCHIVE]


def test_what_only_looks_like_an_end_of_archive_is_none() -> None:
    inconsistent = b"PK\x05\x06" + bytes(4) + b"\x05\0\x05\0" + (10).to_bytes(4, "little") + bytes(6)
    too_far = bytes(4) + b"PK\x05\x06" + bytes(4) + b"\x01\0\x01\0" + (10**6).to_bytes(4, "little") + bytes(6)
    elsewhere = bytes(100) + b"PK\x05\x06" + bytes(4) + b"\x01\0\x01\0" + (50).to_bytes(4, "little") + bytes(6)
    for data in (inconsistent, too_far, elsewhere, b"PK\x05\x06"):
        assert find_in_file("config.json", FileKind.CONFIG, b"{}", data, len(data)) == ()


def test_the_offset_of_a_pickle_is_told() -> None:
    pickled = [f for f in find("model.safetensors", b"N0" + CALL) if f.rule is rules.PICKLE_IMPORTS]
    assert [f.offset for f in pickled] == [2]


def test_each_kind_of_file_gives_a_value_on_any_claim() -> None:
    for kind in FileKind:
        for data in (b"", CALL, zip_bytes(), b"\0\xff" * 10):
            assert isinstance(find_in_file("x", kind, data, data, len(data)), tuple)
