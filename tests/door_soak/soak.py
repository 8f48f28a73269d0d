"""Honest and hostile clients of one server, for as long as one likes: what is asked is answered, and nothing is left.

    python tests/door_soak/soak.py --seconds 3600
    python tests/door_soak/soak.py --answers 5000

Honest clients of three tenants, one of which may ask little at once, ask for completions and chats, streamed or not,
whose right answers they know. Hostile ones, of a tenant that has a key as well, send what is no request, half of one,
one too large, or go away in the middle. Now and then a process of a model is killed.

In the end every answer was the right one; descriptors, threads and processes are as many as after a tenth of it, and
memory is within 20 MB; the record has each answer once, with the tokens that its client was told, and is verified;
and what tenants are said to have used is what their clients were told, and what the record says, to the token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load_servers import serving_ostiary
from process_looks import Holding, is_running, list_below, look_at

from door_soak.clients import HONEST_TENANTS, HOSTILE_TENANT, MODELS, Clients, Seen
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, sign_model

GROWTH_MB: Final = 20
REST_SECONDS: Final = 60
"""Nothing takes as long to be let go of."""
MOST_THREADS: Final = 64
"""Sixteen of each model and some more, however long it runs."""
MOST_ESTIMATE: Final = 1_000
"""Tokens of a prompt that nobody has counted."""
SETTINGS: Final = """
[limits]
restarts = 63

[tenants.tight]
concurrent = 2

[tenants.crook]
concurrent = 4
requests_per_minute = 100000
"""


@dataclass(slots=True)
class Recorded:
    """What the record says."""

    kinds: Counter[str] = field(default_factory=Counter)
    answered: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Tokens of prompts and answers, by correlation id."""
    failed: dict[str, int] = field(default_factory=dict)
    """Tokens of answers that did not come to their end for no fault of who asked."""
    answer_tokens: int = 0
    """Of all requests, however they ended."""
    not_started: list[str] = field(default_factory=list)
    """Why, of each process that was to start and did not."""

    def add(self, kind: str, data: Mapping[str, Any]) -> None:
        self.kinds[kind] += 1
        if kind == "cell.refused":
            self.not_started.append(data["detail"])
        tokens = data.get("completion_tokens") if kind.startswith("request.") else None
        if tokens is None:
            return
        self.answer_tokens += tokens
        correlation_id = data["correlation_id"]
        if kind == "request.answered":
            assert correlation_id not in self.answered, "it ended twice"
            self.answered[correlation_id] = (data["prompt_tokens"], tokens)
        elif kind == "request.failed":
            self.failed[correlation_id] = tokens


@dataclass(slots=True)
class Soak:
    """What there was to see."""

    seen: Seen = field(default_factory=Seen)
    looks: list[Holding] = field(default_factory=list)
    """At rest: after a tenth, and in the end."""
    status: int | None = None
    left: list[int] = field(default_factory=list)
    """Processes that outlived the server."""
    recorded: Recorded = field(default_factory=Recorded)
    verified: str = ""
    used: dict[str, Any] = field(default_factory=dict)


def run_soak(folder: Path, goes_on: tuple[Callable[[Seen], bool], Callable[[Seen], bool]], kill_every: int) -> Soak:
    """`goes_on`: until the first look, and from there to the end."""
    soak = Soak()
    state = folder / "state"
    with serving(folder, state) as server:
        pid, keys = server.process.pid, {name: make_key(state, name) for name in (*HONEST_TENANTS, HOSTILE_TENANT)}
        for part in goes_on:
            clients = Clients(server, keys, soak.seen, lambda part=part: part(soak.seen), kill_every)
            asyncio.run(clients.run())
            soak.looks.append(look_at_rest(pid))
            print(f"{dict(soak.seen.counts)}, {soak.looks[-1]}", flush=True)  # noqa: T201
        below = list_below(pid)
        soak.status = server.stop()
        wait_until(lambda: not any(map(is_running, below)))
        soak.left = [one for one in below if is_running(one)]
    with open_reader(state) as reader:
        for number, body in reader.read_bodies(0, reader.read_size()):
            entry = parse_entry(body, number)
            soak.recorded.add(entry.kind, entry.data)
    soak.verified = ask_ostiary("record", "verify", state=state)
    soak.used = json.loads(ask_ostiary("usage", "--json", state=state))
    return soak


def serving(folder: Path, state: Path) -> Any:
    model = HostilePublisher(folder).publish_honest()
    (folder / "ostiary.toml").write_text(SETTINGS, encoding="utf-8")
    arguments = [*(str(model) for _ in MODELS), "--key", str(sign_model(model)), "--state", str(state)]
    for name in MODELS:
        arguments += ["--name", name]
    return serving_ostiary(*arguments, "--config", str(folder / "ostiary.toml"), fake_milliseconds=0)


def make_key(state: Path, tenant: str) -> str:
    return ask_ostiary("keys", "create", tenant, state=state).strip()


def ask_ostiary(*arguments: str, state: Path) -> str:
    command = [sys.executable, "-m", "ostiary", *arguments, "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look_at_rest(pid: int) -> Holding:
    """When nothing changes any more: who was turned away lingers for two seconds."""
    looks: list[Holding] = []

    def is_at_rest() -> bool:
        looks.append(look_at(pid))
        return len(looks) > 30 and len({(look.descriptors, look.processes) for look in looks[-30:]}) == 1

    wait_until(is_at_rest)
    return looks[-1]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Or until there is no hope that it will be."""
    until = time.monotonic() + REST_SECONDS
    while not is_so() and time.monotonic() < until:
        time.sleep(0.1)


# --- what it comes to ---


def find_faults(soak: Soak) -> list[str]:
    seen, kinds = soak.seen, soak.recorded.kinds
    faults = [f"wrong answers: {seen.wrong[:3]}"] if seen.wrong else []
    if soak.status:
        faults.append(f"it ended with {soak.status}")
    if soak.left:
        faults.append(f"processes outlived it: {soak.left}")
    faults += _compare_looks(*soak.looks)
    if not soak.verified.startswith("Verified"):
        faults.append("the record could not be verified")
    if kinds["server.stopped"] != 1 or kinds["cell.started"] != kinds["cell.ended"]:
        faults.append(f"the record does not have it all: {dict(kinds)}")
    again = kinds["cell.started"] + kinds["cell.refused"] - len(MODELS)  # some are killed while they start
    if not seen.counts["killed"] - len(MODELS) <= again <= seen.counts["killed"]:  # the last may not be missed yet
        faults.append(f"{kinds['cell.started']} processes were started, {seen.counts['killed']} killed")
    if seen.counts["not started"] > kinds["cell.refused"]:  # whoever else waits for a start tries again
        faults.append(f"{seen.counts['not started']} heard of a start that failed: {soak.recorded.not_started}")
    return [*faults, *_compare_answers(soak), *_compare_usage(soak)]


def _compare_looks(first: Holding, last: Holding) -> list[str]:
    faults = []
    if last.megabytes > first.megabytes + GROWTH_MB or last.below_megabytes > first.below_megabytes + GROWTH_MB:
        faults.append(f"memory grew from {first} to {last}")
    for what, may_grow in (("descriptors", 4), ("processes", 0)):
        if getattr(last, what) > getattr(first, what) + may_grow:
            faults.append(f"{what} grew from {first} to {last}")
    if last.threads > MOST_THREADS:
        faults.append(f"{last.threads} threads")
    return faults


def _compare_answers(soak: Soak) -> list[str]:
    """Each answer that a client has, once in the record, with the same tokens."""
    recorded = soak.recorded.answered
    wrong = [
        (correlation_id, told, recorded.get(correlation_id))
        for correlation_id, (_, *told) in soak.seen.tokens.items()
        if recorded.get(correlation_id) != tuple(told)
    ]
    return [f"{len(wrong)} answers are not in the record as clients have them: {wrong[:3]}"] if wrong else []


def _compare_usage(soak: Soak) -> list[str]:
    """To the token. Where a process was killed before the first one, the prompt is estimated."""
    faults = []
    sums = {name: [0, 0] for name in (*HONEST_TENANTS, HOSTILE_TENANT)}
    for row in soak.used["usage"]:
        sums[row["tenant"]][0] += row["prompt_tokens"]
        sums[row["tenant"]][1] += row["answer_tokens"]
    for tenant in HONEST_TENANTS:
        told = [counts for name, *counts in soak.seen.tokens.values() if name == tenant]
        crashed = {one: words for one, (name, words) in soak.seen.crashed.items() if name == tenant}
        prompts = sum(prompt for prompt, _ in told) + sum(words or 0 for words in crashed.values())
        answers = sum(answer for _, answer in told) + sum(soak.recorded.failed.get(one, 0) for one in crashed)
        beyond = sums[tenant][0] - prompts
        estimated = sum(words is None for words in crashed.values())
        if sums[tenant][1] != answers or not 0 <= beyond <= estimated * MOST_ESTIMATE:
            faults.append(f"{tenant} used {sums[tenant]}, and was told {prompts} and {answers}")
    if sum(answer for _, answer in sums.values()) != soak.recorded.answer_tokens:
        faults.append(f"tenants used {sums}, the record has {soak.recorded.answer_tokens} tokens of answers")
    if soak.used["held_tokens"]:
        faults.append(f"{soak.used['held_tokens']} tokens are held for nobody")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, metavar="S")
    parser.add_argument("--answers", type=int, metavar="N", help="as many instead, however long it takes")
    parser.add_argument(
        "--kill-every", type=int, default=5_000, metavar="N", help="answers; 0: no process is killed"
    )
    options = parser.parse_args()
    until = time.monotonic() + options.seconds

    def goes_on(share: float) -> Callable[[Seen], bool]:
        if options.answers:
            return lambda seen: seen.counts["answered"] < share * options.answers
        return lambda _seen: time.monotonic() < until - (1 - share) * options.seconds

    with tempfile.TemporaryDirectory() as place:
        soak = run_soak(Path(place), (goes_on(0.1), goes_on(1.0)), kill_every=options.kill_every)
    faults = find_faults(soak)
    for fault in faults:
        print(fault)  # noqa: T201
    print({**soak.seen.counts}, {**soak.recorded.kinds}, soak.recorded.not_started)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
