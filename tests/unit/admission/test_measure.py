"""What a request is reckoned to need, from its own fields and from verified facts; and how much there is."""

from __future__ import annotations

import pytest

from ostiary.admission.measure import Density, measure_request, measure_tensors
from ostiary.admission.pace import Pace
from ostiary.admission.room import ROWS, Costs, Room, derive_room
from ostiary.core.limits import MAX_REMEMBERED_TENANTS
from ostiary.core.requests import Operation
from ostiary.core.tickets import CheckedRequest, CheckedTensors, FunctionFacts, ModelFacts

MIB = 1 << 20
COSTS = Costs(per_token=1_000, at_most=1_000 * 4_096, score_bytes=10, context_tokens=4_096)
ROOM = Room(rows=72, bytes=1 << 40, largest_bytes=1 << 40, costs=COSTS)


def _facts(**changes: object) -> ModelFacts:
    values: dict[str, object] = {
        "format": "safetensors",
        "architecture": "llama",
        "layers": 4,
        "hidden_size": 256,
        "vocabulary": 1_000,
        "context_tokens": 2_048,
        "quantization": None,
        "parameters": 1_000_000,
        "tensors": (),
        "weight_bytes": 100 * MIB,
        "cache_bytes_per_token": 8_192,
        "cache_bytes_at_context": 8_192 * 2_048,
        "layout_checked": True,
    }
    return ModelFacts(**{**values, **changes})  # type: ignore[arg-type]


def _checked(
    operation: Operation = Operation.GENERATE, *, choices: int = 1, most: int = 100, **body: object
) -> CheckedRequest:
    return CheckedRequest(
        operation=operation,
        body=body,  # type: ignore[arg-type]
        choices=choices,
        most_tokens=most,
        token_ids=None,
        stop=(),
        logprobs=None,
        timeout_seconds=None,
    )


def test_token_ids_are_counted_and_texts_estimated() -> None:
    exact = measure_request(_checked(prompt=[1] * 300), "anna", ROOM, Density())
    guessed = measure_request(_checked(prompt="x" * 299), "anna", ROOM, Density())
    assert (exact.prompt_tokens, exact.characters) == (300, 0)
    assert (guessed.prompt_tokens, guessed.characters) == (120, 300)


def test_messages_are_searched_to_their_ends_whatever_their_depth() -> None:
    deep: object = "x" * 1_000
    for _ in range(5_000):
        deep = [deep]
    claim = measure_request(
        _checked(Operation.CHAT, messages=[{"role": "user", "content": deep}]), "anna", ROOM, Density()
    )
    assert claim.characters > 1_000


def test_other_scripts_have_more_tokens() -> None:
    latin = measure_request(_checked(prompt="a" * 900), "anna", ROOM, Density())
    other = measure_request(_checked(prompt="\u6f22" * 900), "anna", ROOM, Density())
    assert other.prompt_tokens > 2 * latin.prompt_tokens


def test_what_answers_tell_of_prompts_is_learned_within_bounds() -> None:
    density = Density()
    for _ in range(60):
        density.note("anna", 100, 100)
    assert density.estimate("anna", 1_000) == 1_000
    for _ in range(60):
        density.note("anna", 100, 1 << 40)  # a worker that lies
    assert density.estimate("anna", 1_000) == 1_000
    for _ in range(200):
        density.note("anna", 10_000, 0)
    assert 100 <= density.estimate("anna", 1_000) <= 130
    density.note("anna", 0, 7)


def test_short_prompts_make_no_room_for_long_ones_of_another_kind() -> None:
    """Else a tenant would use many times its limit, minute by minute: little would be held for what turns out much."""
    density = Density()
    for _ in range(50):
        density.note("greedy", 8_000, 8_000)
    for _ in range(200):
        density.note("greedy", 100, 10)
    assert density.estimate("greedy", 8_000) == 8_000


def test_what_was_sent_long_ago_counts_less() -> None:
    density = Density()
    for _ in range(100):
        density.note("anna", 100_000, 100_000)
    for _ in range(200):
        density.note("anna", 100_000, 20_000)
    assert 200 <= density.estimate("anna", 1_000) <= 260


def test_memory_is_for_prompt_and_answers_in_the_steps_of_a_cache() -> None:
    one = measure_request(_checked(prompt=[1] * 200, most=100), "anna", ROOM, Density())
    assert one.bytes == 512 * 1_000 + 10 * 128 * 300
    several = measure_request(_checked(prompt=[1] * 200, most=100, choices=3), "anna", ROOM, Density())
    assert several.bytes == 3 * 512 * 1_000 + 10 * 128 * 300
    assert several.rows == 3


def test_only_what_was_asked_for_can_be_too_much_for_certain() -> None:
    silent = measure_request(_checked(prompt=[1] * 200, most=4_000), "anna", ROOM, Density())
    said = measure_request(_checked(prompt=[1] * 200, most=4_000, max_tokens=3_000), "anna", ROOM, Density())
    assert silent.least_bytes == 200 * 1_000
    assert silent.field == "prompt"
    assert (said.least_bytes, said.field) == (3_200 * 1_000, "max_tokens")


@pytest.mark.parametrize("tokens", [1, 100, 1_000, 4_096, 100_000])
def test_the_least_is_never_above_what_layers_with_windows_take(tokens: int) -> None:
    whole, windowed, window = 3, 5, 512

    def take(count: int) -> int:
        return whole * count + windowed * min(count, window)

    costs = Costs(per_token=whole + windowed, at_most=take(4_096), context_tokens=4_096)
    assert costs.least_bytes(tokens, 1) <= take(min(tokens, 4_096)) <= costs.most_bytes(tokens, 1)


def test_counting_tokens_takes_no_memory_and_texts_to_embed_go_one_by_one() -> None:
    render = measure_request(_checked(Operation.RENDER, choices=0, most=0, messages=[]), "anna", ROOM, Density())
    embed = measure_request(_checked(Operation.EMBED, choices=0, most=0, text="abc"), "anna", ROOM, Density())
    assert (render.bytes, render.rows) == (0, 1)
    assert embed.is_serial
    assert not render.is_serial


def test_tensors_are_reckoned_by_their_bytes() -> None:
    checked = CheckedTensors({}, (memoryview(bytes(8_192)), memoryview(bytes(4_096))), (), None)
    claim = measure_tensors(checked, "anna")
    assert (claim.bytes, claim.work, claim.field) == (4 * 12_288, 4, "inputs")


def test_the_room_is_what_weights_and_libraries_leave_in_each_process() -> None:
    room = derive_room(_facts(), 1_000 * MIB, workers=2)
    assert (room.rows, room.bytes) == (2 * ROWS, 2 * (1_000 - 100 - 256) * MIB)
    assert room.largest_bytes == (1_000 - 100 - 144) * MIB
    assert room.costs == Costs(per_token=8_192, at_most=8_192 * 2_048, score_bytes=32, context_tokens=2_048)


def test_where_facts_are_missing_nothing_is_refused_for_certain() -> None:
    facts = _facts(cache_bytes_per_token=None, cache_bytes_at_context=None)
    room = derive_room(facts, 1_000 * MIB)
    claim = measure_request(_checked(prompt=[1] * 200, max_tokens=1 << 20, most=1 << 20), "anna", room, Density())
    assert claim.least_bytes == 0
    assert claim.bytes > 0


def test_a_model_that_leaves_no_room_still_has_some() -> None:
    room = derive_room(_facts(), 50 * MIB)
    assert (room.bytes, room.largest_bytes) == (0, 0)


def test_a_function_has_calls_and_no_tokens() -> None:
    function = FunctionFacts("f", 1, 1, (), (), (), ())
    room = derive_room(_facts(function=function), 1_000 * MIB)
    assert room.is_function
    assert room.costs == Costs()


def test_before_anything_ended_a_second_each_is_foreseen() -> None:
    pace = Pace()
    assert pace.foresee(0, 9, 1, 1.0) == 10
    assert pace.foresee(0, 10_000, 1, 1.0) == 600
    pace.note_end(10, 0.001, 1)
    assert pace.foresee(10, 3, 1, 1.0) == 1


def test_what_one_tenant_sends_changes_no_other_tenants_estimates() -> None:
    """Else dense prompts of one would use up the limits of another, whose own are held as if they were dense, too."""
    density = Density()
    density.note("berta", 1_000, 250)
    before = density.estimate("berta", 1_000)
    for _ in range(1_000):
        density.note("greedy", 1_000, 1_000)
    assert density.estimate("greedy", 1_000) == 1_000
    assert density.estimate("berta", 1_000) == before
    assert density.estimate("new", 1_000) < 700, "one voice among three"


def test_no_more_tenants_are_remembered_than_may_be() -> None:
    density = Density()
    for number in range(MAX_REMEMBERED_TENANTS + 5):
        density.note(f"tenant{number}", 100, 100)
    assert len(density._by_tenant) == MAX_REMEMBERED_TENANTS
