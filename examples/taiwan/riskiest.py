"""Prints the open signals of the highest severity and score: what `ews explain` is worth asking about.

    python examples/taiwan/riskiest.py 10

Reads the job's `signals` topic, or with a folder as second argument the outputs of `ews replay` there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stream.engine.rerun import committed
from stream.settings import load

RANK = {"low": 1, "medium": 2, "high": 3}


def values(folder: Path | None) -> Iterable[dict[str, Any]]:
    """Every signal record, in the order in which it was said."""
    if folder is None:
        return (json.loads(value) for _, _, value in committed(load(), ("signals",), None))
    return map(json.loads, (folder / "signals.jsonl").read_text(encoding="utf-8").splitlines())


def riskiest(signals: Iterable[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The latest word on each account's worst open signal, the worst account first."""
    latest = {signal["signal_id"]: signal for signal in signals}
    still = [signal for signal in latest.values() if signal["status"] != "withdrawn"]
    still.sort(key=lambda signal: (-RANK[signal["severity"]], -signal["score"], signal["account_id"]))
    worst: dict[str, dict[str, Any]] = {}
    for signal in still:
        worst.setdefault(signal["account_id"], signal)
    return list(worst.values())[:count]


if __name__ == "__main__":
    source = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    for one in riskiest(values(source), int(sys.argv[1]) if len(sys.argv) > 1 else 10):
        print(f"{one['severity']:7}{one['score']:6.2f}  {one['account_id']}  {one['signal_id']}")
