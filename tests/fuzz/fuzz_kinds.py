"""Fuzzes the recognition of files and the search for code in them: any name, any bytes, any claimed size."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.core.limits import MAX_HEAD_BYTES
    from ostiary.core.tickets import FileKind
    from ostiary.intake.code.find_code import find_in_file
    from ostiary.intake.code.kinds import recognise_file

PATHS = (
    "model.safetensors config.json README.md tokenizer.model x.npz pytorch_model.bin logo.svg a.yaml paper.pdf "
    "vocab.txt chat_template.jinja sub/x.jinja model.sig .git/config .cache/huggingface/x.metadata .DS_Store x"
).split()


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    provider = atheris.FuzzedDataProvider(data)
    path = PATHS[provider.ConsumeIntInRange(0, len(PATHS) - 1)]
    if provider.ConsumeBool():
        path = provider.ConsumeUnicode(20)
    more = provider.ConsumeIntInRange(0, 1 << 40) if provider.ConsumeBool() else 0
    content = provider.ConsumeBytes(1 << 20)
    size = len(content) + more
    kind = recognise_file(path, content[:MAX_HEAD_BYTES], size)
    if not isinstance(kind, FileKind):
        raise TypeError(kind)
    for finding in find_in_file(path, kind, content, content[-4096:], size):
        if finding.path != path or len(finding.sentence) > 1_000 or "\n" in finding.sentence:
            raise AssertionError(finding)


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
