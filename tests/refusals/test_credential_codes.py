"""One test for each code of certificates and tokens, named by what brings it about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ostiary.errors import Misuse
from ostiary.gateway.tls_files import TlsFiles, judge_tls_files
from ostiary.gateway.token_keys import parse_token_keys


def test_a_certificate_that_is_none() -> None:
    with pytest.raises(Misuse) as caught:
        judge_tls_files(TlsFiles(b"", b""), datetime.now(UTC))
    assert caught.value.code == "TLS_UNUSABLE"


def test_keys_that_are_none() -> None:
    with pytest.raises(Misuse) as caught:
        parse_token_keys(b"[]")
    assert caught.value.code == "TOKEN_KEYS_UNUSABLE"
