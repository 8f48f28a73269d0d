"""Intake as a whole: one examination, from which comes a ticket or one refusal."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path

import pytest

import ostiary
from ostiary.core.digests import compute_root
from ostiary.core.findings import Finding, Rule, Severity
from ostiary.core.tickets import FileKind, Manifest
from ostiary.errors import IntakeRefused, Misuse, SourceUnreadable
from ostiary.intake import examine, examine_model, judge_model, read_file, read_manifest
from ostiary.intake.examination import order_findings
from ostiary.intake.keep import KeepBudget
from ostiary.intake.tree import open_tree
from ostiary.record.events import ModelFailed, ModelInspected, ModelRefused
from ostiary.testing import HostilePublisher, capture_events, safetensors_file


def test_an_honest_model_gives_a_manifest(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    manifest = read_manifest(model)
    assert isinstance(manifest, Manifest)
    assert [entry.path for entry in manifest.files] == sorted(p.name for p in model.iterdir())
    for entry in manifest.files:
        assert entry.sha256 == hashlib.sha256((model / entry.path).read_bytes()).hexdigest()
    assert manifest.root == compute_root(entry.sha256 for entry in manifest.files)
    facts = manifest.facts
    assert (facts.architecture, facts.layers, facts.vocabulary, facts.layout_checked) == ("llama", 1, 64, True)
    assert facts.parameters == 64 * 32 + 3 * 32 + 4 * 32 * 32 + 3 * 32 * 64
    assert facts.weight_bytes == 2 * facts.parameters
    assert manifest.notes == ()


def test_the_doorplate_offers_the_same(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    assert ostiary.read_manifest(model) == read_manifest(model)
    with pytest.raises(ostiary.IntakeRefused):
        ostiary.read_manifest(HostilePublisher(tmp_path).publish("python-file"))


def test_a_refusal_carries_every_finding_worst_first(tmp_path: Path) -> None:
    publisher = HostilePublisher(tmp_path)
    model = publisher.publish("python-file")
    publisher.attacks["reaching-template"](model)
    publisher.attacks["word-past-embedding"](model)
    with pytest.raises(IntakeRefused) as caught:
        read_manifest(model)
    assert {f.path for f in caught.value.findings} == {
        "modeling_custom.py",
        "tokenizer_config.json",
        "tokenizer.json",
    }
    ranks = [f.rule.severity.rank for f in caught.value.findings]
    assert ranks == sorted(ranks)


def test_one_broken_file_does_not_hide_another(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish("overlapping-tensors")
    (model / "generation_config.json").write_text("{")
    assert {f.path for f in examine_model(model).findings if f.is_refusing} >= {
        "model.safetensors",
        "generation_config.json",
    }


def test_a_single_weights_file_is_judged_alone(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    manifest = read_manifest(model / "model.safetensors")
    assert (manifest.facts.format, manifest.facts.architecture) == ("safetensors", None)
    assert manifest.facts.parameters is not None


@pytest.mark.parametrize("name", ["README.md", "passwd", "model.sig"])
def test_a_single_file_that_no_loader_reads_is_no_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("root:x:0:0\n")
    assert "model.nothing" in examine_model(tmp_path / name).count_rules()


def test_tensors_of_other_names_altogether_are_refused(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    (model / "model.safetensors").write_bytes(safetensors_file({f"t{n}": ((1,), b"\0\0") for n in range(9)}))
    rules = examine_model(model).count_rules()
    assert {"layout.missing-tensor", "layout.unexpected-tensor"} <= set(rules)


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ({}, "model.nothing"),
        ({"README.md": b"hello"}, "model.nothing"),
        ({"model.safetensors": safetensors_file({"w": ((1,), b"\0\0")})}, "model.no-config"),
    ],
)
def test_what_is_not_a_model_says_so(tmp_path: Path, files: dict[str, bytes], rule: str) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name, data in files.items():
        (model / name).write_bytes(data)
    examination = examine_model(model)
    assert rule in examination.count_rules()
    assert examination.refusal is not None
    assert examination.refusal.code == "INTAKE_INCOMPLETE"


def test_a_note_on_a_name_does_not_stand_in_the_way_of_a_ticket(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    (model / "cafe\u0301.md").write_text("decomposed")
    manifest = read_manifest(model)
    assert [note.rule.id for note in manifest.notes] == ["names.not-normalised"]


def test_what_was_refused_is_not_called_missing(tmp_path: Path) -> None:
    rules = examine_model(HostilePublisher(tmp_path).publish("link-out")).count_rules()
    assert set(rules) == {"tree.symlink"}


def test_two_whole_models_in_one_directory_are_refused(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    (model / "model-2.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    rules = examine_model(model).count_rules()
    assert "model.unlisted-shard" in rules
    assert "model.duplicate-tensor" in rules


def test_weights_that_nobody_loads_are_noted_and_not_counted(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    before = examine_model(model).facts
    (model / "consolidated.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    after = examine_model(model)
    assert after.refusal is None
    assert set(after.count_rules()) == {"model.unused-weights"}
    assert after.facts == before


def test_an_index_may_stand_beside_weights_that_nobody_loads(tmp_path: Path, corpus: Path) -> None:
    model = tmp_path / "sharded"
    shutil.copytree(corpus / "dirs" / "ok_sharded", model)
    (model / "consolidated.safetensors").write_bytes((model / "model-00001-of-00002.safetensors").read_bytes())
    assert set(examine_model(model).count_rules()) == {"model.unused-weights"}


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 65_557, 70_000, 1 << 20, (1 << 20) + 1, 3_200_000])
def test_the_digest_covers_all_and_the_tail_is_the_end(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "NOTICE").write_bytes(data)
    with open_tree(tmp_path / "NOTICE") as tree:
        seen: list[int] = []
        file = read_file.read_file(tree, tree.files[0], KeepBudget(), seen.append)
    assert file.entry.sha256 == hashlib.sha256(data).hexdigest()
    assert file.kept == data[: len(file.kept)]
    assert len(file.kept) == min(size, 1 << 20)
    assert data.endswith(file.tail)
    assert len(file.tail) == min(size, 65_557)
    assert sum(seen) == size


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "NOTICE"
    path.write_bytes(b"x" * 3_000_000)

    def write_meanwhile(_count: int) -> None:
        with path.open("ab") as file:
            file.write(b"y")

    with open_tree(path) as tree, pytest.raises(IntakeRefused) as caught:
        read_file.read_file(tree, tree.files[0], KeepBudget(), write_meanwhile)
    assert caught.value.code == "INTAKE_CHANGED"


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "NOTICE").write_bytes(b"x" * 5_000)
    with open_tree(tmp_path / "NOTICE") as tree:
        file = read_file.read_file(tree, tree.files[0], KeepBudget(4_999), lambda _count: None)
    assert file.refusal is not None
    assert file.refusal.findings[0].rule.id == "tree.too-much-to-keep"
    assert (file.kept, file.tail) == (b"", b"")
    assert file.entry.sha256 == hashlib.sha256(b"x" * 5_000).hexdigest()


def test_many_threads_give_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    for number in range(20):
        (model / f"note-{number}.md").write_bytes(os.urandom(1000 * number))
    alone = examine_model(model)
    monkeypatch.setattr(examine, "_WORTH_THREADS_BYTES", 0)
    monkeypatch.setattr(examine.os, "cpu_count", lambda: 4)
    threads: set[int] = set()
    together = examine_model(model, advance=lambda _count: threads.add(threading.get_ident()))
    assert together == alone


def test_a_blob_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    data = b"some words"
    for name, digest in (("good.md", hashlib.sha256(data).hexdigest()), ("bad.md", "a" * 64)):
        (repository / "blobs" / digest).write_bytes(data)
        (snapshot / name).symlink_to(f"../../blobs/{digest}")
    examination = examine_model(snapshot)
    assert [(f.rule.id, f.path) for f in examination.findings if f.path] == [("tree.cache-digest", "bad.md")]
    assert {entry.sha256 for entry in examination.files} == {hashlib.sha256(data).hexdigest()}
    assert examination.root is None


def test_findings_are_ordered_and_told_once() -> None:
    note = Rule("a.note", Severity.CRITICAL, None, "t", "h.")
    refusing = Rule("a.refusal", Severity.LOW, ostiary.errors.INTAKE_MALFORMED, "t", "h.")
    findings = [
        Finding(note, "x", "b"),
        Finding(refusing, "x", "c", 5),
        Finding(refusing, "x", "c"),
        Finding(note, "x", "b"),
    ]
    assert [(f.rule.id, f.offset) for f in order_findings(findings)] == [
        ("a.refusal", None),
        ("a.refusal", 5),
        ("a.note", None),
    ]


# --- the verdict and the record ----------------------------------------------------------------------------------


def test_every_verdict_is_exactly_one_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = HostilePublisher(tmp_path)
    with capture_events() as (events, emit):
        accepted = judge_model(publisher.publish_honest(), emit)
        refused = judge_model(publisher.publish("renamed-pickle"), emit)
        with pytest.raises(Misuse):
            judge_model(tmp_path / "absent", emit)

        def fail(*_args: object, **_options: object) -> None:
            raise SourceUnreadable(ostiary.errors.INTAKE_UNREADABLE, "x cannot be read")

        monkeypatch.setattr("ostiary.intake.judge.examine_model", fail)
        with pytest.raises(SourceUnreadable):
            judge_model(tmp_path / "honest", emit)
    inspected, refusal, failed = events
    assert isinstance(inspected, ModelInspected)
    assert inspected.root == accepted.examination.root
    assert inspected.correlation_id == accepted.correlation_id
    assert isinstance(refusal, ModelRefused)
    assert (refusal.code, refusal.rule, refusal.path) == (
        "INTAKE_CARRIES_CODE",
        "code.pickle-imports",
        "model-extra.safetensors",
    )
    assert refusal.findings == {"code.disguised": 1}  # the worst one stands in `rule`
    assert refusal.correlation_id == refused.correlation_id
    assert isinstance(failed, ModelFailed)
    assert failed.code == "INTAKE_UNREADABLE"


def test_no_absolute_path_is_in_an_event(tmp_path: Path) -> None:
    with capture_events() as (events, emit):
        judge_model(HostilePublisher(tmp_path).publish("link-out"), emit)
    assert str(tmp_path) not in repr(events)


def test_what_cannot_be_recorded_is_not_decided(tmp_path: Path) -> None:
    def emit(_event: object) -> None:
        raise OSError("the record is gone")

    with pytest.raises(OSError, match="the record is gone"):
        judge_model(HostilePublisher(tmp_path).publish_honest(), emit)


def test_kinds_are_all_used() -> None:
    assert {kind.value for kind in FileKind} >= {"safetensors", "pickle", "code"}


def test_a_tokenizer_in_a_folder_is_another_models(tmp_path: Path) -> None:
    publisher = HostilePublisher(tmp_path)
    model, hostile = publisher.publish_honest(), publisher.publish("word-past-embedding")
    (model / "text_encoder").mkdir()
    (model / "text_encoder" / "tokenizer.json").write_bytes((hostile / "tokenizer.json").read_bytes())
    assert examine_model(model).refusal is None


def test_a_rule_may_have_a_hint_of_its_own(tmp_path: Path) -> None:
    refusal = examine_model(HostilePublisher(tmp_path).publish("word-past-embedding")).refusal
    assert refusal is not None
    assert refusal.hint.startswith("Remove the token from the tokenizer's files")
