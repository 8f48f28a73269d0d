"""What no reader can refuse for certain is contained: it ends as a typed error in its cell, and the caller goes on.

Templates are rendered with Jinja's sandbox and no bound of ours: the limits and the wall hold them. What needs MLX or
tokenizers is in tests/conformance/test_contained_by_engines.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from attack_cases.base import CORPUS
from cell_tools import LINUX_ONLY, Events, last_reply, make_sealed, open_cell

from ostiary.core.tickets import SealedModel
from ostiary.errors import CODES

pytestmark = LINUX_ONLY

# How each may end: with an answer (""), or with one of these codes. What they do by themselves: manifest.json.
TEMPLATES: Final = {
    "dir_tpl_jinja_file": "WORKER_CPU_TIME",
    "dir_tpl_loop": "WORKER_CPU_TIME",
    "dir_tpl_membomb": "WORKER_OUT_OF_MEMORY",
    "dir_tpl_recursion": "WORKER_ENGINE_FAILED",
    "dir_tpl_role_inject": "",
}
BY_ENGINES: Final = {
    "dir_cfg_rope_zero",
    "dir_tok_eos_steal",
    "dir_tok_redos",
    "gguf_q4_short_name",
    "gguf_type_q2k",
    "st_many_tensors",
}
CASES: Final = {
    case["name"]: case
    for case in json.loads((CORPUS / "manifest.json").read_text())["cases"]
    if case["expected"] == "contain"
}
OWN: Final = {
    "nested ranges": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "WORKER_CPU_TIME",
    ),
    "a power of a power": ("{{ 9**(9**9) }}", "WORKER_CPU_TIME"),
    "doubling": (
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "WORKER_OUT_OF_MEMORY",
    ),
    "a wide format": ("{{ '%99999999999d' % 1 }}", "WORKER_OUT_OF_MEMORY"),
    "a wide centre": ("{{ 'a'.center(99999999999) }}", "WORKER_OUT_OF_MEMORY"),
    "a list times a number": ("{{ [1] * 99999999999 }}", "WORKER_OUT_OF_MEMORY"),
    "a template that reaches out": ("{{ cycler.__init__.__globals__.os.getpid() }}", "WORKER_ENGINE_FAILED"),
    "a template that includes": ("{% include '/etc/passwd' %}", "WORKER_ENGINE_FAILED"),
    "a filter that nobody has": ("{{ 1 | nothing }}", "WORKER_ENGINE_FAILED"),
}
SETTINGS: Final = {"libraries": ["jinja2.sandbox"]}
VARIABLES: Final = {"messages": [{"role": "user", "content": "hi"}], "bos_token": "<s>", "eos_token": "</s>"}


def seal_directory(model: Path) -> SealedModel:
    """As if somebody had vouched for it."""
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    weights = {name: data for name, data in files.items() if name.endswith(".safetensors")}
    return make_sealed({name: data for name, data in files.items() if name not in weights}, weights)


def find_template(sealed: SealedModel) -> str:
    """As transformers finds it: the file before the field."""
    if "chat_template.jinja" in sealed.contents:
        return sealed.contents["chat_template.jinja"].decode()
    return str(json.loads(sealed.contents["tokenizer_config.json"])["chat_template"])


def test_every_case_that_must_be_contained_is_here() -> None:
    assert {*TEMPLATES, *BY_ENGINES} == set(CASES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_hostile_template_of_the_corpus_is_contained(name: str, corpus: Path) -> None:
    sealed = seal_directory(corpus / CASES[name]["path"])
    _render(sealed, find_template(sealed), TEMPLATES[name])


@pytest.mark.parametrize(("template", "code"), OWN.values(), ids=OWN)
def test_a_template_of_our_own_is_contained(template: str, code: str) -> None:
    _render(make_sealed(weights={}), template, code)


def _render(sealed: SealedModel, template: str, code: str) -> None:
    events = Events()
    body = {"template": template, "variables": VARIABLES}
    with open_cell(events, sealed=sealed, settings=SETTINGS, cpu_seconds=1, memory_bytes=256 << 20) as cell:
        if code:
            with pytest.raises(Exception, match=CODES[code].name) as caught:
                list(cell.call("render_template", body))
            assert caught.value.correlation_id  # type: ignore[attr-defined]
        else:
            assert "hi" in last_reply(cell.call("render_template", body)).body["text"]
        assert last_reply(cell.call("echo", {"still": "there"})).body == {"still": "there"}
    assert "cell.call_denied" not in events.kinds
