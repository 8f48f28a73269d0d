"""`ostiary record verify`: the record, a proof or an archive file, and what the answer rests on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ostiary.cli import ui
from ostiary.cli.record_text import render_line, show_result
from ostiary.cli.record_values import read_given
from ostiary.errors import USAGE, Misuse, RecordRefused
from ostiary.record.archive_file import verify_archive_file
from ostiary.record.begin import open_reader
from ostiary.record.note import VerifierKey, encode_base64, parse_verifier_key
from ostiary.record.place import ARCHIVE_DIRECTORY, RECORD_DIRECTORY, find_state_directory
from ostiary.record.proof import verify_proof
from ostiary.record.verify import OutsideCheckpoint, verify_record

_NOTHING_OUTSIDE = (
    "ostiary: Nothing kept elsewhere was compared: the owner of the record could have rewritten it whole. "
    "Give --checkpoint FILE or --key KEY."
)


def verify_whole(options: argparse.Namespace) -> int:
    keys = read_keys(options.key)
    outside = [OutsideCheckpoint(path.name, read_given(path)) for path in options.checkpoint]
    state = find_state_directory() if options.state is None else options.state
    archives = options.archives or state / RECORD_DIRECTORY / ARCHIVE_DIRECTORY
    with open_reader(state) as reader:
        try:
            verified = verify_record(reader, outside=outside, trusted_keys=keys, archive_directory=archives)
        except RecordRefused as refused:
            _tell_problems(refused, is_json=options.json)
            raise
    if not outside and not keys:
        ui.note(_NOTHING_OUTSIDE)
    root = encode_base64(verified.root)
    archived = (
        f", {verified.archived} of them archived ({verified.archive_files} files read)" if verified.archived else ""
    )
    show_result(
        {
            "verdict": "verified",
            "origin": verified.origin,
            "size": verified.size,
            "root": root,
            "archived": verified.archived,
            "archive_files": verified.archive_files,
            "checkpoints": verified.checkpoints,
            "outside_checkpoints": verified.outside_checkpoints,
            "keys": [key.text for key in verified.keys],
        },
        f"Verified: {verified.size} entries of {verified.origin}{archived}\n"
        f"root {root}\n"
        f"{verified.checkpoints} signed checkpoints agree, {verified.outside_checkpoints} of them kept elsewhere",
        is_json=options.json,
    )
    return 0


def verify_given_proof(options: argparse.Namespace) -> int:
    keys = _require_keys(options)
    entry = None if options.entry is None else read_given(options.entry)
    verified = verify_proof(read_given(options.proof), keys, entry)
    checkpoint = verified.signed.checkpoint
    show_result(
        {
            "verdict": "verified",
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "entry": json.loads(verified.entry.body),
        },
        f"Verified: this entry is in {checkpoint.origin}, of {checkpoint.size} entries then\n"
        f"{render_line(verified.entry)}",
        is_json=options.json,
    )
    return 0


def verify_archive(options: argparse.Namespace) -> int:
    verified = verify_archive_file(options.archive_file, _require_keys(options))
    header = verified.header
    show_result(
        {
            "verdict": "verified",
            "origin": header.origin,
            "first": header.first,
            "end": header.end,
            "sha256": verified.sha256,
        },
        f"Verified: entries {header.first} to {header.end - 1} of {header.origin}",
        is_json=options.json,
    )
    return 0


def read_keys(given: list[str]) -> tuple[VerifierKey, ...]:
    """Each is a verifier key, or names a file with one a line."""
    keys: list[VerifierKey] = []
    for text in given:
        if "+" in text and not Path(text).exists():
            keys.append(parse_verifier_key(text))
            continue
        lines = read_given(Path(text)).decode("utf-8", "replace").splitlines()
        keys += [parse_verifier_key(line) for line in lines if line.strip()]
    return tuple(keys)


def _require_keys(options: argparse.Namespace) -> tuple[VerifierKey, ...]:
    if not options.key:
        raise Misuse(USAGE, "say whose signature counts", hint="Give --key KEY, as `ostiary record keys` shows it.")
    return read_keys(options.key)


def _tell_problems(refused: RecordRefused, *, is_json: bool) -> None:
    if is_json:
        problems = [{"code": problem.code, "message": problem.message} for problem in refused.problems]
        error = {"code": refused.code, "message": refused.message, "hint": refused.hint}
        ui.out(json.dumps({"verdict": "refused", "error": error, "problems": problems}, indent=2))
        refused.is_told = True
    else:
        for problem in refused.problems:
            ui.note(f"{problem.code}: {problem.message}")
