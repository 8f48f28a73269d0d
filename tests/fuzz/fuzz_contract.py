"""Fuzzes the reader of contract.json, with what follows from it: terms that come back as they were, or one refusal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.contract import TextContract, check_request, make_samples
    from ostiary.core.terms.list_bounds import compare_terms
    from ostiary.core.terms.parse_terms import parse_language_terms
    from ostiary.core.terms.render_terms import render_contract
    from ostiary.core.terms.values import HOUSE_TERMS
    from ostiary.errors import ContractRefused, IntakeRefused
    from ostiary.intake.read_contract import check_contract, parse_contract

from contract_files import FULL, LEAST, contract_file

WORDS = (
    "prompt prompt_ids messages tools documents template_options text user system NFC NFKC apply refuse remove keep "
    "range allowed max min max_items max_tokens max_characters roles json stop is_batch control tags BYTES INT64"
).split()


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(data)
    provider = atheris.FuzzedDataProvider(data)
    value = json.loads(json.dumps(FULL if provider.ConsumeBool() else LEAST))
    for _ in range(provider.ConsumeIntInRange(1, 4)):
        change(value, provider)
    read(json.dumps(value).encode())


def change(value: Any, provider: atheris.FuzzedDataProvider) -> None:
    """Somewhere below, something else, or one more, or one less."""
    names: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not names:
        return
    name = names[provider.ConsumeIntInRange(0, len(names) - 1)]
    if isinstance(value[name], dict | list) and provider.ConsumeIntInRange(0, 4):
        change(value[name], provider)
        return
    match provider.ConsumeIntInRange(0, 3):
        case 0:
            del value[name]
        case 1 if isinstance(value, dict):
            value[WORDS[provider.ConsumeIntInRange(0, len(WORDS) - 1)]] = any_value(provider)
        case _:
            value[name] = any_value(provider)


def any_value(provider: atheris.FuzzedDataProvider) -> Any:
    match provider.ConsumeIntInRange(0, 7):
        case 0:
            return provider.ConsumeIntInRange(-2, 300)
        case 1:
            return provider.ConsumeInt(8)
        case 2:
            return provider.ConsumeRegularFloat()
        case 3:
            return [True, False, None][provider.ConsumeIntInRange(0, 2)]
        case 4:
            return [provider.ConsumeIntInRange(-1, 9) for _ in range(provider.ConsumeIntInRange(0, 3))]
        case 5:
            return [WORDS[provider.ConsumeIntInRange(0, len(WORDS) - 1)]]
        case 6:
            return {}
        case _:
            return WORDS[provider.ConsumeIntInRange(0, len(WORDS) - 1)]


def read(data: bytes) -> None:
    try:
        terms = parse_contract(data)
    except IntakeRefused as refusal:
        if not refusal.message.isprintable() or len(refusal.message) > 2_000:
            raise AssertionError(refusal.message) from refusal
        return
    if parse_language_terms(json.loads(render_contract(terms))) != terms or compare_terms(terms, terms):
        raise AssertionError(terms)
    compare_terms(terms, HOUSE_TERMS)
    check_contract(terms, 64, 128)
    contract = TextContract(64, 128, 128, terms)
    for sample in make_samples(contract):
        rule = None
        try:
            check_request(sample.request, contract)
        except ContractRefused as refused:
            rule = refused.rule
        if rule != sample.rule and not sample.asks_engine:
            raise AssertionError((sample, rule))


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    seeds = [contract_file(), contract_file(FULL)]
    atheris.Setup(arguments_with_inputs(sys.argv, seeds), TestOneInput)
    atheris.Fuzz()
