"""One test for each error code, named by what brings it about. A code without a test fails the suite."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ostiary import errors
from ostiary.cli import ui
from ostiary.cli.main import main
from ostiary.intake import examine, read_manifest, tree
from ostiary.testing import HostilePublisher, honest_files

Act = Callable[[Path, pytest.MonkeyPatch], object]
ACTS: dict[str, Act] = {}


def brings(code: str) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        assert code not in ACTS
        ACTS[code] = act
        return act

    return register


def _model(tmp_path: Path) -> Path:
    return HostilePublisher(tmp_path).publish_honest()


def _attack(tmp_path: Path, attack: str) -> object:
    return read_manifest(HostilePublisher(tmp_path).publish(attack))


@brings("INTAKE_MALFORMED")
def a_header_whose_shape_wraps(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _attack(tmp_path, "overlapping-tensors")


@brings("INTAKE_TOO_LARGE")
def a_configuration_of_a_gigabyte(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    with (model / "config.json").open("r+b") as file:
        file.truncate(1 << 30)
    return read_manifest(model)


@brings("INTAKE_UNSAFE_FORMAT")
def a_gguf_file(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(60))
    return read_manifest(tmp_path / "model.gguf")


@brings("INTAKE_CARRIES_CODE")
def a_pickle_named_like_weights(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _attack(tmp_path, "renamed-pickle")


@brings("INTAKE_PATH_ESCAPE")
def a_link_out(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _attack(tmp_path, "link-out")


@brings("INTAKE_NOT_REGULAR")
def a_pipe_named_like_a_shard(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    os.mkfifo(model / "model-2.safetensors")
    return read_manifest(model)


@brings("INTAKE_HARD_LINK")
def a_file_with_a_second_name_elsewhere(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    os.link(model / "config.json", tmp_path / "mine.json")
    return read_manifest(model)


@brings("INTAKE_UNSAFE_NAME")
def a_name_with_an_escape_sequence(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    (model / "READ\x1b[2JME.md").write_text("x")
    return read_manifest(model)


@brings("INTAKE_DUPLICATE_NAME")
def two_names_that_a_mac_holds_for_one(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    (model / "readme.md").write_text("x")
    (model / "README.md").write_text("x")
    return read_manifest(model)


@brings("INTAKE_UNLISTED_FILE")
def weights_beside_the_weights(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    (model / "blob.xyz").write_bytes(bytes(range(256)) * 8)
    return read_manifest(model)


@brings("INTAKE_UNKNOWN_ARCHITECTURE")
def a_model_type_that_is_a_path(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _replace(tmp_path, b'"llama"', b'"../../evil"')


@brings("INTAKE_OUT_OF_RANGE")
def a_billion_layers(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _replace(tmp_path, b'"num_hidden_layers": 1', b'"num_hidden_layers": 1000000000')


@brings("INTAKE_INCONSISTENT")
def a_word_past_the_embedding(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _attack(tmp_path, "word-past-embedding")


@brings("INTAKE_INCOMPLETE")
def no_weights(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    (model / "model.safetensors").unlink()
    return read_manifest(model)


@brings("INTAKE_UNBOUNDED")
def a_template_without_end(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return _attack(tmp_path, "endless-template")


@brings("INTAKE_CHANGED")
def a_file_exchanged_while_it_is_read(tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)
    open_tree = examine.open_tree

    def open_and_exchange(path: object) -> object:
        tree = open_tree(path)  # type: ignore[arg-type]
        (model / "config.json").write_bytes(honest_files()["config.json"] + b" ")
        return tree

    patch.setattr(examine, "open_tree", open_and_exchange)
    return read_manifest(model)


@brings("INTAKE_UNREADABLE")
def a_disk_that_fails(tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    model = _model(tmp_path)

    def fail(*_arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    patch.setattr("ostiary.intake.read_file.os.read", fail)
    return read_manifest(model)


@brings("OUTPUT_UNWRITABLE")
def a_place_that_cannot_be_written(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    ui.write_file(tmp_path / "absent" / "answer.json", "x")
    return None


@brings("HOUSE_INTERNAL")
def a_bug(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    raise errors.InternalFault(errors.HOUSE_INTERNAL, "unforeseen")


@brings("USAGE")
def a_flag_that_does_not_exist(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    from ostiary.cli.main import build_parser

    return build_parser().parse_args(["inspect", "--no-such-flag"])


@brings("MODEL_NOT_FOUND")
def a_path_to_nothing(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return read_manifest(tmp_path / "absent")


def _replace(tmp_path: Path, old: bytes, new: bytes) -> object:
    model = _model(tmp_path)
    path = model / "config.json"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return read_manifest(model)


@pytest.mark.parametrize("code", sorted(ACTS))
def test_the_act_brings_the_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.OstiaryError) as caught:
        ACTS[code](tmp_path, monkeypatch)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in caught.value.message.replace(str(tmp_path / "absent"), "")


def test_no_code_is_without_a_test() -> None:
    tested = set(ACTS)
    here = Path(__file__).parent
    for path in here.glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        tested |= {name for name in errors.CODES if f'"{name}"' in text}
    assert set(errors.CODES) - tested == set()


def test_an_unreadable_file_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(tmp_path)
    (model / "config.json").chmod(0)
    if os.geteuid() == 0:  # whom no mode keeps out: answered as the system answers others
        really_open = tree.open_beneath

        def open_beneath(directory: int, path: str, flags: int) -> int:
            if path == "config.json":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return really_open(directory, path, flags)

        monkeypatch.setattr(tree, "open_beneath", open_beneath)
    assert main(["inspect", str(model)]) == 4
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith(
        "ostiary: failed: INTAKE_UNREADABLE: config.json cannot be read: permission denied. Hint:"
    )
