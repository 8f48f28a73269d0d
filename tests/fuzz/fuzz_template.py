"""Fuzzes chat templates: as text, and as rows of the words that templates are made of."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.templates import judge_template  # noqa: F401 - the reader imports it late; here it is instrumented
    from ostiary.intake.templates.read_template import find_in_template

WORDS = tuple(
    """{{ }} {% %} {%- -%} if else elif endif for in endfor set endset macro endmacro call endcall with endwith filter
    endfilter block endblock generation endgeneration break include import as extends recursive raw endraw messages m x
    y loop ns namespace( range( dict( cycler lipsum self f( caller() ( ) [ ] { } , : . | ~ + - * / // % ** == not and or
    is defined string list join join( replace( attr( map( select indent( center( format( tojson upper lower reverse
    '__class__' '__cl' 'ass__' 'a' "b" '%s' '{0}' '%9999d' 0 1 9 99999 10**9 1e308 .upper() .join( .format( ['a'] [::-1]
    =""".split()
)  # fmt: skip


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    judge(data[:1_000].decode("utf-8", "replace"))
    judge(" ".join(WORDS[byte % len(WORDS)] for byte in data[:100]))
    judge("{{ " + " ".join(WORDS[byte % len(WORDS)] for byte in data[100:140]) + " }}")


def judge(text: str) -> None:
    for finding in find_in_template(text):
        if "\n" in finding.sentence or len(finding.sentence) > 2_000:
            raise AssertionError(finding)


if __name__ == "__main__":
    import json
    from pathlib import Path

    from text_seeds import arguments_with_inputs

    corpus = Path(__file__).resolve().parent.parent / "attacks" / "corpus" / "dirs"
    published = Path(__file__).resolve().parent.parent / "unit" / "intake" / "templates" / "published"
    texts = [
        json.loads(path.read_bytes())["chat_template"]
        for path in sorted(corpus.glob("tpl_*/tokenizer_config.json"))
    ]
    seeds = [*(text.encode() for text in texts), *(path.read_bytes() for path in sorted(published.glob("*.jinja")))]
    atheris.Setup(arguments_with_inputs(sys.argv, seeds), TestOneInput)
    atheris.Fuzz()
