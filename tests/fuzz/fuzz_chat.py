"""Fuzzes rendering: any template with any message ends soon, in a text or a refusal; and what a message spells is text.

The first is Jinja within our bounds. The second holds for a template that does not itself write what it finds.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.worker.engines.contract import CallUnfit, ModelUnfit
    from ostiary.worker.engines.language.chat_template import Chat, ChatTemplates
    from ostiary.worker.engines.language.control_tokens import FIRST_MARK, find_controls, holds_reserved
    from ostiary.worker.engines.language.shield import Shield

WORDS = tuple(
    """{{ }} {% %} {%- -%} if else elif endif for in endfor set endset macro endmacro filter endfilter generation
    endgeneration break continue messages m x y loop ns namespace( range( dict( ( ) [ ] { } , : . | ~ + - * / // % ** ==
    is defined string list join join( replace( map( select indent( center( format( tojson upper lower reverse trim 'a' "b"
    '%s' '{0}' '%9999999d' 0 1 9 99999 10**9 .upper() .join( .format( .split( .replace( ['a'] [::-1] [0] .content .role =
    messages[0] messages[0].content""".split()
)  # fmt: skip
CONTROLS = ("<|im_start|>", "<|im_end|>", "</s>", "[INST]", "STOP")
PLAIN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
BUSY = (
    "{% for m in messages %}{{ m.content | upper }}{{ m.content | lower }}{{ m.content | trim }}{{ m.name ~ m.content }}"
    "{{ m.content[:3] }}{{ m.content[3:] }}{{ m.content | tojson }}{{ '<' ~ m.content ~ '>' }}{{ '[' + m.name + ']' }}"
    "{{ m.content | replace('-', '') }}{{ m.content.split('x') | join('') }}{% endfor %}"
)
"""It writes no control token, so nothing that it makes of a message may be one."""
_ADDED = [{"id": place, "content": word, "special": True} for place, word in enumerate(CONTROLS)]

_TEMPLATES = ChatTemplates({"default": BUSY}, {})
_SHIELD = Shield(find_controls({"added_tokens": _ADDED}, [], BUSY, []), tuple(_TEMPLATES.literals))


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    text = data[:200].decode("utf-8", "replace")
    render(" ".join(WORDS[byte % len(WORDS)] for byte in data[:80]), text)
    render("{{ " + " ".join(WORDS[byte % len(WORDS)] for byte in data[80:110]) + " }}", text)
    spelled = "".join((*CONTROLS, "<", "|", ">", "im_end", "ST", "OP")[byte % 11] for byte in data[:40])
    for content in (text, spelled):
        check_shield(content)
        check_busy(content, text[:20])


def render(source: str, content: str) -> None:
    try:
        templates = ChatTemplates({"default": source}, {})
        templates.render(Chat([{"role": "user", "content": content}]))
    except (CallUnfit, ModelUnfit) as refusal:
        if not str(refusal).isprintable():
            raise AssertionError(str(refusal)) from refusal


def check_shield(content: str) -> None:
    if holds_reserved(content):
        return
    controls = find_controls({"added_tokens": _ADDED}, [], PLAIN, [])
    templates = ChatTemplates({"default": PLAIN}, {})
    shield = Shield(controls, tuple(templates.literals))
    rendered = shield.read(templates.render(Chat([{"role": "user", "content": shield.cover_shown(content)}])))
    if sum(ord(character) >= FIRST_MARK for character in rendered) != 2:
        raise AssertionError(f"a control token out of {content!r}")
    if controls.spell(rendered) != f"<|im_start|>user\n{content}<|im_end|>\n":
        raise AssertionError(f"another text out of {content!r}")


def check_busy(content: str, name: str) -> None:
    if holds_reserved(content + name):
        return
    message = {"role": "user", "content": _SHIELD.cover_shown(content), "name": _SHIELD.cover_shown(name)}
    rendered = _SHIELD.read(_TEMPLATES.render(Chat([message])))
    if any(ord(character) >= FIRST_MARK for character in rendered):
        raise AssertionError(f"a control token out of {content!r} and {name!r}")


if __name__ == "__main__":
    from pathlib import Path

    from text_seeds import arguments_with_inputs

    published = Path(__file__).resolve().parent.parent / "unit" / "intake" / "templates" / "published"
    seeds = [path.read_bytes() for path in sorted(published.glob("*.jinja"))]
    atheris.Setup(arguments_with_inputs(sys.argv, [*seeds, "".join(CONTROLS).encode()]), TestOneInput)
    atheris.Fuzz()
