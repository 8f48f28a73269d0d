"""contract.json: bounds that nobody would hold, that mean two things, or that belong to another model."""

from __future__ import annotations

import json
from typing import Any

from contract_files import FULL, IDS, LEAST, MESSAGES, OPTIONS, PROMPT, TEXT, TOOLS, contract_file

from attack_cases.base import ACCEPT, Case, model_files

MALFORMED, INCONSISTENT, TOO_LARGE = "INTAKE_MALFORMED", "INTAKE_INCONSISTENT", "INTAKE_TOO_LARGE"


def _case(name: str, what: str, expect: str, rule: str | None, data: bytes, /) -> Case:
    files = {**model_files(), "contract.json": data}
    return Case(f"contract_{name}", what, expect, files, rule)


def _bad(case: str, what: str, rule: str, /, **changes: Any) -> Case:
    return _case(case, what, MALFORMED, f"contract.{rule}", contract_file(**changes))


def _input(**changes: Any) -> list[Any]:
    return [{**PROMPT, **changes}]


def _output(**changes: Any) -> list[Any]:
    return [{**TEXT, **changes}]


CASES: list[Case] = [
    _case("least", "nothing but what must be there", ACCEPT, None, contract_file()),
    _case("full", "every field there is", ACCEPT, None, contract_file({**FULL, "vocabulary": 64, "context_tokens": 64,
          "outputs": _output(max_tokens=40), "dims": {}})),
    _case("house", "the house's own bounds, spelled", ACCEPT, None,
          contract_file(parameters={"temperature": {"range": [0, 100]}, "top_p": {}})),
    Case(
        "contract_in_folder", "one that lies in a folder, where nobody reads it", ACCEPT,
        {**model_files(), "notes/contract.json": contract_file()}, "contract.unused"),
    Case(
        "contract_in_folder_bad", "a bad one in a folder is refused all the same", MALFORMED,
        {**model_files(), "notes/contract.json": b"{}"}, "contract.missing-field"),
    _case("empty", "no bytes", MALFORMED, "json.malformed", b""),
    _case("list", "a list", MALFORMED, "json.not-an-object", b"[]"),
    _case("twice", "a bound that stands there twice", "INTAKE_DUPLICATE_NAME", "json.duplicate-key",
          contract_file()[:-1] + b', "context_tokens": 8, "context_tokens": 64}'),
    _case("bom", "a byte order mark", MALFORMED, "json.byte-order-mark", b"\xef\xbb\xbf" + contract_file()),
    _case("nan", "a bound that is no number", MALFORMED, "json.not-finite",
          contract_file().replace(b"[1]", b"[NaN]")),
    _case("large", "more than people read", TOO_LARGE, "json.too-large", contract_file() + b" " * 70_000),
    _case("many", "many values in a small text", TOO_LARGE, "json.too-many-values",
          contract_file(inputs=[[] for _ in range(10_000)])),
    _case("deep", "nested without end", TOO_LARGE, "json.too-deep", b"[" * 200 + b"]" * 200),
    _bad("format", "another format", "format", format="acme.contract"),
    _bad("no_format", "no format", "missing-field", format=None),
    _bad("version_2", "a version that may forbid what this one lets through", "unknown-version", version=2),
    _bad("version_float", "a version that is no whole number", "unknown-version", version=1.0),
    _bad("version_true", "a version that is a boolean", "unknown-version", version=True),
    _bad("version_text", "a version that is a text", "unknown-version", version="1"),
    _bad("platform", "a platform that nobody knows", "platform", platform="tensorrt_plan"),
    _bad("platform_number", "a platform that is a number", "wrong-type", platform=1),
    _bad("unknown", "a bound that nobody would hold", "unknown-field", max_tokns=5),
    _bad("unknown_input_bound", "a bound of an input that is misspelled", "unknown-field",
         inputs=_input(max_caracters=5)),
    _bad("bound_of_another", "roles of a prompt", "unknown-field", inputs=_input(roles=["user"])),
    _bad("unknown_output_bound", "a bound of the output that is misspelled", "unknown-field", outputs=_output(maxtokens=1)),
    _bad("unknown_parameter", "an option that no request has", "unknown-field", parameters={"best_of": {}}),
    _bad("unknown_parameter_bound", "a range of a flag", "unknown-field", parameters={"parse_special": {"range": [0, 1]}}),
    _bad("unknown_dim", "a dimension that is none", "unknown-field", dims={"batch": {"max": 4}}),
    _bad("unknown_class", "a class of characters that is none", "unknown-field", text={"characters": {"emoji": "refuse"}}),
    _bad("unknown_text", "a rule for texts that is none", "unknown-field", text={"languages": ["en"]}),
    _bad("no_inputs", "no inputs", "missing-field", inputs=None),
    _bad("no_outputs", "no outputs", "missing-field", outputs=None),
    _bad("empty_inputs", "an empty list of inputs", "contradiction", inputs=[]),
    _bad("tools_alone", "tools, and nothing to ask", "contradiction", inputs=[TOOLS, OPTIONS]),
    _bad("input_twice", "two bounds for one input", "contradiction",
         inputs=[{**PROMPT, "max_tokens": 5}, {**PROMPT, "max_tokens": 50}]),
    _bad("unknown_input", "an input that is none", "unknown-field", inputs=[PROMPT, {**PROMPT, "name": "image"}]),
    _bad("two_outputs", "two outputs", "contradiction", outputs=[TEXT, TEXT]),
    _bad("other_output", "another output", "wrong-type", outputs=_output(name="logits")),
    _bad("datatype", "a text that is numbers", "wrong-type", inputs=_input(datatype="FP32")),
    _bad("shape", "a prompt of two", "wrong-type", inputs=_input(shape=[2])),
    _bad("shape_true", "a shape that is a boolean, which equals 1", "wrong-type", inputs=_input(shape=[True])),
    _bad("shape_float", "a shape that is no whole number", "wrong-type", inputs=_input(shape=[1.0])),
    _bad("dims_of_another", "messages that count tokens", "wrong-type", inputs=[{**MESSAGES, "dims": ["tokens"]}]),
    _bad("no_shape", "an input without its shape", "missing-field", inputs=[{"name": "prompt", "datatype": "BYTES"}]),
    _bad("zero", "a context of nothing", "beyond-house", context_tokens=0),
    _bad("negative", "a bound below nothing", "beyond-house", inputs=_input(max_tokens=-1)),
    _bad("huge", "a context beyond what can be counted", "beyond-house", context_tokens=1 << 40),
    _bad("wider_characters", "more characters than the house takes", "beyond-house", inputs=_input(max_characters=1 << 30)),
    _bad("wider_choices", "more answers than the house gives", "beyond-house", dims={"choices": {"max": 17}}),
    _bad("wider_range", "hotter than the house takes", "beyond-house", parameters={"temperature": {"range": [0, 101]}}),
    _bad("wider_items", "more biases than the house takes", "beyond-house", parameters={"logit_bias": {"max_items": 5000}}),
    _bad("wider_stop", "more stop texts than the house takes", "beyond-house", outputs=_output(stop=[str(n) for n in range(17)])),
    _bad("empty_stop", "a stop text that is everywhere", "beyond-house", outputs=_output(stop=[""])),
    _bad("stop_number", "a stop text that is a number", "wrong-type", outputs=_output(stop=[1])),
    _bad("upside_down", "a range that nothing is in", "contradiction", parameters={"temperature": {"range": [1, 0]}}),
    _bad("min_above_max", "fewer than there must be", "contradiction", inputs=[MESSAGES],
         dims={"messages": {"min": 3, "max": 2}}),
    _bad("answers_at_least", "nobody may ask for one answer alone", "beyond-house", dims={"choices": {"min": 2}}),
    _bad("range_of_three", "a range of three numbers", "wrong-type", parameters={"top_p": {"range": [0, 1, 1]}}),
    _bad("range_text", "a range of texts", "wrong-type", parameters={"top_p": {"range": ["0", "1"]}}),
    _bad("range_true", "a range of booleans", "wrong-type", parameters={"top_p": {"range": [False, True]}}),
    _bad("fraction_of_top_k", "half a token", "wrong-type", parameters={"top_k": {"range": [0.5, 2]}}),
    _bad("role", "a role that is none", "beyond-house", inputs=[{**MESSAGES, "roles": ["god"]}]),
    _bad("roles_empty", "no role at all", "contradiction", inputs=[{**MESSAGES, "roles": []}]),
    _bad("roles_twice", "a role twice", "contradiction", inputs=[{**MESSAGES, "roles": ["user", "user"]}]),
    _bad("form", "a normal form that is none", "beyond-house", text={"normalization": {"form": "NFX", "action": "apply"}}),
    _bad("form_alone", "a normal form and nothing to do", "missing-field", text={"normalization": {"form": "NFC"}}),
    _bad("form_removed", "a normal form that is removed", "beyond-house",
         text={"normalization": {"form": "NFC", "action": "remove"}}),
    _bad("class_applied", "characters that are applied", "beyond-house", text={"characters": {"tags": "apply"}}),
    _bad("flag_number", "an allowed flag that is a number", "wrong-type", parameters={"ignore_eos": {"allowed": [0]}}),
    _bad("json_and_tools", "answers that are JSON and call tools", "contradiction", inputs=[MESSAGES, TOOLS],
         outputs=_output(json=True)),
    _bad("json_number", "JSON that is a number", "wrong-type", outputs=_output(json=1)),
    _bad("batch_elsewhere", "a batch of messages", "wrong-type", inputs=[MESSAGES], dims={"messages": {"is_batch": True}}),
    _bad("dim_without_input", "a bound of what is not taken", "contradiction", dims={"messages": {"max": 4}}),
    _bad("ids_past_vocabulary", "token ids past its own vocabulary", "contradiction", vocabulary=32,
         inputs=[{**IDS, "range": [0, 32]}]),
    _bad("prompt_past_context", "a prompt longer than its own context", "contradiction", context_tokens=8,
         inputs=_input(max_tokens=9)),
    _bad("answer_past_context", "an answer longer than its own context", "contradiction", context_tokens=8,
         outputs=_output(max_tokens=9)),
    _bad("name_unseen", "a name with what is not seen", "wrong-type", name="acme\u202e/tiny"),
    _bad("name_long", "a name without end", "beyond-house", name="a" * 201),
    _case("vocabulary", "a vocabulary that the model does not have", INCONSISTENT, "contract.other-model",
          contract_file(vocabulary=1_000_000)),
    _case("context", "a context that the model does not have", INCONSISTENT, "contract.other-model",
          contract_file(context_tokens=1 << 24)),
    _case("ids", "token ids that the model does not have", INCONSISTENT, "contract.other-model",
          contract_file(inputs=[{**IDS, "range": [0, 1_999_999]}])),
    _case("escape", "an escape sequence in a field's name", MALFORMED, "contract.unknown-field",
          json.dumps({**LEAST, "\x1b[2J": 1}).encode()),
    Case("contract_alone", "a contract and nothing else", "INTAKE_INCOMPLETE", {"contract.json": contract_file()}),
    Case("contract_single", "a contract as a single file", "INTAKE_INCOMPLETE", {"contract.json": contract_file()}, single=True),
    Case("contract_named_alike", "one whose name only looks so", "INTAKE_UNSAFE_NAME",
         {**model_files(), "c\u043entract.json": contract_file()}),
]  # fmt: skip
