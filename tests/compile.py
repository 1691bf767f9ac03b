"""Compiles the detectors once, before several processes would each do so: `python -m tests.compile`."""

from __future__ import annotations

from stream.agents.accounts import AccountsStep
from stream.tables.compiled import compiled_before

if __name__ == "__main__":
    if not compiled_before():
        print("tests: compiling the detectors, about a minute ...", flush=True)
    AccountsStep.warm_up()
