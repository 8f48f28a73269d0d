"""The language engine behind its wall beside plain MLX-LM in a process of its own: how fast each answers.

    python bench/engine.py                                   all of it, about half an hour
    python bench/engine.py --formats bfloat16 --rounds 1     a look at one
    python bench/engine.py --batches 1 4 16                  several requests at a time

A Llama of 168 million made-up weights is stored in each format. A round runs both, one after the other, each in a
process of its own: the prompt's tokens a second are those up to the first token of the answer; the answer's are the
median over its tokens. What is told is the median over the rounds with the least and the most beside it, by the
clock and in processor time: where other programs use the cores, processor time is what can be compared.

From `open` to the first token, in a process that has only imported the library: the first time (for ours the fork
server has to be started, for plain MLX-LM its packages imported) and again. Ours verifies the model's signature,
hashes and seals it and puts up the wall; plain MLX-LM does none of that.

Packed weights with scales of 16 bits, which is what most are published with, take plain MLX minutes for a prompt of
256 tokens; there a shorter prompt and answer stand for it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

PROMPT_TOKENS: Final = 256
ANSWER_TOKENS: Final = 64
FIRST_PROMPT: Final = [301, 302, 303, 304]
WANTED_PROMPT, WANTED_ANSWER = 10, 2
CONFIG: Final = {
    "model_type": "llama",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "rms_norm_eps": 1e-5,
    "vocab_size": 35_584,
    "tie_word_embeddings": False,
    "max_position_embeddings": 2_048,
}


class Format(NamedTuple):
    """How weights are stored, and how long a prompt and an answer plain MLX can be asked for."""

    dtype: str
    bits: int | None = None
    prompt_tokens: int = PROMPT_TOKENS
    answer_tokens: int = ANSWER_TOKENS


FORMATS: Final = {
    "float32": Format("float32"),
    "bfloat16": Format("bfloat16"),
    "4-bit": Format("float32", 4),
    "4-bit-16": Format("bfloat16", 4, 24, 6),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", nargs="+", type=int, default=[])
    parser.add_argument("--settings", type=json.loads, default={}, help="for the engine, as JSON")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        which, folder = options.open
        sys.stdout.write(json.dumps((open_plain if which == "plain" else open_walled)(Path(folder))))
        return 0
    if options.run:
        which, folder, name, rows = options.run
        told = run_one(which, Path(folder), FORMATS[name], int(rows), options.settings)
        sys.stdout.write(json.dumps(told))
        return 0
    held = True
    for name in options.formats:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "model"
            folder.mkdir()
            write_model(folder, FORMATS[name])
            held &= measure(name, folder, options.rounds, options.settings)
            for rows in options.batches:
                measure_batch(name, folder, options.rounds, options.settings, rows)
            measure_opening(folder, options.rounds)
    return 0 if held else 1


def measure(name: str, folder: Path, rounds: int, settings: dict[str, Any]) -> bool:
    heard = list(run_rounds(name, folder, rounds, settings, 0))
    plain, walled = ([each[which] for each in heard] for which in ("plain", "walled"))
    print(f"\n{name}: {json.dumps(walled[0]['arithmetic'])}")
    held = True
    for part, wanted in (("prompt", WANTED_PROMPT), ("answer", WANTED_ANSWER)):
        for clock in ("seconds", "cpu"):
            ours, theirs = ([each[f"{part}_{clock}"] for each in runs] for runs in (walled, plain))
            ratio = statistics.median(theirs) / statistics.median(ours)
            how = "by the clock" if clock == "seconds" else "processor time"
            print(f"  {part}, {how}: {show(ours)} beside {show(theirs)} tokens/s, {ratio:.1f} times")
            held &= clock == "seconds" or ratio >= wanted
    ours, theirs = walled[0]["tokens"], plain[0]["tokens"]
    same = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), len(ours))
    print(f"  the same tokens: the first {same} of {len(ours)}")
    for key, unit, scale in (("memory", "MiB", 1 << 20), ("open_seconds", "s to load", 1)):
        ours, theirs = ([each[key] / scale for each in runs] for runs in (walled, plain))
        print(f"  {statistics.median(ours):,.1f} {unit} beside {statistics.median(theirs):,.1f}")
    return held


def measure_batch(name: str, folder: Path, rounds: int, settings: dict[str, Any], rows: int) -> None:
    heard = list(run_rounds(name, folder, rounds, settings, rows))
    for clock in ("seconds", "cpu"):
        ours, theirs = ([each[which][f"token_{clock}"] for each in heard] for which in ("walled", "plain"))
        ratio = statistics.median(theirs) / statistics.median(ours)
        how = "by the clock" if clock == "seconds" else "processor time"
        print(f"  {rows} at a time, {how}: {show(ours)} beside {show(theirs)} tokens/s, {ratio:.1f} times")


def measure_opening(folder: Path, rounds: int) -> None:
    from ostiary.testing import sign_model

    sign_model(folder)
    heard = [
        {which: run_apart("--open", which, str(folder)) for which in ("plain", "walled")} for _ in range(rounds)
    ]
    for part, how in (("first", "cold"), ("again", "from the fork server, or with MLX-LM imported")):
        ours, theirs = (sorted(each[which][part] for each in heard) for which in ("walled", "plain"))
        told = " beside ".join(
            f"{statistics.median(all_):.2f} ({all_[0]:.2f} to {all_[-1]:.2f})" for all_ in (ours, theirs)
        )
        print(f"  open to first token, {how}: {told} s")


def show(seconds: Sequence[float]) -> str:
    rates = sorted(1 / each for each in seconds)
    return f"{statistics.median(rates):.1f} ({rates[0]:.1f} to {rates[-1]:.1f})"


def run_rounds(
    name: str, folder: Path, rounds: int, settings: dict[str, Any], rows: int
) -> Iterator[dict[str, Any]]:
    for _ in range(rounds):
        yield {
            which: run_apart("--settings", json.dumps(settings), "--run", which, str(folder), name, str(rows))
            for which in ("plain", "walled")
        }


def run_apart(*arguments: str) -> dict[str, Any]:
    """This file, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def write_model(folder: Path, form: Format) -> None:
    import mlx.core as mx
    from mlx import nn
    from mlx.utils import tree_flatten
    from models.tiny import build, dump_tensors
    from models.words import byte_level

    config: dict[str, Any] = dict(CONFIG)
    model = build(config)
    model.set_dtype(getattr(mx, form.dtype))
    if form.bits is not None:
        config["quantization"] = {"group_size": 64, "bits": form.bits}
        nn.quantize(model, **config["quantization"])
    words, words_config = byte_level()
    for path, value in (("config", config), ("tokenizer", words), ("tokenizer_config", words_config)):
        (folder / f"{path}.json").write_text(json.dumps(value), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(dump_tensors(dict(tree_flatten(model.parameters()))))


# --- one of the two, in a process of its own ---


def run_one(which: str, folder: Path, form: Format, rows: int, settings: dict[str, Any]) -> dict[str, Any]:
    prompt = [(37 * place + 11) % 30_000 + 300 for place in range(form.prompt_tokens)]
    if which == "plain":
        return run_plain_batch(folder, prompt[:8], rows) if rows else run_plain(folder, prompt, form.answer_tokens)
    return run_walled(folder, prompt[:8] if rows else prompt, form.answer_tokens, rows, settings)


def run_plain(folder: Path, prompt: list[int], answer_tokens: int) -> dict[str, Any]:
    import mlx.core as mx
    from mlx_lm.generate import generate_step
    from mlx_lm.utils import load_model

    started = time.perf_counter()
    model, _ = load_model(folder)
    opened = time.perf_counter() - started
    tokens, clock = [], Clock(time.process_time)
    for token, _ in generate_step(mx.array(prompt), model, max_tokens=answer_tokens):
        tokens.append(int(token))
        clock.tick()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return {**clock.tell(len(prompt)), "tokens": tokens, "memory": memory, "open_seconds": opened}


def run_plain_batch(folder: Path, prompt: list[int], rows: int) -> dict[str, Any]:
    from mlx_lm.generate import BatchGenerator
    from mlx_lm.utils import load_model

    model, _ = load_model(folder)
    answers = 12
    generator = BatchGenerator(model, max_tokens=answers)
    generator.insert([[*prompt, row] for row in range(rows)])
    started, cpu = time.perf_counter(), time.process_time()
    count = 0
    while said := generator.next_generated():
        count += len(said)
    return {
        "token_seconds": (time.perf_counter() - started) / count,
        "token_cpu": (time.process_time() - cpu) / count,
    }


def run_walled(
    folder: Path, prompt: list[int], answer_tokens: int, rows: int, settings: dict[str, Any]
) -> dict[str, Any]:
    from cell_tools import Events, make_sealed

    from ostiary.cell.limits import derive_limits
    from ostiary.cell.machine import read_machine
    from ostiary.cell.plan import CellPlan
    from ostiary.cell.probe import read_facts
    from ostiary.cell.profile import choose_profile
    from ostiary.cell.start import start_cell

    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    weights = {name: data for name, data in files.items() if name.endswith(".safetensors")}
    sealed = make_sealed({name: data for name, data in files.items() if name not in weights}, weights)
    machine = read_machine()
    size = sum(map(len, weights.values()))
    limits = derive_limits(sealed.verified.manifest.facts, size, machine.memory_bytes, machine.cores)
    plan = CellPlan(sealed, "language", limits, choose_profile(read_facts(), limits), json.dumps(settings))
    started = time.perf_counter()
    with start_cell(plan, Events().emit, "bench") as cell:
        opened = time.perf_counter() - started

        def read_cpu() -> float:
            return (cell.read_usage().cpu_milliseconds or 0) / 1000

        def ask(ids: list[int], count: int) -> Iterator[Any]:
            body = {"prompt": ids, "max_tokens": count, "ignore_eos": True}
            return (reply.body for reply in cell.call("generate", body) if "tokens" in reply.body)

        if rows:
            return ask_at_once([[*prompt, row] for row in range(rows)], ask, read_cpu)
        tokens, clock = [], Clock(read_cpu)
        for piece in ask(prompt, answer_tokens):
            tokens += piece["tokens"]
            clock.tick()
        memory = cell.read_usage().memory_bytes or 0
        told = {"memory": memory, "open_seconds": opened, "arithmetic": cell.facts["arithmetic"]}
        return {**clock.tell(len(prompt)), "tokens": tokens, **told}


def open_walled(folder: Path) -> dict[str, float]:
    import ostiary

    def answer(state: str) -> None:
        with ostiary.open(folder, key=folder.with_name("model.pub"), state=state) as model:
            next(iter(model.stream(FIRST_PROMPT, max_tokens=1)))
            seconds.append(time.perf_counter() - started)

    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as state:
        for _ in range(2):
            started = time.perf_counter()
            answer(state)
    return {"first": seconds[0], "again": seconds[1]}


def open_plain(folder: Path) -> dict[str, float]:
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        import mlx.core as mx
        from mlx_lm.generate import generate_step
        from mlx_lm.utils import load_model

        model, _ = load_model(folder)
        int(next(generate_step(mx.array(FIRST_PROMPT), model, max_tokens=1))[0])
        seconds.append(time.perf_counter() - started)
    return {"first": seconds[0], "again": seconds[1]}


def ask_at_once(prompts: list[list[int]], ask: Any, read_cpu: Any) -> dict[str, Any]:
    counts: list[int] = []
    started, cpu = time.perf_counter(), read_cpu()
    threads = [
        threading.Thread(target=lambda ids=ids: counts.append(sum(len(piece["tokens"]) for piece in ask(ids, 12))))
        for ids in prompts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "token_seconds": (time.perf_counter() - started) / sum(counts),
        "token_cpu": (read_cpu() - cpu) / sum(counts),
    }


class Clock:
    """Told of each token when it comes."""

    def __init__(self, read_cpu: Any) -> None:
        self._read_cpu = read_cpu
        self._seconds, self._cpu = [time.perf_counter()], [read_cpu()]

    def tick(self) -> None:
        self._seconds.append(time.perf_counter())
        self._cpu.append(self._read_cpu())

    def tell(self, prompt_tokens: int) -> dict[str, float]:
        """Seconds for each token of the prompt and of the answer. Processor time is counted too coarsely for
        one token, so that of an answer is the mean.
        """
        waits = [after - before for before, after in zip(self._seconds[1:], self._seconds[2:], strict=False)]
        return {
            "prompt_seconds": (self._seconds[1] - self._seconds[0]) / prompt_tokens,
            "prompt_cpu": (self._cpu[1] - self._cpu[0]) / prompt_tokens,
            "answer_seconds": statistics.median(waits),
            "answer_cpu": (self._cpu[-1] - self._cpu[1]) / (len(self._cpu) - 2),
        }


if __name__ == "__main__":
    sys.exit(main())
