"""A TUF repository in a directory, for tests: whole and honest until a test changes its files, keys or dates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from policy_cases import policy_text, rule_text
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

NOW = datetime.now(UTC)
POLICY = policy_text()
OTHER_POLICY = policy_text(rule_text(need="2"))


@dataclass
class Repository:
    """A whole repository in a directory, whose keys a test can change."""

    place: Path
    days: float = 7
    signers: dict[str, CryptoSigner] = field(default_factory=dict)
    version: int = 0
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in ("root", "timestamp", "snapshot", "targets"):
            self.signers[role] = CryptoSigner.generate_ecdsa()
        for name in ("metadata", "targets"):
            (self.place / name).mkdir(parents=True)
        self.root = self.sign_root(1)
        self.publish({"policy.toml": POLICY})

    @property
    def expires(self) -> datetime:
        return (NOW + timedelta(days=self.days)).replace(microsecond=0)

    def sign_root(self, version: int, *others: CryptoSigner) -> bytes:
        root = Root(version=version, expires=self.expires, consistent_snapshot=True)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        metadata = Metadata(root)
        metadata.sign(self.signers["root"])
        for other in others:
            metadata.sign(other, append=True)
        data = metadata.to_bytes()
        (self.place / "metadata" / f"{version}.root.json").write_bytes(data)
        return data

    def publish(self, files: dict[str, bytes]) -> None:
        self.version += 1
        self.files = files
        version, expires, place = self.version, self.expires, self.place
        targets = Targets(version=version, expires=expires)
        for name, data in files.items():
            info = TargetFile.from_data(name, data, ["sha256"])
            targets.targets[name] = info
            (place / "targets" / f"{info.hashes['sha256']}.{name}").write_bytes(data)
        snapshot = Snapshot(version=version, expires=expires, meta={"targets.json": MetaFile(version)})
        timestamp = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
        for role, signed, name in (
            ("targets", targets, f"{version}.targets.json"),
            ("snapshot", snapshot, f"{version}.snapshot.json"),
            ("timestamp", timestamp, "timestamp.json"),
        ):
            metadata: Metadata[Targets | Snapshot | Timestamp] = Metadata(signed)
            metadata.sign(self.signers[role])
            (place / "metadata" / name).write_bytes(metadata.to_bytes())
