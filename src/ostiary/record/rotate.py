"""Exchanges the keys of the record, so that the chain of trust has no gap.

The new keys are announced by an entry, and a checkpoint under the old keys covers that entry and stays for ever.
Killed in between, the record goes on under the keys that its last announcement names: keys.py ends the exchange.
"""

from __future__ import annotations

from ostiary.record.events import RecordKeyRotated
from ostiary.record.keys import load_active_signers, prepare_keys, prepare_signing_command
from ostiary.record.log import Log


def rotate_keys(log: Log, *, correlation_id: str, signing_command: bytes | None = None) -> tuple[str, ...]:
    """Returns the verifier keys that sign from here on; `signing_command` is the content of a signer.json."""
    with log.change() as store:
        old = log.load_signers()
        if signing_command is None:
            new = prepare_keys(log.record, old[0].verifier.name)
        else:
            new = prepare_signing_command(log.record, signing_command)
        keys = tuple(signer.verifier.text for signer in new)
        index = log.place(
            RecordKeyRotated(
                old_keys=tuple(signer.verifier.key_id.hex() for signer in old),
                keys=keys,
                correlation_id=correlation_id,
            )
        )
        store.add_keys(index, keys)
        log.sign(old, is_kept=True)
    load_active_signers(log.record, keys)
    return keys
