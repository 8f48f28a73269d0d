"""`ostiary doctor`: what it says of this system, and of systems that lack something."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ostiary.cell import probe, trial
from ostiary.cell.explain_layers import DOES, WITHOUT, LayerState, report_layers
from ostiary.cell.limits import CellLimits
from ostiary.cell.profile import Layer, SystemFacts, choose_profile
from ostiary.cli import checkup
from ostiary.cli.main import main
from ostiary.core.tickets import FileEntry, SealMethod
from ostiary.errors import CELL_WALL_UNAVAILABLE, VAULT_NO_METHOD, CellRefused, VaultFailed
from ostiary.vault.probe import NEEDS, Holding, probe_methods

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "reference" / "doctor.schema.json").read_text(encoding="utf-8")
)
WHOLE = SystemFacts(
    system="linux",
    machine="x86_64",
    kernel="6.12.1",
    user_id=1000,
    group_id=1000,
    can_change_user=False,
    cell_users=(0, 0),
    landlock_version=6,
    has_seccomp=True,
    has_listener=True,
    has_no_new_code=True,
    namespaces=frozenset({"user", "network", "ipc", "uts", "mount"}),
)
OLD = replace(WHOLE, kernel="5.4.0", landlock_version=0, has_no_new_code=False, namespaces=frozenset())
MAC = replace(WHOLE, system="darwin", machine="arm64", kernel="25.0", has_seatbelt=True)


@pytest.fixture(autouse=True)
def house(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """MLX, and settings that say nothing, whatever the user's own say."""
    settings = tmp_path_factory.mktemp("settings") / "ostiary.toml"
    settings.touch(mode=0o600)
    monkeypatch.setenv("OSTIARY_CONFIG", str(settings))
    monkeypatch.setattr(checkup, "version", lambda _: "0.32.4")
    monkeypatch.setenv("COLUMNS", "100")


def _on(monkeypatch: pytest.MonkeyPatch, facts: SystemFacts) -> None:
    """Whatever it lacks; what it has cannot be tried here."""

    def try_wall() -> float:
        choose_profile(facts, CellLimits(1, 1, 1, 1, 1, 1, 1, 1))
        return 0.004

    monkeypatch.setattr(probe, "read_facts", lambda: facts)
    monkeypatch.setattr(trial, "try_wall", try_wall)


def _layers(facts: SystemFacts) -> dict[str, LayerState]:
    return {report.layer.value: report.state for report in report_layers(facts)}


def test_every_layer_and_every_method_has_its_words() -> None:
    assert set(DOES) == set(WITHOUT) == set(Layer)
    assert set(NEEDS) == set(SealMethod)


def test_a_whole_system_is_ready(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _on(monkeypatch, WHOLE)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "ready: models run here behind 9 layers"
    assert "  -    user          you are not root, and it runs as you" in lines
    assert max(map(len, lines)) <= 100


def test_an_old_kernel_is_not_and_the_last_line_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(monkeypatch, OLD)
    assert main(["doctor"]) == 3
    told = capsys.readouterr().out
    assert " ".join(told.split()).endswith(
        "not ready: the layer landlock is missing: the kernel has no Landlock (Linux 5.13 and later), "
        "or it is not in the list `lsm=`"
    )
    assert "  NO   landlock      the kernel has no Landlock (Linux 5.13 and later)" in told
    assert "Without it: only seccomp" in told
    assert _layers(OLD)["no-new-code"] is LayerState.SPARED


def test_the_layers_of_macos(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _on(monkeypatch, MAC)
    assert main(["doctor"]) == 0
    assert "seatbelt" in capsys.readouterr().out
    assert "landlock" not in _layers(MAC)
    assert _layers(replace(MAC, has_seatbelt=False))["seatbelt"] is LayerState.MISSING


def test_another_system_has_no_wall(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _on(monkeypatch, replace(WHOLE, system="freebsd"))
    assert main(["doctor"]) == 3
    assert "there is no wall for freebsd" in capsys.readouterr().out


def test_without_mlx_nothing_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _on(monkeypatch, WHOLE)

    def find(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(checkup, "version", find)
    assert main(["doctor"]) == 3
    assert "pip install 'ostiary[mlx]'" in capsys.readouterr().out.splitlines()[-1]


def test_settings_that_cannot_be_read_are_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(monkeypatch, WHOLE)
    (tmp_path / "mine.toml").write_text("[limits]\nmemory = 8\n")
    assert main(["doctor", "--config", str(tmp_path / "mine.toml")]) == 3
    assert "mine.toml, line 2: limits.memory: not a text" in capsys.readouterr().out


def test_a_state_directory_that_is_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(monkeypatch, WHOLE)
    (tmp_path / "file").touch()
    monkeypatch.setenv("OSTIARY_STATE_DIR", str(tmp_path / "file" / "state"))
    assert main(["doctor"]) == 3
    assert "not a directory" in capsys.readouterr().out.splitlines()[-1]


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "absent"]) == 2
    assert "MODEL_NOT_FOUND" in capsys.readouterr().err


@pytest.mark.parametrize("facts", [WHOLE, OLD, MAC, replace(WHOLE, system="freebsd")])
def test_the_answer_for_machines_is_as_its_schema_says(
    facts: SystemFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(monkeypatch, facts)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    status = main(["doctor", str(tmp_path), "--json"])
    answer = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(answer)
    assert (answer["verdict"] == "ready") is (status == 0) is (answer["problems"] == [])


def test_a_wall_that_cannot_be_put_up_is_the_last_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(monkeypatch, WHOLE)

    def fail() -> float:
        raise CellRefused(CELL_WALL_UNAVAILABLE, "the layer landlock could not be put up: no space left on device")

    monkeypatch.setattr(trial, "try_wall", fail)
    assert main(["doctor"]) == 3
    assert capsys.readouterr().out.splitlines()[-1].startswith("not ready: the layer landlock could not be put up")


@pytest.mark.skipif(sys.platform != "linux", reason="puts a wall up")
def test_on_this_system_for_real(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    wall = json.loads(capsys.readouterr().out)["wall"]
    assert (wall["seconds"] is None) is (wall["code"] is not None)
    assert wall["code"] is None or status == 3


class TestHolding:
    def test_the_largest_file_is_tried(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tried = []

        def take(_methods: object, _place: object, entry: FileEntry) -> object:
            tried.append(entry.path)
            raise VaultFailed(VAULT_NO_METHOD, "not this way")

        monkeypatch.setattr("ostiary.vault.probe.take_hold", take)
        (tmp_path / "small.json").write_bytes(b"x")
        (tmp_path / "model.safetensors").write_bytes(b"xy")
        (tmp_path / "nowhere").symlink_to("absent")
        assert Holding(SealMethod.LEASE, works=False) in probe_methods(tmp_path)
        assert set(tried) == {"model.safetensors"}

    def test_nothing_changes_and_nothing_stays(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"x")
        before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
        probe_methods(tmp_path)
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["model.safetensors"]
        if before:
            assert len(list(Path("/proc/self/fd").iterdir())) == before
        (tmp_path / "model.safetensors").write_bytes(b"still ours")  # no lease is left

    def test_an_empty_place(self, tmp_path: Path) -> None:
        assert probe_methods(tmp_path) == ()
