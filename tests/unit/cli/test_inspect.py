"""`ostiary inspect` as a person, a machine and a code-scanning service see it."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

from ostiary.cli import ui
from ostiary.cli.inspect_sarif import describe_sarif
from ostiary.cli.inspect_text import render_inspection
from ostiary.cli.main import main
from ostiary.core.findings import Finding, Rule, Severity
from ostiary.core.tickets import DtypeTotal, FileEntry, FileKind, ModelFacts, Quantization
from ostiary.errors import INTAKE_CARRIES_CODE
from ostiary.intake import examine_model
from ostiary.intake.examination import Examination
from ostiary.testing import HostilePublisher

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/reference/inspect.schema.json").read_text())

FACTS = ModelFacts(
    format="safetensors",
    architecture="qwen3",
    layers=28,
    hidden_size=1024,
    vocabulary=151_936,
    context_tokens=40_960,
    quantization=Quantization(4, 64, "affine"),
    parameters=596_049_920,
    tensors=(DtypeTotal("U32", 197, 298_000_000), DtypeTotal("BF16", 507, 37_000_000)),
    weight_bytes=335_000_000,
    cache_bytes_per_token=114_688,
    cache_bytes_at_context=4_697_620_480,
    layout_checked=True,
)
NOTE = Rule("template.note", Severity.LOW, None, "A thing", "It could surprise.")
CODE = Rule("code.thing", Severity.CRITICAL, INTAKE_CARRIES_CODE, "Code", "It would run.")


def _examination(*findings: Finding) -> Examination:
    files = (
        FileEntry("config.json", 900, "a" * 64, FileKind.CONFIG),
        FileEntry("model.safetensors", 335_100_000, "b" * 64, FileKind.SAFETENSORS),
    )
    return Examination("qwen3-0.6b-4bit", False, files, True, FACTS, findings)


def test_an_accepted_model_reads_like_this() -> None:
    assert render_inspection(_examination(), color=False, width=100, show_all=False) == [
        "qwen3-0.6b-4bit",
        "  model     qwen3, 28 layers, 596.0 M parameters, 4-bit affine in groups of 64, context of 40,960 tokens",
        "  tensors   704: 197 U32 (298.0 MB), 507 BF16 (37.0 MB)",
        "  to run    335.0 MB of weights and 114.7 kB of cache a token: 5.0 GB with the whole context",
        "  files     2 in 335.1 MB: 1 config, 1 safetensors",
        f"  digest    sha256:{_examination().root}",
        "  findings  none",
        "",
        "accepted: nothing found that runs code or breaks its format; every tensor is where its architecture expects it",
    ]


def test_a_refused_model_reads_like_this() -> None:
    finding = Finding(CODE, "it is Python source", "evil\x1b.py", 12)
    note = Finding(NOTE, "it has a zero", "config.json")
    lines = render_inspection(_examination(finding, note), color=False, width=100, show_all=False)
    assert lines[lines.index("  findings  1 critical, 1 low") :] == [
        "  findings  1 critical, 1 low",
        "",
        "  critical  evil\\x1b.py",
        "            Byte 12: it is Python source.",
        "            It would run.",
        "            code.thing",
        "",
        "  low       config.json  (a note: it does not refuse)",
        "            It has a zero.",
        "            It could surprise.",
        "            template.note",
        "",
        "refused, for 1 reason",
    ]


def test_many_findings_are_cut_and_say_so() -> None:
    many = [Finding(NOTE, f"number {n}", f"{n}.json") for n in range(30)]
    lines = render_inspection(_examination(*many), color=False, width=100, show_all=False)
    assert "  ... and 18 more: --all shows them" in lines
    assert not any(
        "more: --all" in x for x in render_inspection(_examination(*many), color=False, width=100, show_all=True)
    )


def test_colour_changes_nothing_but_colour() -> None:
    finding = Finding(CODE, "it is Python source", "evil.py", 12)
    plain = render_inspection(_examination(finding), color=False, width=100, show_all=True)
    painted = render_inspection(_examination(finding), color=True, width=100, show_all=True)
    assert painted != plain
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in painted] == plain


def test_an_honest_model_exits_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    assert main(["inspect", str(model)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("honest\n")
    assert "accepted: " in told.out
    assert told.err.startswith("ostiary: a new record was begun")
    assert main(["inspect", str(model)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("attack", sorted(HostilePublisher(Path()).attacks))
def test_every_published_attack_exits_3_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], attack: str
) -> None:
    model = HostilePublisher(tmp_path).publish(attack)
    assert main(["inspect", str(model)]) == 3
    told = capsys.readouterr()
    assert re.fullmatch(r"ostiary: refused: INTAKE_[A-Z_]+: .+\. Hint: .+\.", told.err.splitlines()[-1]), told.err
    assert "refused, for" in told.out


@pytest.mark.parametrize("attack", [None, *sorted(HostilePublisher(Path()).attacks)])
def test_json_follows_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str], attack: str | None) -> None:
    publisher = HostilePublisher(tmp_path)
    model = publisher.publish_honest() if attack is None else publisher.publish(attack)
    status = main(["inspect", "--json", str(model)])
    value = json.loads(capsys.readouterr().out)
    jsonschema.validate(value, SCHEMA)
    assert value["verdict"] == ("accepted" if attack is None else "refused")
    assert status == (0 if attack is None else 3)


def test_json_of_a_failure_follows_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", "--json", str(tmp_path / "absent")])
    jsonschema.validate(json.loads(capsys.readouterr().out), SCHEMA)


def test_sarif_names_rule_place_and_digest() -> None:
    log = describe_sarif(_examination(Finding(CODE, "it is Python source", "a b/é.py", 12), Finding(NOTE, "odd")))
    run = log["runs"][0]  # type: ignore[index]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["code.thing", "template.note"]
    first, second = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/%C3%A9.py", "uriBaseId": "MODEL"},
        "region": {"byteOffset": 12, "byteLength": 0},
    }
    assert (first["level"], second["level"]) == ("error", "note")
    assert run["artifacts"][0]["hashes"] == {"sha-256": "a" * 64}


def test_output_goes_to_a_file_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    assert main(["inspect", "--json", "-o", str(tmp_path / "answer.json"), str(model)]) == 0
    assert capsys.readouterr().out == ""
    jsonschema.validate(json.loads((tmp_path / "answer.json").read_text()), SCHEMA)


def test_a_full_disk_is_said_and_leaves_nothing_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HostilePublisher(tmp_path).publish_honest()

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ui, "sync_file", refuse)
    target = tmp_path / "answer.json"
    assert main(["inspect", "--json", "--output", str(target), str(model)]) == 4
    told = capsys.readouterr()
    assert "OUTPUT_UNWRITABLE" in told.err
    assert "no space left on device. Hint: Make room" in told.err
    assert json.loads(told.out)["error"]["code"] == "OUTPUT_UNWRITABLE"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["honest", "ostiary-state"]


def test_an_unsafe_format_is_let_in_only_when_asked(tmp_path: Path, corpus: Path) -> None:
    path = corpus / "files" / "npy_ok_v2.npy"
    assert main(["inspect", str(path)]) == 3
    assert main(["inspect", "--unsafe-allow", "npy", str(path)]) == 0
    assert main(["inspect", "--unsafe-allow", "gguf", str(path)]) == 3
    assert main(["inspect", "--unsafe-allow", "mlxfn", str(path)]) == 2
    assert "format.unsafe-allowed" in examine_model(path, allowed_formats=[FileKind.NPY]).count_rules()


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    (model / "\x1b]0;owned\x07.py").write_text("x")
    (model / os.fsdecode(b"\xff\xfe.json")).write_text("{}")
    for flag in ("--all", "--json", "--sarif"):
        assert main(["inspect", flag, str(model)]) == 3
        told = capsys.readouterr()
        assert "\x1b" not in told.out + told.err
        assert "\x07" not in told.out + told.err
        (told.out + told.err).encode("utf-8")


def test_where_a_model_lay_is_recorded_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    state = tmp_path / "own-state"
    assert main(["inspect", "--state", str(state), str(model)]) == 0
    assert main(["inspect", "--state", str(state), "--record-location", str(model)]) == 0
    capsys.readouterr()
    assert main(["record", "tail", "--state", str(state), "--json", "-n", "2"]) == 0
    plain, located = capsys.readouterr().out.splitlines()
    assert "hmac-sha256:" not in plain
    assert "hmac-sha256:" in located
    (tmp_path / "path").write_text(str(model))
    index = str(json.loads(located)["n"])
    assert main(["record", "show", "--state", str(state), index, "--content", f"location={tmp_path / 'path'}"]) == 0
    assert "is what was recorded" in capsys.readouterr().out
