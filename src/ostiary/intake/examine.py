"""Reads a model from its tree to its facts: the one way through intake, top to bottom."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.tickets import FileKind, Manifest
from ostiary.errors import IntakeRefused
from ostiary.intake.cross_check import CrossCheck
from ostiary.intake.describe import describe_model
from ostiary.intake.examination import Examination, order_findings
from ostiary.intake.hashing import PLAIN, HashPlan
from ostiary.intake.keep import KeepBudget
from ostiary.intake.parse_files import Parts, parse_file
from ostiary.intake.read_file import ReadFile, ReadRequest, read_file
from ostiary.intake.tree import Tree, TreeFile, open_tree

_MAX_THREADS: Final = 8  # more threads than this do not make one disk faster


def _ignore(_count: int) -> None:
    """Nobody watches."""


def examine_model(
    path: str | os.PathLike[str],
    *,
    allowed_formats: Collection[FileKind] = (),
    hashing: HashPlan = PLAIN,
    start: Callable[[int], None] = _ignore,
    advance: Callable[[int], None] = _ignore,
) -> Examination:
    """Everything there is to say about the model at `path`. Raises a Fault where it cannot be read; never refuses.

    `start` hears how many bytes there are, `advance` of each chunk of them done, the latter from several threads.
    With claims in `hashing`, the manifest holds only together with the signature that they come from.
    """
    try:
        tree = open_tree(path)
    except IntakeRefused as refusal:  # the path itself
        name = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119
        return Examination(name, True, (), False, None, order_findings(refusal.findings))
    with tree:
        start(sum(file.size for file in tree.files))
        reads, findings = _read_all(tree, hashing, advance)
        findings += tree.findings
    parts = Parts()
    parsed = [file for file in reads if file.refusal is None]
    for file in parsed:
        findings += parse_file(file, parts, allowed_formats)
    entries = tuple(file.entry for file in reads)
    is_wholly_read = len(parsed) == len(tree.files) and not any(f.is_refusing for f in tree.findings)
    check = CrossCheck(entries, parts, is_wholly_read=is_wholly_read)
    findings += check.find_in_single_file() if tree.is_single_file else check.find_in_model()
    return Examination(
        name=tree.name,
        is_single_file=tree.is_single_file,
        files=entries,
        is_wholly_read=is_wholly_read,
        facts=describe_model(entries, parts, check),
        findings=order_findings(findings),
        leaves={file.path: file.leaves for file in reads if file.leaves},
    )


def read_manifest(path: str | os.PathLike[str], *, allowed_formats: Collection[FileKind] = ()) -> Manifest:
    """The ticket of the model at `path`, or an IntakeRefused with every reason."""
    return examine_model(path, allowed_formats=allowed_formats).to_manifest()


def _read_all(
    tree: Tree, hashing: HashPlan, advance: Callable[[int], None]
) -> tuple[list[ReadFile], list[Finding]]:
    """Every file once, in the order of the tree; a file that would not be read, or not parsed, is a finding."""
    budget = KeepBudget()
    total = _total(tree.files)
    cores = min(_MAX_THREADS, os.cpu_count() or 1)
    claims = {
        file.path: None
        if file.path in hashing.deferred
        else hashing.choose_chunked(file.path, file.size, total, cores)
        for file in tree.files
    }

    def read(file: TreeFile) -> ReadFile | IntakeRefused:
        try:
            request = ReadRequest(
                hashing.tree_from_bytes, claims[file.path], cores, hashing.deferred.get(file.path)
            )
            return read_file(tree, file, budget, advance, request)
        except IntakeRefused as refusal:
            return refusal

    # A file that is read by its chunks takes all cores; the others share them.
    whole = [file for file in tree.files if claims[file.path] is None]
    done = dict(zip((file.path for file in whole), _map(read, whole), strict=True))
    for file in tree.files:
        if file.path not in done:
            done[file.path] = read(file)
    results = [done[file.path] for file in tree.files]
    reads = [result for result in results if isinstance(result, ReadFile)]
    refusals = (result.refusal if isinstance(result, ReadFile) else result for result in results)
    return reads, [finding for refusal in refusals if refusal is not None for finding in refusal.findings]


def _map(
    read: Callable[[TreeFile], ReadFile | IntakeRefused], files: Collection[TreeFile]
) -> list[ReadFile | IntakeRefused]:
    threads = min(_MAX_THREADS, os.cpu_count() or 1, sum(file.size > 0 for file in files))
    if threads <= 1 or _total(files) < _WORTH_THREADS_BYTES:
        return [read(file) for file in files]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # slow to import, and small models need none

    # The largest first, so that no thread is left with one at the end.
    largest = sorted(files, key=lambda file: -file.size)
    with ThreadPoolExecutor(threads) as pool:
        done = dict(zip((file.path for file in largest), pool.map(read, largest), strict=True))
    return [done[file.path] for file in files]


_WORTH_THREADS_BYTES: Final = 8 << 20  # below, starting threads costs more than it saves


def _total(files: Iterable[TreeFile]) -> int:
    return sum(file.size for file in files)
