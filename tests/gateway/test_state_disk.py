"""`/readyz` where the disk of the state directory is full: nothing is answered then, so nobody is to be sent here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cell_tools import LINUX_ONLY, PATIENCE
from keeper_tools import keeping, publish, wait_for
from program_tools import PROGRAM, wait_until_it_listens

from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY

FULL = """
import os
from ostiary.gateway import state_disk
state_disk.has_room = lambda place: not os.path.exists("full")
"""


def test_nobody_is_ready_where_nothing_can_be_recorded(tmp_path: Path) -> None:
    with keeping([publish(tmp_path)]) as kennel:
        kennel.keeper.models.is_disk_full = True
        answer = kennel.door.get("/readyz")
        assert (answer.status, answer.json["status"], answer.json["disk"]) == (503, "failing", "full")
        assert kennel.door.get("/v2/health/ready").status == 503
        assert kennel.door.get("/livez").status == 200, "a new start would not help"
        kennel.keeper.models.is_disk_full = False
        assert kennel.door.get("/readyz").status == 200


def test_a_running_server_looks(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    command = [sys.executable, "-c", FULL + PROGRAM, "0", "serve", str(model), "--key", str(sign_model(model))]
    process = subprocess.Popen(
        [*command, "--port", "0", "--state", "state"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        program = wait_until_it_listens(process)
        assert program.ask("/readyz", key="")[0] == 200
        (tmp_path / "full").touch()
        wait_for(lambda: program.ask("/readyz", key="")[0] == 503)
        assert program.ask("/readyz", key="")[1]["disk"] == "full"
        (tmp_path / "full").unlink()
        wait_for(lambda: program.ask("/readyz", key="")[0] == 200)
        status, said = program.stop()
        assert status == 0
        assert ["is full" in said, "there is room" in said] == [True, True]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=PATIENCE)
