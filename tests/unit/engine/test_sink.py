"""Outputs as JSON lines, with headers as Kafka allows them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from stream.engine import files
from stream.engine.sink import FILES, Sink
from stream.engine.step import Output


def written(folder: Path, *outputs: Output) -> dict[str, list[dict[str, Any]]]:
    with Sink(folder) as sink:
        for output in outputs:
            sink.write(output)
    return {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in FILES
    }


def headers_of(folder: Path, *headers: tuple[str, Any]) -> Any:
    return written(folder, Output("signals", b"C-1", b"{}", headers))["signals"][0]["_headers"]


def test_a_line_is_the_record_with_key_and_headers_beside_it(tmp_path: Path) -> None:
    got = written(tmp_path, Output("nudges", b"C-1", b'{"nudge_id":"n"}', (("ce_id", b"1"),)))
    assert got["nudges"] == [{"_key": "C-1", "_headers": {"ce_id": "1"}, "nudge_id": "n"}]


def test_each_file_is_there_even_when_nothing_was_said_and_internal_topics_are_left_out(tmp_path: Path) -> None:
    got = written(tmp_path, Output("account-facts", b"C-1", b"{}", ()))
    assert got == {name: [] for name in FILES}


def test_a_header_without_a_value_is_null(tmp_path: Path) -> None:
    assert headers_of(tmp_path, ("trace", None), ("h", b"")) == {"trace": None, "h": ""}


def test_a_repeated_header_loses_nothing_and_keeps_its_place(tmp_path: Path) -> None:
    given = ("via", b"a"), ("h", b"x"), ("via", b"b"), ("via", None)
    assert headers_of(tmp_path, *given) == [["via", "a"], ["h", "x"], ["via", "b"], ["via", None]]


@pytest.mark.parametrize("value", [b"\xff", b"\x00\x01", b"a\nb", b"0x41"])
def test_a_header_that_is_no_text_is_told_in_hex(tmp_path: Path, value: bytes) -> None:
    assert headers_of(tmp_path, ("h", value)) == {"h": "0x" + value.hex()}


def test_a_dead_letters_bytes_survive(tmp_path: Path) -> None:
    got = written(tmp_path, Output("dead-letters", b"\xff", b"\x00no json", ()), Output("dead-letters", None, None, ()))
    [bytes_, nothing] = got["dead-letters"]
    assert base64.b64decode(bytes_["_value_base64"]) == b"\x00no json"
    assert bytes_["_key"] == "\\xff"
    assert (nothing["_key"], nothing["_value_base64"]) == (None, None)


def test_what_the_sink_writes_of_headers_an_input_file_may_hold(tmp_path: Path) -> None:
    given: tuple[tuple[str, Any], ...] = ("via", b"a"), ("via", None), ("h", b"x")
    line = {"account_id": "A-1", "_timestamp": 1, "_headers": headers_of(tmp_path, *given)}
    path = tmp_path / "payments.jsonl"
    path.write_text(json.dumps(line))
    [read] = files.lines("payments", path)
    assert read.headers == given
