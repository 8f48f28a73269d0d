from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from record_tools import fill, make_event, make_refusal, verify

from ostiary.errors import Misuse, RecordUnwritable
from ostiary.record.archive import archive_entries
from ostiary.record.begin import open_log, open_reader
from ostiary.record.events import ModelFailed
from ostiary.record.export import render_json_line, render_ocsf
from ostiary.record.forget import forget_content, is_content
from ostiary.record.query import Query, find_entries, tail_entries
from ostiary.record.tiles import export_tiles


def test_a_json_line_is_what_the_tree_hashes(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with open_reader(tmp_path) as reader:
        line = render_json_line(reader.read_entry(2)).encode()
        assert hashlib.sha256(b"\x00" + line).digest() == reader.read_hashes(2)[:32]


def test_verdicts_are_ocsf_scan_activity(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append_many(
            [make_event(), make_refusal(), ModelFailed(name="x", code="INTAKE_UNREADABLE", correlation_id="c")]
        )
    with open_reader(tmp_path) as reader:
        begun, good, bad, failed = (
            json.loads(render_ocsf(reader.read_entry(i), origin="o", product_version="1")) for i in range(4)
        )
    assert [e["class_uid"] for e in (begun, good, bad, failed)] == [0, 6007, 6007, 6007]
    assert [e["type_uid"] for e in (begun, good, bad, failed)] == [99, 600702, 600702, 600706]
    assert [e["severity_id"] for e in (begun, good, bad, failed)] == [1, 1, 4, 3]
    assert bad["status_code"] == "INTAKE_MALFORMED"
    assert good["num_files"] == 7
    assert good["num_detections"] == 2
    assert good["metadata"]["sequence"] == 1
    assert good["time"] > 1_700_000_000_000
    for event in (begun, good, bad, failed):
        assert event["actor"]["process"]["pid"] == os.getpid()
        assert event["metadata"]["profiles"] == ["host"]
        assert {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"} <= set(
            event
        )


def test_tiles_have_the_specified_names_and_sizes(tmp_path: Path) -> None:
    note = fill(tmp_path / "state", 599)
    with open_reader(tmp_path / "state") as reader:
        done = export_tiles(reader, tmp_path / "tiles", note)
    files = {
        str(p.relative_to(tmp_path / "tiles")): p.stat().st_size
        for p in (tmp_path / "tiles").rglob("*")
        if p.is_file()
    }
    assert files.pop("checkpoint") == len(note)
    assert {name: size for name, size in files.items() if "entries" not in name} == {
        "tile/0/000": 8192,
        "tile/0/001": 8192,
        "tile/0/002.p/88": 88 * 32,
        "tile/1/000.p/2": 64,
    }
    assert {name for name in files if "entries" in name} == {
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    }
    assert (done.files, done.minimum_index) == (8, 0)


def test_tiles_of_archived_entries_have_hashes_only(tmp_path: Path) -> None:
    fill(tmp_path / "state", 599)
    with open_log(tmp_path / "state") as log:
        archive_entries(log, correlation_id="a", keep_bytes=50_000)
        note = log.sign_checkpoint()
    with open_reader(tmp_path / "state") as reader:
        done = export_tiles(reader, tmp_path / "tiles", note)
    assert done.minimum_index == 512
    assert not (tmp_path / "tiles" / "tile" / "entries" / "000").exists()
    assert (tmp_path / "tiles" / "tile" / "entries" / "002.p" / "89").exists()


def test_tiles_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    note = fill(tmp_path / "state", 3)
    (tmp_path / "tiles").write_text("")
    with open_reader(tmp_path / "state") as reader, pytest.raises(RecordUnwritable):
        export_tiles(reader, tmp_path / "tiles", note)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), 13),
        (Query(kind="model"), 12),
        (Query(kind="model.refused"), 4),
        (Query(kind="mod"), 0),
        (Query(code="INTAKE_MALFORMED"), 4),
        (Query(rule="safetensors.hole"), 4),
        (Query(rule="config.unknown-key"), 8),
        (Query(name="model-3"), 1),
        (Query(digest="0" * 63), 8),
        (Query(digest=f"{5:064x}"), 1),
        (Query(correlation_id=f"{2:016x}"), 2),
        (Query(user="nobody-of-this-name"), 0),
        (Query(since="2001"), 13),
        (Query(until="2001"), 0),
        (Query(name='"quoted"'), 0),
    ],
)
def test_entries_are_found_by_what_they_say(tmp_path: Path, query: Query, found: int) -> None:
    with open_log(tmp_path) as log:
        log.append_many([make_event(i) for i in range(8)])
        log.append_many([make_refusal(i) for i in range(4)])
    with open_reader(tmp_path) as reader:
        assert len(list(find_entries(reader, query))) == found


def test_the_tail_is_the_newest_oldest_first(tmp_path: Path) -> None:
    fill(tmp_path, 9)
    with open_reader(tmp_path) as reader:
        assert [entry.index for entry in tail_entries(reader, 3)] == [7, 8, 9]
        assert len(tail_entries(reader, 50)) == 10
        assert tail_entries(reader, 0) == []


def test_content_can_be_tested_until_it_is_forgotten(tmp_path: Path) -> None:
    fill(tmp_path, 6, location=b"/models/private")
    with open_reader(tmp_path) as reader:
        salt = reader.read_salts(3)[0].salt
        assert is_content(reader, 3, "location", b"/models/private")
        assert not is_content(reader, 3, "location", b"/models/other")
    with open_log(tmp_path) as log:
        assert forget_content(log, 2, 5, correlation_id="c") == 3
        assert forget_content(log, 2, 5, correlation_id="c") == 0
        # Not in a free page, not in the write-ahead log either.
        for path in (tmp_path / "record").iterdir():
            assert salt not in path.read_bytes()
    with open_reader(tmp_path) as reader:
        with pytest.raises(Misuse, match="not any more"):
            is_content(reader, 3, "location", b"/models/private")
        assert is_content(reader, 5, "location", b"/models/private")
    assert verify(tmp_path)
