"""The services, each on a loopback port of its own, and the configuration that names them."""

from __future__ import annotations

import json
import threading
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from sigstore_instance.authority import CertificateAuthority, render_spki
from sigstore_instance.log import TransparencyLog
from sigstore_instance.provider import IDENTITY, ISSUER, IdentityProvider
from sigstore_instance.timestamper import TimestampAuthority

AUTHORITY, LOG, TIMESTAMPER, PROVIDER = "authority", "log", "timestamper", "provider"
ELSEWHERE = "elsewhere"  # where a redirection leads
JSON = "application/json"


class Mode(StrEnum):
    """What a service does instead of its work."""

    DOWN = "down"
    SILENT = "silent"
    TRICKLING = "trickling"
    GARBAGE = "garbage"
    EMPTY = "empty"
    OTHER_JSON = "other json"
    OVERSIZE = "oversize"
    FAILING = "failing"
    ECHOING = "echoing"
    REDIRECTING = "redirecting"


class Instance:
    """`with Instance() as instance:` serves until the end of the block."""

    def __init__(self) -> None:
        self.authority = CertificateAuthority()
        self.log = TransparencyLog()
        self.timestamper = TimestampAuthority()
        self.provider = IdentityProvider()
        self.modes: dict[str, Mode] = {}
        self.bend_answer: Callable[[str, Any], Any] = lambda _service, answer: answer
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        """Service, path, headers and body of every request, in order."""
        self.ended = threading.Event()
        self.surprises: list[str] = []
        """Requests that a real service would not have understood."""
        self.identity_of: Callable[[dict[str, Any]], str] = lambda claims: str(claims.get("email", claims["sub"]))
        self._servers = {
            service: ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self, service))
            for service in (AUTHORITY, LOG, TIMESTAMPER, PROVIDER, ELSEWHERE)
        }
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.01,)) for server in self._servers.values()
        ]
        dead = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        dead.server_close()  # its port answers nobody now
        self._dead_port = dead.server_address[1]

    def __enter__(self) -> Self:
        for server in self._servers.values():
            server.daemon_threads = True
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        assert not self.surprises

    def close(self) -> Self:
        """Nobody answers any more; may be called again."""
        self.ended.set()
        for thread, server in zip(self._threads, self._servers.values(), strict=True):
            if thread.is_alive():
                server.shutdown()
                thread.join()
            server.server_close()
        return self

    def address(self, service: str) -> str:
        is_down = self.modes.get(service) is Mode.DOWN
        return f"http://127.0.0.1:{self._dead_port if is_down else self._servers[service].server_address[1]}"

    def list_asked(self, service: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        return [request for request in self.asked if request[0] == service]

    def describe(self, *, log_version: int = 1, stamps: bool = False) -> dict[str, Any]:
        """A client trust configuration for this instance."""
        now = self.authority.begins
        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log(self.address(LOG), self.log.key.public_key(), self.log.key_id, now)],
            "certificateAuthorities": [_chain("authority", (self.authority.certificate,), now)],
            "ctlogs": [_log("https://ct.acme.example", self.authority.log_key.public_key(), None, now)],
            "timestampAuthorities": [_chain("time", self.timestamper.chain, now)] if stamps else [],
        }
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [_service(self.address(AUTHORITY), 1, now)],
            "oidcUrls": [_service(self.address(PROVIDER), 1, now)],
            "rekorTlogUrls": [_service(self.address(LOG), log_version, now)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [_service(f"{self.address(TIMESTAMPER)}/stamp", 1, now)] if stamps else [],
            "tsaConfig": {"selector": "ALL"},
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": root,
            "signingConfig": signing,
        }

    def write_config(self, path: Path, *, log_version: int = 1, stamps: bool = False) -> Path:
        path.write_text(json.dumps(self.describe(log_version=log_version, stamps=stamps)), encoding="utf-8")
        return path

    def answer(
        self, service: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes, dict[str, str]]:
        """Status, kind, body and further headers of an honest answer."""
        address = urlsplit(path)
        if service == AUTHORITY:
            assert address.path == "/api/v2/signingCert", address.path
            return self._certify(headers, json.loads(body))
        if service == LOG:
            version = {"/api/v1/log/entries": 1, "/api/v2/log/entries": 2}[address.path]
            add = self.log.add_first_version if version == 1 else self.log.add_second_version
            return 201, JSON, self._render(LOG, add(json.loads(body))), {}
        if service == TIMESTAMPER:
            assert headers["content-type"] == "application/timestamp-query"
            return 200, "application/timestamp-reply", self.bend_answer(service, self.timestamper.stamp(body)), {}
        return self._log_in(address.path, address.query, body.decode())

    def _certify(self, headers: dict[str, str], request: dict[str, Any]) -> tuple[int, str, bytes, dict[str, str]]:
        assert set(request) == {"certificateSigningRequest"}
        asked = x509.load_pem_x509_csr(b64decode(request["certificateSigningRequest"], validate=True))
        assert asked.is_signature_valid
        kind, _, token = headers["authorization"].partition(" ")
        claims = self.provider.read_token(token) if kind == "Bearer" else None
        if claims is None or claims["aud"] != "sigstore":
            return 401, JSON, b'{"code":16,"message":"There was an error processing the identity token"}', {}
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        issuer = claims.get("federated_claims", {}).get("connector_id", claims["iss"])
        chain = self.authority.issue(key, self.identity_of(claims), issuer)
        answer = {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}
        return 201, JSON, self._render(AUTHORITY, answer), {}

    def _log_in(self, path: str, query: str, body: str) -> tuple[int, str, bytes, dict[str, str]]:
        base = self.address(PROVIDER)
        if path == "/.well-known/openid-configuration":
            return 200, JSON, self._render(PROVIDER, self.provider.describe(base)), {}
        if path == "/authorize":
            code, back = self.provider.authorize(query)
            if back.startswith("urn:"):
                return 200, "text/plain", code.encode(), {}
            return 302, "text/plain", b"", {"Location": back}
        assert path in ("/token", "/ambient"), path
        if path == "/ambient":
            return 200, JSON, json.dumps({"value": self.provider.make_token()}).encode(), {}
        return 200, JSON, self._render("token", self.provider.exchange(body)), {}

    def _render(self, service: str, answer: Any) -> bytes:
        bent = self.bend_answer(service, answer)
        return bent if isinstance(bent, bytes) else json.dumps(bent).encode()


def _make_handler(instance: Instance, service: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands every request to its service."""

        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing: what was asked is in `asked`."""

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            instance.asked.append((service, self.path, headers, body))
            self.close_connection = True
            mode = instance.modes.get(service)
            if mode is None:
                try:
                    answer = instance.answer(service, self.path, headers, body)
                except Exception:  # noqa: BLE001  shown where the test ends
                    instance.surprises.append(traceback.format_exc())
                    answer = 400, JSON, b"{}", {}
                self._send(*answer)
            elif mode is Mode.SILENT:
                instance.ended.wait(30)
            elif mode is Mode.TRICKLING:
                self._trickle()
            elif mode is Mode.OVERSIZE:
                self._pour()
            elif mode is Mode.ECHOING:
                told = json.dumps({"message": f"no: {headers} {body.decode('latin-1')}"}).encode()
                self._send(400, JSON, told, {})
            elif mode is Mode.REDIRECTING:
                self._send(307, JSON, b"", {"Location": instance.address(ELSEWHERE)})
            elif mode is Mode.FAILING:
                self._send(503, JSON, b"{}", {})
            else:
                answers = {Mode.GARBAGE: b"\xff\x00<html>", Mode.EMPTY: b"", Mode.OTHER_JSON: b'{"a": [1, null]}'}
                self._send(200, JSON, answers[mode], {})

        def _trickle(self) -> None:
            """A byte now and then: each of them in time, the whole of it never."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not instance.ended.wait(0.02):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return

        def _pour(self) -> None:
            """Until nobody takes it any more."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not instance.ended.is_set():
                try:
                    self.wfile.write(bytes(65_536))
                except OSError:
                    return

        def _send(self, status: int, kind: str, body: bytes, more: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                """The client has read enough."""

    return Handler


def _service(url: str, version: int, begins: datetime) -> dict[str, Any]:
    return {
        "url": url,
        "majorApiVersion": version,
        "validFor": {"start": _moment(begins)},
        "operator": "acme.example",
    }


def _log(url: str, key: ec.EllipticCurvePublicKey, key_id: bytes | None, begins: datetime) -> dict[str, Any]:
    raw = render_spki(key)
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": _base64(raw),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": _moment(begins)},
        },
        "logId": {"keyId": _base64(key_id or b"\x00" * 32)},
    }


def _chain(name: str, certificates: tuple[x509.Certificate, ...], begins: datetime) -> dict[str, Any]:
    return {
        "subject": {"organization": "acme.example", "commonName": name},
        "certChain": {"certificates": [{"rawBytes": _base64(c.public_bytes(Encoding.DER))} for c in certificates]},
        "validFor": {"start": _moment(begins)},
    }


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


__all__ = ["AUTHORITY", "IDENTITY", "ISSUER", "LOG", "PROVIDER", "TIMESTAMPER", "Instance", "Mode"]
