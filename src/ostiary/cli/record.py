"""`ostiary record VERB`: read, check, prove and keep the record of what was decided."""

from __future__ import annotations

import argparse
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.cli.record_values import parse_age, parse_field_file, parse_moment, parse_size

if TYPE_CHECKING:
    from ostiary.record.log import Log

Run = Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    tail = _add(verbs, "tail", _run_tail, "show the newest entries")
    tail.add_argument("-n", "--count", type=int, default=20, metavar="N", help="how many (20)")

    show = _add(verbs, "show", _run_show, "show one entry whole")
    show.add_argument("index", metavar="INDEX", type=int, help="the entry's number")
    show.add_argument(
        "--content",
        metavar="FIELD=FILE",
        type=parse_field_file,
        help="also tell whether FILE holds what the salted hash in FIELD was made of",
    )

    query = _add(verbs, "query", _run_query, "find entries by what they say")
    query.add_argument("--kind", help="a kind, or its first part: model, model.refused")
    query.add_argument("--since", metavar="TIME", type=parse_moment, help="a time, or an age such as 7d or 12h")
    query.add_argument("--until", metavar="TIME", type=parse_moment, help="as --since; exclusive")
    query.add_argument("--user", help="who acted")
    query.add_argument("--name", help="the model's display name")
    query.add_argument("--digest", help="the model's root digest, or how it begins")
    query.add_argument("--code", help="the code of a refusal or fault")
    query.add_argument("--rule", help="a rule that struck")
    query.add_argument("--correlation-id", metavar="ID", help="what joins the events of one command or request")

    verify = _add(verbs, "verify", _run_verify, "check the record, a proof or an archive file")
    verify.add_argument(
        "--checkpoint", metavar="FILE", type=Path, action="append", default=[], help="one that was kept elsewhere"
    )
    verify.add_argument(
        "--key", metavar="KEY", action="append", default=[], help="a verifier key, or a file of them (record keys)"
    )
    verify.add_argument("--archives", metavar="DIR", type=Path, help="where the archive files are")
    alone = verify.add_mutually_exclusive_group()
    alone.add_argument("--proof", metavar="FILE", type=Path, help="verify this proof, without the record")
    alone.add_argument("--archive-file", metavar="FILE", type=Path, help="verify this archive, without the record")
    verify.add_argument("--entry", metavar="FILE", type=Path, help="the entry, where the proof does not carry it")

    prove = _add(verbs, "prove", _run_prove, "write a C2SP tlog-proof that an entry is in the record")
    prove.add_argument("index", metavar="INDEX", type=int, help="the entry's number")
    prove.add_argument("--output", "-o", metavar="FILE", type=Path, help="write to FILE (stdout)")

    checkpoint = _add(verbs, "checkpoint", _run_checkpoint, "sign the record's state, to be kept elsewhere")
    checkpoint.add_argument(
        "--hook", metavar="COMMAND", type=shlex.split, help="is given a new checkpoint on stdin"
    )
    checkpoint.add_argument("--output", "-o", metavar="FILE", type=Path, help="write to FILE (stdout)")

    _add(verbs, "keys", _run_keys, "show the verifier keys, for those who check the record elsewhere")

    export = _add(verbs, "export", _run_export, "write the entries for other systems")
    export.add_argument(
        "--format", choices=("jsonl", "ocsf", "tiles"), default="jsonl", help="JSON lines, OCSF, or C2SP tiles"
    )
    export.add_argument("--output", "-o", metavar="PATH", type=Path, help="a file; for tiles a directory (stdout)")

    archive = _add(verbs, "archive", _run_archive, "move the oldest entries to a file; proofs stay valid")
    by = archive.add_mutually_exclusive_group(required=True)
    by.add_argument("--older-than", metavar="AGE", type=parse_age, help="such as 90d or 12h")
    by.add_argument("--keep", metavar="SIZE", type=parse_size, help="keep the newest that take this, such as 100MB")
    archive.add_argument("--to", metavar="DIR", type=Path, help="where to (record/archive in the state directory)")

    rotate = _add(verbs, "rotate-key", _run_rotate, "make new signing keys, announced under the present ones")
    rotate.add_argument("--signer", metavar="FILE", type=Path, help="a signer.json: keys that a command holds")

    forget = _add(
        verbs, "forget", _run_forget, "delete the salts of entries: nobody can test their content any more"
    )
    forget.add_argument("index", metavar="INDEX", type=int, help="the entry's number")
    forget.add_argument("last", metavar="LAST", type=int, nargs="?", help="the last entry's number, for several")


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Run, summary: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    add_state_option(parser)
    parser.add_argument("--json", action="store_true", help="for machines")
    add_debug_option(parser)
    parser.set_defaults(run=run)
    return parser


@contextmanager
def _open_to_write(options: argparse.Namespace, hook: list[str] | None = None) -> Iterator[Log]:
    """The record for writing; none is begun for a verb that has nothing to record."""
    from ostiary.record.begin import open_log, open_reader

    open_reader(options.state).close()
    with open_log(options.state, hook=hook) as log:
        yield log
    for notice in log.notices:
        ui.note(f"ostiary: {notice}")


def _run_tail(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_entries
    from ostiary.record.begin import open_reader
    from ostiary.record.query import tail_entries

    with open_reader(options.state) as reader:
        show_entries(tail_entries(reader, max(0, options.count)), is_json=options.json)
    return 0


def _run_show(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_entry
    from ostiary.cli.record_values import read_given
    from ostiary.record.begin import open_reader
    from ostiary.record.forget import is_content

    with open_reader(options.state) as reader:
        entry = reader.read_entry(options.index)
        answer = None
        if options.content is not None:
            field, path = options.content
            answer = is_content(reader, options.index, field, read_given(path))
        show_entry(entry, salts=reader.read_salts(options.index), is_content=answer, is_json=options.json)
    return 0 if answer is not False else 3


def _run_query(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_entries
    from ostiary.record.begin import open_reader
    from ostiary.record.query import Query, find_entries

    wanted = Query(
        kind=options.kind,
        since=options.since,
        until=options.until,
        user=options.user,
        name=options.name,
        digest=options.digest,
        code=options.code,
        rule=options.rule,
        correlation_id=options.correlation_id,
    )
    with open_reader(options.state) as reader:
        show_entries(find_entries(reader, wanted), is_json=options.json)
    return 0


def _run_verify(options: argparse.Namespace) -> int:
    from ostiary.cli.record_verify import verify_archive, verify_given_proof, verify_whole

    if options.proof is not None:
        return verify_given_proof(options)
    if options.archive_file is not None:
        return verify_archive(options)
    return verify_whole(options)


def _run_prove(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_reader
    from ostiary.record.proof import prove_entry

    with open_reader(options.state) as reader:
        reader.read_body(options.index)
        latest = reader.read_latest_checkpoint()
        if latest is None or latest[0] <= options.index:
            with _open_to_write(options) as log:
                checkpoint = log.sign_checkpoint()
        else:
            checkpoint = latest[1]
        proof = prove_entry(reader, options.index, checkpoint)
    _deliver(proof, options)
    return 0


def _run_checkpoint(options: argparse.Namespace) -> int:
    with _open_to_write(options, options.hook) as log:
        note = log.sign_checkpoint()
    _deliver(note, options)
    return 0 if not log.notices else 4


def _run_keys(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_keys
    from ostiary.record.begin import open_reader

    with open_reader(options.state) as reader:
        show_keys(reader.read_keys(), is_json=options.json)
    return 0


def _run_export(options: argparse.Namespace) -> int:
    from ostiary.cli.record_export import export_lines, export_to_tiles

    return export_to_tiles(options, _open_to_write) if options.format == "tiles" else export_lines(options)


def _run_archive(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_result
    from ostiary.record.archive import archive_entries

    with _open_to_write(options) as log:
        done = archive_entries(
            log,
            correlation_id=secrets.token_hex(8),
            before=options.older_than,
            keep_bytes=options.keep,
            directory=options.to,
        )
    if done is None:
        show_result({"archived": 0}, "Nothing to archive.", is_json=options.json)
        return 0
    told = {"first": done.first, "end": done.end, "file": str(done.path), "sha256": done.sha256}
    text = f"Archived entries {done.first} to {done.end - 1} to {done.path}\nsha256 {done.sha256}"
    show_result({"archived": done.end - done.first, **told}, text, is_json=options.json)
    return 0


def _run_rotate(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_result
    from ostiary.cli.record_values import read_given
    from ostiary.record.rotate import rotate_keys

    command = None if options.signer is None else read_given(options.signer)
    with _open_to_write(options) as log:
        keys = rotate_keys(log, correlation_id=secrets.token_hex(8), signing_command=command)
    show_result({"keys": list(keys)}, "\n".join(("New keys sign from here on:", *keys)), is_json=options.json)
    return 0


def _run_forget(options: argparse.Namespace) -> int:
    from ostiary.cli.record_text import show_result
    from ostiary.record.forget import forget_content

    last = options.index if options.last is None else options.last
    with _open_to_write(options) as log:
        salts = forget_content(log, options.index, last + 1, correlation_id=secrets.token_hex(8))
    show_result({"forgotten": salts}, f"Deleted {salts} salts.", is_json=options.json)
    return 0


def _deliver(content: bytes, options: argparse.Namespace) -> None:
    """Text that ends in a newline of its own."""
    text = content.decode()
    if options.output is not None:
        ui.write_file(options.output, text)
    elif options.json:
        from ostiary.cli.record_text import show_result

        show_result({"text": text}, text, is_json=True)
    else:
        ui.out(text.removesuffix("\n"))
