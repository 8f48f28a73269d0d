"""Code, pickles, archives, executables and unknown files; and honest files that only look like them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib

from attack_cases.base import ACCEPT, Case, model_files

FORMAT = "INTAKE_UNSAFE_FORMAT"
CODE = "INTAKE_CARRIES_CODE"
UNLISTED = "INTAKE_UNLISTED_FILE"


class _Prints:
    """Pickles as a call of print: harmless, but a call."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


def _beside(name: str, what: str, extra: str, data: bytes, expect: str, rule: str | None = None) -> Case:  # noqa: PLR0917
    return Case(f"code_{name}", what, expect, {**model_files(), extra: data}, rule)


def _good(name: str, what: str, extra: str, data: bytes) -> Case:
    return _beside(name, what, extra, data, ACCEPT)


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
        archive.comment = comment
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../escape.txt"), io.BytesIO(b""))
    return buffer.getvalue()


_TEXT_CALL = b"cbuiltins\nprint\n(S'unpickled'\ntR."
_TENSORS = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00)Rq\x01."
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17) + b"\0\0\0\0IEND\xaeB`\x82"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>\n'
_ELF = b"\x7fELF\x02\x01\x01\0" + bytes(56)
_SIGNED = b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}'

PICKLES: list[Case] = [
    *(
        _beside(
            f"pickle_{protocol}_as_safetensors",
            f"a protocol {protocol} pickle under a name that loaders glob",
            "model-extra.safetensors",
            pickle.dumps(_Prints(), protocol),
            CODE,
            "code.pickle-imports",
        )
        for protocol in range(6)
    ),
    _beside("pickle_readme", "a text pickle named README.md", "README.md", _TEXT_CALL, CODE, "code.pickle-imports"),
    _beside("pickle_json", "a text pickle named like JSON", "extra.json", _TEXT_CALL, CODE, "code.disguised"),
    _beside("pickle_inst", "the INST opcode instead of GLOBAL", "a.bin", b"(S'x'\nibuiltins\nprint\n.", CODE),
    _beside("pickle_obj", "the OBJ opcode", "a.bin", b"(cbuiltins\nprint\nS'x'\no.", CODE, "code.pickle-imports"),
    _beside("pickle_newobj", "the NEWOBJ opcode", "a.bin", b"\x80\x02cbuiltins\nprint\n)\x81.", CODE),
    _beside(
        "pickle_stack_global_memo",
        "the names of the import come from the memo",
        "a.bin",
        b"\x80\x04\x8c\x08builtins\x940\x8c\x05print\x940h\x00h\x01\x93)R.",
        CODE,
        "code.pickle-imports",
    ),
    _beside(
        "pickle_escaped",
        "the module's name is spelled with escapes",
        "a.bin",
        b"S'builtin\\x73'\nS'print'\n\x93)R.",
        CODE,
    ),
    _beside(
        "pickle_computed",
        "one import computes the name of the next",
        "a.bin",
        b"\x80\x04\x8c\x01ocbuiltins\nstr\n)R\x93.",
        CODE,
    ),
    _beside("pickle_extension", "an import through copyreg's registry", "a.bin", b"\x80\x02\x82\x07)R.", CODE),
    _beside(
        "pickle_broken",
        "calls before it breaks",
        "a.bin",
        _TEXT_CALL[:-1] + b"\xff\xff",
        CODE,
        "code.pickle-imports",
    ),
    _beside(
        "pickle_padded", "a thousand harmless steps before the import", "a.bin", b"I1\n0" * 1000 + _TEXT_CALL, CODE
    ),
    _beside("pickle_second", "a harmless pickle, then another", "a.bin", b"\x80\x02N." + _TEXT_CALL, CODE),
    _beside("pickle_data", "a pickle of plain values", "data.pkl", pickle.dumps([1, 2], 4), FORMAT, "code.pickle"),
    _beside(
        "pickle_tensors", "what PyTorch writes, and no more", "pytorch_model.bin", _TENSORS, FORMAT, "code.pickle"
    ),
    _beside(
        "torch_zip", "PyTorch's zip", "model.pt", _zip({"m/data.pkl": _TENSORS, "m/data/0": b"\0" * 8}), FORMAT
    ),
    _beside(
        "torch_zip_call",
        "PyTorch's zip with a call",
        "x.pth",
        _zip({"m/data.pkl": _TEXT_CALL}),
        CODE,
        "code.pickle-imports",
    ),
    _beside(
        "torch_zip_deflated",
        "the same, compressed, as a shard",
        "model-00002-of-00002.safetensors",
        _zip({"m/data.pkl": _TEXT_CALL * 40}, zipfile.ZIP_DEFLATED),
        CODE,
        "code.pickle-imports",
    ),
    _beside("torch_empty", "an empty checkpoint", "pytorch_model.bin", b"", FORMAT, "code.foreign-weights"),
    _beside("training_args", "what a trainer leaves behind", "training_args.bin", pickle.dumps(_Prints(), 2), CODE),
]

PROGRAMS: list[Case] = [
    _beside("modeling", "a custom model", "modeling_custom.py", b"import os\n", CODE, "code.source"),
    _beside("init", "an empty module makes the directory a package", "__init__.py", b"", CODE, "code.source"),
    _beside("upper_case", "the extension in capitals", "EVIL.PY", b"x = 1\n", CODE, "code.source"),
    _beside("tool_parser", "a tool parser in a folder", "parsers/tool_parser.py", b"x = 1\n", CODE, "code.source"),
    _beside("custom_tokenizer", "a custom tokenizer", "tokenization_custom.py", b"x = 1\n", CODE, "code.source"),
    _beside("notebook", "a notebook", "demo.ipynb", b'{"cells": []}', CODE, "code.source"),
    _beside("shell", "a script without extension", "download", b"#!/bin/sh\nls\n", CODE, "code.source"),
    _beside(
        "shebang_readme",
        "a script named README.md",
        "README.md",
        b"#!/usr/bin/env python3\n",
        CODE,
        "code.disguised",
    ),
    _beside("metal_source", "a Metal kernel", "kernel.metal", b"kernel void f() {}\n", CODE, "code.source"),
    _beside("cuda_source", "a CUDA kernel", "kernel.cu", b"__global__ void f() {}\n", CODE, "code.source"),
    _beside("javascript", "JavaScript", "widget.mjs", b"export {}\n", CODE, "code.source"),
    _beside("makefile", "a Makefile", "Makefile", b"all:\n\techo\n", CODE, "code.source"),
    _beside("pyc", "Python bytecode", "x.pyc", b"\xa7\r\r\n" + bytes(16), CODE, "code.compiled"),
    _beside(
        "metallib",
        "a compiled Metal library",
        "default.metallib",
        b"MTLB\x01\x80\x02\0" + bytes(8),
        CODE,
        "code.compiled",
    ),
    _beside("elf", "a library", "libplugin.so", _ELF, CODE, "code.compiled"),
    _beside("elf_weights", "a library named like weights", "model-x.safetensors", _ELF, CODE, "code.disguised"),
    _beside("macho", "a macOS library", "libplugin.dylib", b"\xcf\xfa\xed\xfe\x0c\0\0\x01", CODE, "code.compiled"),
    _beside(
        "macho_fat", "a macOS library for two processors", "plugin", b"\xca\xfe\xba\xbe\0\0\0\x02" + bytes(8), CODE
    ),
    _beside("pe", "a Windows program", "setup.exe", b"MZ\x90\0\x03\0\0\0", CODE, "code.compiled"),
    _beside("wasm", "WebAssembly named like an image", "logo.png", b"\0asm\x01\0\0\0", CODE, "code.compiled"),
    _beside(
        "yaml_tag_escaped",
        "a YAML tag with an escaped slash",
        "a.yml",
        b"a: !<tag:yaml.org,2002:python%2Fobject/apply:os.system> [id]\n",
        CODE,
        "code.yaml-tag",
    ),
    _beside(
        "yaml_tag_in_pieces",
        "a YAML tag put together by a directive",
        "a.yaml",
        b"%TAG !p! tag:yaml.org,2002:py\n---\n!p!thon/object/apply:os.system [id]\n",
        CODE,
        "code.yaml-tag",
    ),
    _beside(
        "yaml_tag_in_card",
        "a model card whose settings name a Python object",
        "README.md",
        b"---\nlicense: !!python/object/apply:os.system [id]\n---\n# Model\n",
        CODE,
        "code.yaml-tag",
    ),
    _good(
        "yaml_tag_in_prose",
        "a model card that only tells of such tags",
        "README.md",
        b"---\nlicense: mit\n---\nNever load `!!python/object` with 100% trust.\n%TAG is a directive.\n",
    ),
    _beside(
        "yaml_tag",
        "YAML that calls Python",
        "recipe.yaml",
        b"a: !!python/object/apply:print ['x']\n",
        CODE,
        "code.yaml-tag",
    ),
]

ARCHIVES: list[Case] = [
    _beside("zip", "a zip", "extra.zip", _zip({"a.txt": b"x"}), FORMAT, "code.archive"),
    _beside("zip_config", "a zip named like JSON", "extra.json", _zip({"a.txt": b"x"}), FORMAT, "code.archive"),
    _beside("keras", "Keras's zip", "model.keras", _zip({"config.json": b"{}"}), FORMAT, "code.archive"),
    _beside("wheel", "a Python package", "x-1.0-py3-none-any.whl", _zip({"x.py": b""}), FORMAT, "code.archive"),
    _beside("gzip", "gzip", "weights.gz", gzip.compress(b"x", mtime=0), FORMAT, "code.archive"),
    _beside(
        "gzip_weights", "gzip named like weights", "model-x.safetensors", gzip.compress(b"x" * 99, mtime=0), FORMAT
    ),
    _beside("bzip2", "bzip2", "a", bz2.compress(b"x"), FORMAT, "code.archive"),
    _beside("xz", "xz", "a", lzma.compress(b"x"), FORMAT, "code.archive"),
    _beside(
        "zlib", "a zlib stream, as joblib writes", "a.joblib.z", zlib.compress(bytes(400)), FORMAT, "code.archive"
    ),
    _beside("tar", "a tar whose member climbs out", "a.nemo", _tar(), FORMAT, "code.archive"),
    _beside("zstd", "Zstandard", "a.zst", b"\x28\xb5\x2f\xfd\x24\0\x01\0\0", FORMAT, "code.archive"),
    _beside(
        "zip_behind_readme",
        "a Python program behind a text",
        "README.md",
        b"# Hi\n" + _zip({"__main__.py": b""}),
        FORMAT,
    ),
    _beside(
        "zip_behind_png",
        "a Python program behind a picture",
        "logo.png",
        _PNG + _zip({"__main__.py": b""}),
        FORMAT,
        "code.appended-archive",
    ),
    _beside(
        "zip_behind_png_comment",
        "the same, with a comment and something behind it",
        "logo.png",
        _PNG + _zip({"__main__.py": b""}, comment=b"hello") + b"tail",
        FORMAT,
        "code.appended-archive",
    ),
    _beside(
        "hdf5", "Keras weights", "tf_model.h5", b"\x89HDF\r\n\x1a\n" + bytes(8), FORMAT, "code.foreign-weights"
    ),
    _beside("hdf5_unnamed", "the same under another name", "weights", b"\x89HDF\r\n\x1a\n" + bytes(8), FORMAT),
    _beside("flax", "Flax weights", "flax_model.msgpack", b"\x81\xa1a\x01", FORMAT, "code.foreign-weights"),
    _beside("onnx", "ONNX", "onnx/model.onnx", b"\x08\x07\x12\x07pytorch", FORMAT, "code.foreign-weights"),
    _beside("tflite", "TensorFlow Lite", "a.bin", b"\x1c\0\0\0TFL3" + bytes(8), FORMAT, "code.foreign-weights"),
    _beside("ggml", "the format before GGUF", "a.bin", b"tjgg\x03\0\0\0", FORMAT, "code.foreign-weights"),
]

STRANGERS: list[Case] = [
    _beside("binary", "a binary of no known kind", "blob.bin", b"\x01\x02\x03\0", UNLISTED, "code.unknown-binary"),
    _beside(
        "binary_readme", "a binary named README.md", "README.md", b"# Hi\n\0\x01", UNLISTED, "code.unknown-binary"
    ),
    _beside("binary_png", "no picture at all", "logo.png", b"\x01\x02\x03\0", UNLISTED, "code.unknown-binary"),
    _beside("sqlite", "a database", "cache.db", b"SQLite format 3\0", UNLISTED, "code.unknown-binary"),
    _beside(
        "extra_template",
        "a second chat template",
        "chat_template_2.jinja",
        b"{{ 1 }}",
        UNLISTED,
        "code.unlisted-template",
    ),
    _beside("template_folder", "a named template", "additional_chat_templates/rag.jinja", b"{{ 1 }}", UNLISTED),
    _beside(
        "template_case",
        "a template for macOS alone",
        "Chat_template.jinja",
        b"{{ 1 }}",
        UNLISTED,
        "code.unlisted-template",
    ),
    _beside("git", "a git repository", ".git/config", b"[core]\n", UNLISTED, "code.hidden-directory"),
    _beside("git_hook", "a git hook", ".git/hooks/post-checkout", b"#!/bin/sh\n", CODE, "code.hidden-directory"),
    _beside("git_pointer", "a pointer to a repository elsewhere", ".git", b"gitdir: /elsewhere\n", UNLISTED),
    _beside("github", "a workflow", ".github/workflows/a.yml", b"on: push\n", UNLISTED, "code.hidden-directory"),
    _beside("partial", "a partial download", ".cache/huggingface/download/a.incomplete", b"\0\1", UNLISTED),
    Case(
        "code_lfs_pointer",
        "the weights were never fetched",
        "INTAKE_INCOMPLETE",
        model_files(model__safetensors=b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        "code.lfs-pointer",
    ),
]

HONEST: list[Case] = [
    _good(
        "readme",
        "a model card with code, markup and YAML tags in it",
        "README.md",
        b"---\nlicense: mit\n---\n```python\nimport os\nos.system('ls')\n```\n<script>x</script> !!python/object\n",
    ),
    _good("readme_nb", "begins with two pickle opcodes", "README.md", b"N.B. read this first\n"),
    _good("readme_config", "begins like a pickle's import", "README.txt", b"config\nvalue\nand so on.\n"),
    _good("readme_gguf", "begins like GGUF", "README.md", b"GGUF files are elsewhere\n"),
    _good("readme_mz", "begins like a Windows program", "README.md", b"MZ are two letters\n"),
    _good("readme_pk", "begins like a zip", "README.md", b"PK are two letters\n"),
    _good("readme_latin1", "an older text", "README.txt", "f\u00fcr alle, die es m\u00f6gen\n".encode("latin-1")),
    _good("readme_utf16", "a text from Windows", "NOTICE.txt", "\ufeffHello\r\n".encode("utf-16-le")),
    _good("readme_empty", "an empty file", "README.md", b""),
    _good("license", "a license", "LICENSE", b"Apache License\nVersion 2.0\n"),
    _good("license_second", "a second license", "LICENSE-MODEL.txt", b"Use it well.\n"),
    _good("gitattributes", "how the hub stores files", ".gitattributes", b"*.safetensors filter=lfs -text\n"),
    _good("gitignore", "what git skips", ".gitignore", b"*\n"),
    _good("png", "a picture", "logo.png", _PNG),
    _good("jpeg_as_png", "a picture under another picture's name", "logo.png", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    _good("webp", "a picture", "figure.webp", b"RIFF\x0a\0\0\0WEBPVP8 \0\0"),
    _good("svg", "a drawing", "logo.svg", _SVG),
    _good("svg_script", "a drawing with a script, which nothing here draws", "logo.svg", _SVG + b"<script/>"),
    _good("pdf", "a paper", "paper.pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
    _good("yaml", "a recipe", "recipe.yaml", b"learning_rate: 1e-5\ntags: ['!python']\n"),
    _good("unknown_text", "a text that nobody knows", "recipe.cfg", b"a = 1\n"),
    _good("requirements", "a list of packages", "requirements.txt", b"mlx\n"),
    _good(
        "hub_notes",
        "what a download leaves",
        ".cache/huggingface/download/config.json.metadata",
        b"abc\ndef\n1.0\n",
    ),
    _good("hub_lock", "what a download leaves", ".cache/huggingface/download/config.json.lock", b""),
    _good("ds_store", "what the Finder leaves", ".DS_Store", b"\0\0\0\x01Bud1" + bytes(32)),
    _good("backup", "what an editor leaves", "README.md~", b"# Hi\n"),
    _good("signature", "a signature, judged elsewhere", "model.sig", _SIGNED),
    _good(
        "empty_archive_behind_png",
        "the end of an archive without members",
        "logo.png",
        _PNG + b"PK\x05\x06" + bytes(18),
    ),
]

CASES: list[Case] = [*PICKLES, *PROGRAMS, *ARCHIVES, *STRANGERS, *HONEST]
