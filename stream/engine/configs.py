"""What stands behind a configuration hash: files, settings that change outputs, and library versions."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version

import msgspec

from stream import __version__


class Configuration(msgspec.Struct, frozen=True):
    """Everything beside the inputs that an output depends on."""

    files: dict[str, str]
    """Text of each configuration file, by name."""
    settings: dict[str, str]
    """Those settings of the process that change outputs."""
    versions: dict[str, str]

    def encode(self) -> bytes:
        """Canonical bytes: the same configuration has the same bytes everywhere."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def hash(self) -> str:
        """16 hex digits of the SHA-256 of `encode()`."""
        return hashlib.sha256(self.encode()).hexdigest()[:16]


decode = msgspec.json.Decoder(Configuration).decode


@cache
def versions() -> dict[str, str]:
    """The versions that could change a byte of output. Asked once: those that run, whatever is installed over them meanwhile."""
    return {
        "ews": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "msgspec", "tzdata", "holidays")},
    }
