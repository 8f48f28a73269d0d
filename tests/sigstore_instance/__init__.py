"""A small Sigstore instance for tests, on loopback: certificate authority, log, timestamp authority, provider.

Its answers are right by default, and checked by the `sigstore` library itself; each test bends the one thing it is
about. Keys nobody should use. What it is asked is read strictly, so that a wrong request shows.
"""

from __future__ import annotations

from sigstore_instance.instance import AUTHORITY, LOG, PROVIDER, TIMESTAMPER, Instance, Mode

__all__ = ["AUTHORITY", "LOG", "PROVIDER", "TIMESTAMPER", "Instance", "Mode"]
