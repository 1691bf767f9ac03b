"""Atheris on the decoders: it sees which way through the code an input takes, and looks for inputs that take new ones.

Needs the extra `fuzz` (`pip install -e '.[fuzz]'`), which has wheels for Linux on x86-64 alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from stream.engine import ticks
from stream.errors import BadRecord, Reason

EXAMPLES = Path(__file__).parents[1] / "contract" / "examples"


@cache
def readers() -> list[Callable[[bytes], object]]:
    """Everything that reads bytes of others, under one rule: a record, or BadRecord."""
    from stream.agents import columns
    from stream.contracts import DECODE, envelope

    def structured(data: bytes) -> bytes:
        return envelope.unwrap(data, (("content-type", b"application/cloudevents+json"),))

    def tick(data: bytes) -> object:
        try:
            return ticks.decode(data)
        except ValueError as error:
            raise BadRecord(Reason.BAD_JSON, "", "not a tick") from error

    quick = [
        lambda data, reader=reader: columns._decode_one(reader, data)
        for reader in (columns.PAYMENTS, columns.BOUNCES, columns.MISSED_BILLS)
    ]
    return [*(DECODE[topic] for topic in sorted(DECODE)), *quick, structured, tick]


def judge(data: bytes) -> None:
    """The first byte chooses the reader, the rest is the value. Raises what a reader must not."""
    if not data:
        return
    all_ = readers()
    try:
        all_[data[0] % len(all_)](data[1:])
    except BadRecord as bad:
        if not isinstance(bad.reason, Reason):
            raise TypeError("a reason that is not of the closed list") from bad


def seeds(folder: Path) -> None:
    """The examples of the contracts, each behind the byte that chooses its reader."""
    for number, path in enumerate(sorted(EXAMPLES.glob("*.json"))):
        (folder / path.stem).write_bytes(bytes([number]) + path.read_bytes())


def fuzz(seconds: int, seed: int) -> int:
    """Lets atheris search for so long; 1 where it found something, 0 where not, 2 where it is not installed."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        sys.stderr.write("atheris is not installed, so nothing was looked for: pip install -e '.[fuzz]' -c constraints.txt\n")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds(folder)
        # In a process of its own: libFuzzer ends the one it runs in.
        flags = [f"-max_total_time={seconds}", f"-seed={seed + 1}", "-max_len=4096", "-timeout=20"]
        flags.append(f"-artifact_prefix={Path.cwd()}/")
        return int(subprocess.run([sys.executable, "-m", __name__, *flags, str(folder)], check=False).returncode != 0)


def main() -> None:
    import atheris

    # The modules that decide, not the whole world.
    with atheris.instrument_imports(include=["stream.contracts", "stream.agents.columns", "stream.reference.currencies"]):
        all_ = readers()
    assert len(all_) < 256
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
