"""Fail-stop ends the process whatever happens, tells where, and never what a record held."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CASE = """
import asyncio, sys
from stream import app
from stream.engine import failstop
from stream.errors import GapError, TopicsError
app.configure_logging("INFO")
{setup}
async def work():
    {body}
asyncio.run(failstop.guarded("test", work))
print("survived")
"""


def run(body: str, setup: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    code = CASE.format(body=body, setup=setup)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise GapError('a gap')", 1),
        ("raise TopicsError('a topic')", 3),
        ("raise KeyError('x')", 1),
        ("raise SystemExit(0)", 1),
        ("raise asyncio.CancelledError", 1),
    ],
)
def test_it_ends_the_process_with_the_code_of_the_error(body: str, code: int) -> None:
    ended = run(body)
    assert ended.returncode == code
    assert "survived" not in ended.stdout
    assert json.loads(ended.stderr.splitlines()[-1])["exit_code"] == code


def test_a_foreign_errors_text_is_never_told_but_its_place_is() -> None:
    ended = run("raise ValueError('CUSTOMER-SECRET') from KeyError('OTHER-SECRET')")
    assert "SECRET" not in ended.stderr + ended.stdout
    trace = json.loads(ended.stderr.splitlines()[-1])["trace"]
    assert trace[0] == "ValueError"
    assert "KeyError" in trace
    assert any("work" in line for line in trace)


def test_it_ends_even_when_nothing_can_be_logged() -> None:
    ended = run("raise GapError('a gap')", setup="import os; os.close(2)")
    assert ended.returncode == 1
    assert "survived" not in ended.stdout


def test_a_cancellation_that_was_asked_for_is_let_through() -> None:
    body = """
    async def sleep(): await asyncio.sleep(60)
    task = asyncio.create_task(failstop.guarded("inner", sleep))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
"""
    ended = run(body.strip())
    assert ended.returncode == 0
    assert "survived" in ended.stdout


def test_it_ends_even_when_nobody_reads_the_log() -> None:
    """A pipe that is full blocks whoever writes to it."""
    setup = """
import os
failstop._LOG_SECONDS = 0.2
_, end = os.pipe()
os.set_blocking(end, False)
try:
    while True: os.write(end, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(end, True)
os.dup2(end, 2)
"""
    ended = run("raise GapError('a gap')", setup=setup, timeout=60)
    assert ended.returncode == 1
    assert "survived" not in ended.stdout


def test_errors_that_caused_one_another_in_a_ring_are_each_told_once() -> None:
    """A client that raises one error in several tasks makes such; the process must end all the same."""
    done = run("a, b = KeyError('x'), ValueError('y'); a.__cause__, b.__cause__ = b, a; raise a", timeout=60)
    assert done.returncode == 1
    trace = json.loads(done.stderr.splitlines()[-1])["trace"]
    assert [line for line in trace if line in ("KeyError", "ValueError")] == ["KeyError", "ValueError"]
