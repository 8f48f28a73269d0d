"""One test for each code of quotas, named by what brings it about."""

from __future__ import annotations

from pathlib import Path

import pytest
from door_tools import running_door
from quota_tools import HandClocks, begin_server, kill, name_caller

from ostiary import errors
from ostiary.admission.tenants import TenantLimits
from ostiary.admission.usage_file import USAGE_FILE
from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route


async def _greet(_asked: Asked, _body: bytes) -> Reply:
    return JsonReply("hello")


ROUTES = (Route(method="POST", path="/hello", handle=_greet, dialect=Dialect.PROBLEM, summary=""),)


def test_a_request_more_than_a_tenant_may_have(tmp_path: Path) -> None:
    quotas = begin_server(tmp_path, HandClocks(), usual=TenantLimits(requests_per_minute=1))
    with running_door(ROUTES, quotas=quotas) as door:
        assert door.post("/hello", b"").status == 200
        answer = door.post("/hello", b"")
    assert (answer.code, answer.status) == ("ADMISSION_QUOTA", 429)


def test_usage_that_cannot_be_counted(tmp_path: Path) -> None:
    quotas = begin_server(tmp_path, HandClocks())
    kill(quotas)
    with running_door(ROUTES, quotas=quotas) as door:
        answer = door.post("/hello", b"")
    assert (answer.code, answer.status) == ("QUOTA_UNWRITABLE", 503)
    assert answer.headers["retry-after"] == "30"
    with pytest.raises(errors.QuotaFailed):
        quotas.reserve(name_caller("anna"), 1)


def test_a_file_of_usage_that_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / USAGE_FILE).symlink_to(tmp_path / "other")
    with pytest.raises(errors.Misuse) as caught:
        begin_server(tmp_path, HandClocks())
    assert caught.value.code == "QUOTA_UNUSABLE"
