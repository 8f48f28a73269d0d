"""Keys that carry code: each strikes at any depth, and none on what merely looks like it."""

from __future__ import annotations

import pytest

from ostiary.core.limits import MAX_CODE_FINDINGS
from ostiary.intake.code.find_code_in_json import find_code_in_json
from ostiary.intake.read_json import JsonValue

STRIKES: list[tuple[str, JsonValue]] = [
    ("reference.model-file", {"model_file": "evil.py"}),
    ("reference.model-file", {"text_config": {"a": [{"model_file": ""}]}}),
    ("reference.auto-map", {"auto_map": {"AutoConfig": "configuration_x.XConfig"}}),
    ("reference.auto-map", {"auto_map": ["tok.Tok", None]}),
    ("reference.auto-map", {"auto_map": "x.Y"}),
    ("reference.remote", {"anything": ["owner/repo--module.Class"]}),
    ("reference.remote", "owner/repo--pkg.module.Class"),
    ("reference.trust-asked", {"trust_remote_code": True}),
    ("reference.custom-pipeline", {"custom_pipelines": {"task": {"impl": "pipe.Pipe"}}}),
    ("reference.kernel", {"attn_implementation": "owner/flash-attn"}),
    ("reference.kernel", {"_attn_implementation": {"text_config": "owner/k@main:flash"}}),
    ("reference.kernel", {"experts_implementation": "owner/k"}),
    ("reference.object", {"optim": {"_target_": "os.system"}}),
    ("reference.object", {"py/object": "subprocess.Popen"}),
    ("reference.object", {"py/reduce": [{"py/function": "os.system"}]}),
    ("reference.parent-library", {"auto_mapping": {"parent_library": "evil"}}),
    ("reference.parent-library", {"parent_library": "transformersx.models"}),
]


@pytest.mark.parametrize(("rule", "value"), STRIKES)
def test_strikes(rule: str, value: JsonValue) -> None:
    found = find_code_in_json(value)
    assert rule in [finding.rule.id for finding in found]
    assert all(finding.is_refusing for finding in found)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"model_file": None, "auto_map": None, "trust_remote_code": False},
        {"auto_map": {}},
        {"custom_pipelines": {}},
        {"vocab": {"model_file": 5, "auto_map": 6, "_target_": 7, "trust_remote_code": 1, "py/object": 8}},
        {"attn_implementation": "sdpa", "_attn_implementation": {"": "eager", "text": None}},
        {"tokenizer_file": "tokenizer.json", "vocab_file": "vocab.txt"},
        {"auto_mapping": {"base_model_class": "X", "parent_library": "transformers.models.llama.modeling_llama"}},
        {"merges": ["a/b--", "--", "a/b--c", "x--y.Z", "-- /--."]},
        {"chat_template": "see owner/repo--module.Class in the text"},
        {"eos_token": "</s>", "added_tokens": [{"content": "<!--a/b.c-->"}]},
    ],
)
def test_stays_silent(value: JsonValue) -> None:
    assert find_code_in_json(value) == ()


def test_a_list_of_findings_ends() -> None:
    assert len(find_code_in_json([{"model_file": "a.py"}] * 1_000)) == MAX_CODE_FINDINGS


def test_a_very_deep_value_needs_no_stack() -> None:
    value: JsonValue = {"model_file": "a.py"}
    for _ in range(100_000):
        value = [value]
    assert len(find_code_in_json(value)) == 1
    while isinstance(value, list):
        value = value.pop()


def test_what_is_shown_is_quoted() -> None:
    (finding,) = find_code_in_json({"model_file": "\x1b[31m\n"})
    assert finding.detail.isprintable()
