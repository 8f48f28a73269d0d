"""Loading what was verified, beside loading alone and beside hashing first and loading then.

    python bench/vault.py                    the sizes of the promise: 4 x 512 MiB, warm in the page cache
    python bench/vault.py --mib 64           shards of that size instead, for a quick look
    python bench/vault.py --work DIRECTORY   where the model is made: one that clones shows that method, too

Every way ends with all tensors evaluated in a process that had imported MLX before the clock started:

    plain               mx.load of each file by its path, then mx.eval: nothing is checked
    hash, then load     sha256 of each file, one after another, then plain: what changes in between is loaded
    ..., by threads     the same, all files hashed at once by as many threads as there are cores
    sealed, by METHOD   vault.open_sealed, and a process that loads each file from the descriptor it is given

"+ huge" is the same with memory in huge pages (GLIBC_TUNABLES=glibc.malloc.hugetlb=1), as a worker has it and the
loading process of the vault here. The ways take turns, so that a busy moment hits all alike. A ratio is the median
over the rounds, with the lowest and the highest beside it. "CPU" is processor time of all processes together.

A virtual machine may give free memory back to its host; then whoever allocates first waits for the host, by chance
and for seconds. So this program keeps touched memory in reserve, and frees as much of it as the measured one takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from verify import publish

from ostiary.core.tickets import SealMethod, VerifiedModel
from ostiary.errors import VaultFailed
from ostiary.intake import read_manifest
from ostiary.vault import open_sealed
from ostiary.worker.engines.weights_file import WeightsFile

ROUNDS = 5
WANTED = 1.8
HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
HASH_FIRST = "hash, then load"
HASH_FIRST_THREADS = "hash, then load, by threads"
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14
_STEP = 32 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512, help="size of a shard; there are four (512)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--work", type=Path, help="a directory to work in")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--descriptor", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role == "loader":
        return serve_loader(options.descriptor)
    if options.role:
        return run_role(options.role, options.model)
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-", dir=options.work) as name:
        model = publish(Path(name) / "model", options.mib, shards=4)
        return measure(model, options.mib, options.rounds)


def measure(model: Path, mib: int, rounds: int) -> int:
    digests = {p.name: hash_file(p) for p in list_weights(model)}  # and the files are in the page cache
    (model.parent / "digests.json").write_text(json.dumps(digests))
    ways: dict[str, tuple[str, dict[str, str]]] = {
        "plain": ("plain", {}),
        "plain + huge": ("plain", HUGE),
        HASH_FIRST: (HASH_FIRST, {}),
        HASH_FIRST_THREADS: (HASH_FIRST_THREADS, {}),
        f"{HASH_FIRST_THREADS} + huge": (HASH_FIRST_THREADS, HUGE),
    }
    methods = [method for method in SealMethod if can_seal(model, method)]
    ways |= {f"sealed, by {method}": (f"sealed {method}", {}) for method in methods}
    results: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    with keep_reserve(2 * 4 * (mib << 20)) as release_for:
        for number in range(rounds + 1):
            for way, (role, environment) in ways.items():
                result = run_child(role, model, environment, release_for)
                if number:  # the first round warms up
                    results[way].append(result)
    return tell(results, [f"sealed, by {method}" for method in methods], mib)


def tell(results: dict[str, list[tuple[float, float]]], sealed: Sequence[str], mib: int) -> int:
    print(f"4 files of {mib} MiB, {os.cpu_count()} cores, {len(results['plain'])} rounds")
    for way, runs in results.items():
        seconds = sorted(s for s, _ in runs)
        cpu = statistics.median(c for _, c in runs)
        print(
            f"{way:36} {statistics.median(seconds):.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f}), CPU {cpu:.2f} s"
        )
    missed = 0
    for way in sealed:
        for peer in (HASH_FIRST, HASH_FIRST_THREADS, f"{HASH_FIRST_THREADS} + huge", "plain"):
            ratios = sorted(
                theirs / ours for (theirs, _), (ours, _) in zip(results[peer], results[way], strict=True)
            )
            ratio = statistics.median(ratios)
            is_promise = peer == HASH_FIRST and way == f"sealed, by {SealMethod.LEASE}"
            is_missed = is_promise and ratio < WANTED
            missed += is_missed
            note = f"; at least {WANTED} wanted" if is_promise else ""
            print(
                f"{way:22} {ratio:.2f} times as fast as {peer:34} ({ratios[0]:.2f} to {ratios[-1]:.2f}{note})"
                f"{'  MISSED' if is_missed else ''}"
            )
    return 1 if missed else 0


def run_child(
    role: str, model: Path, environment: dict[str, str], release_for: Callable[[subprocess.Popen[str]], None]
) -> tuple[float, float]:
    """Seconds by the clock and of processor time that one way takes."""
    command = [sys.executable, __file__, "--role", role, "--model", str(model)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    assert child.stdin is not None
    assert child.stdout is not None
    if child.stdout.readline() != "ready\n":
        raise SystemExit(f"{role} did not start")
    child.stdin.write("\n")
    child.stdin.flush()
    release_for(child)
    words = child.stdout.read().split()
    if child.wait() or len(words) != 2:
        raise SystemExit(f"{role} failed")
    return float(words[0]), float(words[1])


@contextmanager
def keep_reserve(size: int) -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """Memory that is there already, given up as fast as free memory shrinks while a child runs."""
    if sys.platform != "linux":
        yield lambda _child: None
        return
    meminfo = Path("/proc/meminfo")
    reserve = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    reserve.madvise(mmap.MADV_HUGEPAGE)

    def read_free() -> int:
        return int(meminfo.read_text().split("MemFree:")[1].split()[0]) << 10

    def release_for(child: subprocess.Popen[str]) -> None:
        done = 0
        aim = read_free() + 6 * _STEP
        while child.poll() is None:
            while done < size and read_free() < aim:
                reserve.madvise(mmap.MADV_DONTNEED, done, _STEP)
                done += _STEP
            time.sleep(0.002)
        reserve.madvise(_POPULATE_WRITE)

    reserve.madvise(_POPULATE_WRITE)
    yield release_for
    reserve.close()


# --- what runs in a process of its own ---------------------------------------------------------------------------


def run_role(role: str, model: Path) -> int:
    files = list_weights(model)
    digests = json.loads((model.parent / "digests.json").read_text())
    work: Callable[[], object]
    if role.startswith("sealed"):
        work = prepare_sealed(model, SealMethod(role.split()[1]), digests)
    else:
        import mlx.core as mx

        mx.eval(mx.zeros((1,)))
        threads = (os.cpu_count() or 1) if role == HASH_FIRST_THREADS else 1

        def work() -> object:
            if role != "plain":
                with ThreadPoolExecutor(threads) as pool:
                    found = pool.map(hash_file, files)
                    assert all(digests[p.name] == digest for p, digest in zip(files, found, strict=True))
            tensors = [mx.load(str(path)) for path in files]
            mx.eval(tensors)
            return tensors

    print("ready", flush=True)
    sys.stdin.readline()
    before = read_cpu()
    started = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - started
    print(seconds, read_cpu() - before + (kept if isinstance(kept, float) else 0.0), flush=True)
    os._exit(0)  # how long memory takes to be given back is not the question


def prepare_sealed(model: Path, method: SealMethod, digests: dict[str, str]) -> Callable[[], float]:
    """Everything but the sealing, and a process that has imported MLX."""
    verified = verify(model)
    assert all(digests.get(entry.path, entry.sha256) == entry.sha256 for entry in verified.files)
    ours, theirs = socket.socketpair()
    command = [sys.executable, __file__, "--role", "loader", "--descriptor", str(theirs.fileno())]
    loader = subprocess.Popen(command, pass_fds=[theirs.fileno()], env={**os.environ, **HUGE})
    theirs.close()
    assert ours.recv(1) == b"r"

    def work() -> float:
        with open_sealed(model, verified, lambda _event: None, "bench", methods=[method]) as sealed:
            for weights in sealed.open_weights():
                assert weights.method is method
                socket.send_fds(ours, [b"w"], [weights.descriptor])
                assert ours.recv(1) == b"t"
                weights.finish()
        ours.sendall(b"e")
        cpu = float(ours.recv(64))
        loader.kill()
        loader.wait()
        return cpu

    return work


def serve_loader(descriptor: int) -> int:
    """Loads every file it is given, as a worker does; tells its processor time at the end."""
    import mlx.core as mx

    mx.eval(mx.zeros((1,)))
    channel = socket.socket(fileno=descriptor)
    before = read_cpu()
    channel.sendall(b"r")
    kept = []
    while True:
        word, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if word != b"w":
            break
        with WeightsFile(descriptors[0], os.fstat(descriptors[0]).st_size) as file:
            tensors = mx.load(file, format="safetensors")
            mx.eval(tensors)
        os.close(descriptors[0])
        kept.append(tensors)
        channel.sendall(b"t")
    channel.sendall(str(read_cpu() - before).encode())
    threading.Event().wait()
    return 0


def verify(model: Path) -> VerifiedModel:
    """A ticket as the trust room would print it; who vouches is not what is measured."""
    return VerifiedModel(read_manifest(model), None, None, None, ("key:bench",), "key", (), True)


def can_seal(model: Path, method: SealMethod) -> bool:
    try:
        with open_sealed(model, verify(model), lambda _event: None, "bench", methods=[method]) as sealed:
            next(iter(sealed.open_weights())).finish()
    except VaultFailed:
        return False
    return True


def list_weights(model: Path) -> list[Path]:
    return sorted(model.glob("*.safetensors"))


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
