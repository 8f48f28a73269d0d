"""The adapter for the public conformance suite, called as the suite calls it. The suite itself lies elsewhere."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from forge import DAY, Authority, make_key

from ostiary.trust.private_key import render_private_key

ADAPTER = Path(__file__).with_name("oms_adapter.py")


def call(*words: object) -> int:
    return subprocess.run(
        [sys.executable, str(ADAPTER), *map(str, words)], capture_output=True, check=False
    ).returncode


@pytest.fixture
def place(tmp_path: Path) -> Path:
    now = datetime.now(UTC)
    model = tmp_path / "model"
    for path in ("weights.bin", "sub dir/模型.bin", ".config", ".git/HEAD", "ignore-me"):
        (model / path).parent.mkdir(parents=True, exist_ok=True)
        (model / path).write_bytes(path.encode())
    key = make_key(9, "P-384")
    (tmp_path / "key.pem").write_bytes(render_private_key(key, None))
    (tmp_path / "pub.pem").write_bytes(b"Public Key Info:\n" + key.public_key.pem)
    (tmp_path / "wrong.pem").write_bytes(make_key(10).public_key.pem)
    root = Authority(80, "root", begins=now - DAY, ends=now + DAY)
    leaf = root.issue(key.native.public_key(), begins=now - DAY, ends=now + DAY, san=None)
    (tmp_path / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    return tmp_path


def test_keys(place: Path) -> None:
    model, bundle = place / "model", place / "bundle.sig"
    ignored = ("--ignore-paths", model / "ignore-me")
    base = ("--method", "key", "--model-path", model, *ignored)
    assert call("sign-model", *base, "--output-bundle", bundle, "--private-key", place / "key.pem") == 0
    verify = ("verify-model", *base, "--bundle", bundle, "--public-key")
    assert call(*verify, place / "pub.pem") == 0
    assert call(*verify, place / "wrong.pem") != 0
    (model / "injected.bin").write_bytes(b"x")
    assert call(*verify, place / "pub.pem") != 0
    assert call(*verify, place / "pub.pem", "--ignore-unsigned-files") == 0
    (model / "weights.bin").write_bytes(b"tampered")
    assert call(*verify, place / "pub.pem", "--ignore-unsigned-files") != 0


def test_certificates_and_the_signature_inside_the_model(place: Path) -> None:
    model = place / "model"
    bundle = model / "model.sig"
    base = ("--method", "certificate", "--model-path", model)
    signer = (
        "--private-key",
        place / "key.pem",
        "--signing-cert",
        place / "leaf.pem",
        "--cert-chain",
        place / "root.pem",
    )
    assert call("sign-model", *base, "--output-bundle", bundle, *signer) == 0
    assert call("verify-model", *base, "--bundle", bundle, "--cert-chain", place / "root.pem") == 0
    assert (
        call("verify-model", *base, "--bundle", bundle, "--cert-chain", place / "leaf.pem") == 0
    )  # named as the root
    assert (
        call("verify-model", "--method", "key", *base[2:], "--bundle", bundle, "--public-key", place / "pub.pem")
        != 0
    )


@pytest.mark.parametrize("link", [".", "weights.bin", "/nonexistent"])
def test_links_and_empty_models_are_not_signed(place: Path, link: str) -> None:
    words = ("--output-bundle", place / "x.sig", "--private-key", place / "key.pem")
    (place / "model" / "link").symlink_to(link)
    assert call("sign-model", "--method", "key", "--model-path", place / "model", *words) != 0
    (place / "empty").mkdir()
    (place / "empty" / ".gitignore").write_bytes(b"")
    assert call("sign-model", "--method", "key", "--model-path", place / "empty", *words) != 0
