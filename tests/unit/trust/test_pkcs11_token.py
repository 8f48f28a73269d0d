"""Keys on a token, with SoftHSM where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from forge import make_manifest, verify

from ostiary.errors import Misuse, SignerFailed
from ostiary.trust.pkcs11_token import open_token, parse_token_uri
from ostiary.trust.sign import sign_manifest
from ostiary.trust.verify import SignatureFile

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((path for path in MODULES if Path(path).exists()), None)
URI = f"pkcs11:token=ostiary;object=%s?module-path={MODULE}"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token with a key for each curve. SoftHSM reads its settings once, when its module is loaded."""
    pkcs11 = pytest.importorskip("pkcs11")
    if MODULE is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    place = tmp_path_factory.mktemp("softhsm")
    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(f"directories.tokendir = {place}/tokens\n", encoding="utf-8")
    os.environ["SOFTHSM2_CONF"] = str(place / "softhsm2.conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "ostiary", "--pin", "1234", "--so-pin", "4321"],  # noqa: S607
        check=True,
        capture_output=True,
    )
    from pkcs11.util.ec import encode_named_curve_parameters

    opened = pkcs11.lib(MODULE).get_token(token_label="ostiary")  # noqa: S106  # a name, not a secret
    with opened.open(rw=True, user_pin="1234") as session:
        for curve in ("secp256r1", "secp384r1", "secp521r1"):
            parameters = session.create_domain_parameters(
                pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
            )
            parameters.generate_keypair(store=True, label=curve)


@pytest.mark.parametrize("curve", ["secp256r1", "secp384r1", "secp521r1"])
def test_a_key_on_a_token_signs_a_model(token: None, curve: str) -> None:
    from forge import CLAIMS

    holder = open_token(URI % curve, lambda: b"1234")
    file = SignatureFile("model.sig", sign_manifest(make_manifest(), holder, CLAIMS))
    assert verify(file, keys=(holder,)).vouchings  # type: ignore[arg-type]


def test_a_wrong_pin_signs_nothing(token: None) -> None:
    with pytest.raises(SignerFailed):
        open_token(URI % "secp256r1", lambda: b"9999").sign_message(b"x")


@pytest.mark.parametrize("uri", [URI % "absent", f"pkcs11:token=nobody;object=x?module-path={MODULE}"])
def test_a_key_that_is_not_there(token: None, uri: str) -> None:
    with pytest.raises(SignerFailed):
        open_token(uri, lambda: b"1234")


def test_a_module_that_is_not_there() -> None:
    pytest.importorskip("pkcs11")
    with pytest.raises(SignerFailed):
        open_token("pkcs11:object=x?module-path=/nonexistent.so", lambda: b"")


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=a;object=b?module-path=/x&pin-value=1234",
        "pkcs11:object=b",
        "pkcs11:token=a?module-path=/x",
        "pkcs11:object=a;object=b?module-path=/x",
        "pkcs11:object=%ff?module-path=/x",
        "pkcs11:slot-id=1;object=b?module-path=/x",
    ],
)
def test_a_uri_that_is_not_understood(uri: str) -> None:
    with pytest.raises(Misuse):
        parse_token_uri(uri)
