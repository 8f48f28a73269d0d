"""Every attack file found in the world comes out as its manifest says, through the command a person would use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attack_cases.base import CORPUS

from ostiary import errors
from ostiary.cli.main import main
from ostiary.core.tickets import FileKind
from ostiary.intake import examine_model

CASES = json.loads((CORPUS / "manifest.json").read_text())["cases"]
# Controls in these formats pass a reader of the format; whether the format is let in is policy, refused by default.
UNSAFE = {"gguf": FileKind.GGUF, "npy": FileKind.NPY, "npz": FileKind.NPZ}

# The code that fits each refused case, by the case's own category where that decides it.
EXACT = {
    "dir_case_collision": "INTAKE_DUPLICATE_NAME",
    "dir_cfg_bits_99": "INTAKE_OUT_OF_RANGE",
    "dir_cfg_dup_keys": "INTAKE_DUPLICATE_NAME INTAKE_CARRIES_CODE",
    "dir_cfg_layers_1e9": "INTAKE_OUT_OF_RANGE",
    "dir_chat_template_type": "INTAKE_CARRIES_CODE",
    "dir_code_auto_map_repo": "INTAKE_CARRIES_CODE",
    "dir_code_stray_py": "INTAKE_CARRIES_CODE",
    "dir_extra_shard_indexed": "INTAKE_UNLISTED_FILE INTAKE_DUPLICATE_NAME",
    "dir_extra_tensor": "INTAKE_INCONSISTENT",
    "dir_fifo": "INTAKE_NOT_REGULAR",
    "dir_hardlink": "INTAKE_HARD_LINK",
    "dir_index_abs": "INTAKE_PATH_ESCAPE",
    "dir_index_parent": "INTAKE_PATH_ESCAPE",
    "dir_index_lies": "INTAKE_INCONSISTENT",
    "dir_index_notmap": "INTAKE_MALFORMED",
    "dir_missing_tensor": "INTAKE_INCONSISTENT INTAKE_INCOMPLETE",
    "dir_model_type_int": "INTAKE_MALFORMED INTAKE_UNKNOWN_ARCHITECTURE",
    "dir_model_type_nul": "INTAKE_UNKNOWN_ARCHITECTURE",
    "dir_model_type_private": "INTAKE_UNKNOWN_ARCHITECTURE",
    "dir_model_type_slash": "INTAKE_UNKNOWN_ARCHITECTURE",
    "dir_no_weights": "INTAKE_INCOMPLETE",
    "dir_pickle_bin": "INTAKE_CARRIES_CODE",
    "dir_pickle_renamed": "INTAKE_CARRIES_CODE",
    "dir_shape_mismatch": "INTAKE_INCONSISTENT",
    "dir_symlink_dir": "INTAKE_PATH_ESCAPE",
    "dir_symlink_loop": "INTAKE_PATH_ESCAPE",
    "dir_symlink_weights": "INTAKE_PATH_ESCAPE",
    "dir_symlink_zero": "INTAKE_PATH_ESCAPE",
    "dir_tok_padding_bomb": "INTAKE_UNBOUNDED INTAKE_TOO_LARGE",
    "dir_tpl_additional": "INTAKE_UNLISTED_FILE",
    "dir_tpl_include": "INTAKE_PATH_ESCAPE INTAKE_CARRIES_CODE",
    "dir_tpl_ssti_class": "INTAKE_CARRIES_CODE",
    "dir_tpl_ssti_globals": "INTAKE_CARRIES_CODE",
    "dir_vocab_gt_embed": "INTAKE_INCONSISTENT",
    "dir_vocab_gt_embed_near": "INTAKE_INCONSISTENT",
    "npy_hdr_code": "INTAKE_UNSAFE_FORMAT INTAKE_CARRIES_CODE",
    "npz_prefix": "INTAKE_MALFORMED INTAKE_CARRIES_CODE",
    "npz_traversal": "INTAKE_PATH_ESCAPE",
    "npz_pickle": "INTAKE_UNSAFE_FORMAT INTAKE_CARRIES_CODE",
    "st_trailing_zip": "INTAKE_MALFORMED INTAKE_UNSAFE_FORMAT",
    "st_name_traversal": "INTAKE_UNSAFE_NAME",
    "st_name_dunder": "INTAKE_UNSAFE_NAME",
}
MALFORMED = "INTAKE_MALFORMED INTAKE_TOO_LARGE INTAKE_OUT_OF_RANGE INTAKE_UNSAFE_NAME INTAKE_DUPLICATE_NAME"


def _fitting_codes(case: dict[str, str]) -> set[str]:
    exact = EXACT.get(case["name"])
    if exact is None:
        exact = "INTAKE_UNSAFE_FORMAT" if case["format"] in {*UNSAFE, "mlxfn"} else MALFORMED
        if case["format"] in {*UNSAFE, "mlxfn"}:
            exact += f" {MALFORMED}"  # a damaged file of such a format may be called damaged first
    return set(exact.split())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_corpus_comes_out_as_its_manifest_says(
    case: dict[str, str], corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = UNSAFE.get(case["format"])
    flags = ["--unsafe-allow", allowed.value] if allowed is not None else []
    status = main(["inspect", "--json", *flags, str(corpus / case["path"])])
    told = json.loads(capsys.readouterr().out)
    if case["expected"] == "accept" and case["format"] != "mlxfn":
        assert (status, told["verdict"]) == (0, "accepted"), told["error"]
    elif case["expected"] == "contain":
        assert status in {0, 3}
    else:
        assert (status, told["verdict"]) == (3, "refused")
        code = told["error"]["code"]
        assert code in _fitting_codes(case), f"{code}: {told['error']['message']}"
        assert errors.CODES[code].hint


@pytest.mark.parametrize("case", [c for c in CASES if c["format"] in {*UNSAFE, "mlxfn"}], ids=lambda c: c["name"])
def test_unsafe_formats_are_refused_by_default(case: dict[str, str], corpus: Path) -> None:
    assert examine_model(corpus / case["path"]).refusal is not None
