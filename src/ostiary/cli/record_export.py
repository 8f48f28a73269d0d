"""`ostiary record export`: entries as JSON lines, OCSF events or C2SP tiles."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager

from ostiary._version import __version__
from ostiary.cli import ui
from ostiary.cli.record_text import show_result
from ostiary.errors import USAGE, Misuse
from ostiary.record.begin import open_reader
from ostiary.record.entry import Entry
from ostiary.record.export import render_json_line, render_ocsf
from ostiary.record.log import Log
from ostiary.record.query import Query, find_entries
from ostiary.record.tiles import export_tiles


def export_lines(options: argparse.Namespace) -> int:
    """Entries that are not archived; the archive files are JSON lines already."""
    with open_reader(options.state) as reader:
        origin = reader.read_entry(0).data.get("origin", "")

        def render(entry: Entry) -> str:
            if options.format == "ocsf":
                return render_ocsf(entry, origin=origin, product_version=__version__)
            return render_json_line(entry)

        entries = find_entries(reader, Query())
        if options.output is None:
            for entry in entries:
                ui.out(render(entry))
        else:
            ui.write_file(options.output, "".join(f"{render(entry)}\n" for entry in entries))
    return 0


def export_to_tiles(
    options: argparse.Namespace, open_to_write: Callable[[argparse.Namespace], AbstractContextManager[Log]]
) -> int:
    if options.output is None:
        raise Misuse(USAGE, "tiles are many files: name a directory", hint="Give --output DIR.")
    with open_to_write(options) as log:
        checkpoint = log.sign_checkpoint()
    with open_reader(options.state) as reader:
        done = export_tiles(reader, options.output, checkpoint)
    told = {"size": done.size, "files": done.files, "minimum_index": done.minimum_index}
    pruned = f"; entries before {done.minimum_index} are archived" if done.minimum_index else ""
    show_result(told, f"Wrote {done.files} files, {done.size} entries{pruned}.", is_json=options.json)
    return 0
