"""README.md: its tables, commands and references are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from stream.cli import app
from stream.topics import CATALOGUE
from stream.treatment.policy import default_text, load

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_its_table_of_topics_is_the_catalogue() -> None:
    table = TEXT.split("<!-- generated: topics -->")[1].split("<!-- end -->")[0]
    assert re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) == [topic.name for topic in CATALOGUE]
    for topic in CATALOGUE:
        assert topic.doc in table


def test_its_list_of_commands_is_the_command_line() -> None:
    table = TEXT.split("<!-- generated: commands -->")[1].split("<!-- end -->")[0]
    told = set(re.findall(r"^\| `ews ([a-z ]+)`", table, re.MULTILINE))
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    there = set()
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            there |= {f"{name} {child}" for child in command.commands}
            there |= {name} if command.invoke_without_command else set()
        else:
            there.add(name)
    assert told == there


def test_every_command_in_its_examples_exists() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    used = re.findall(r"^(?:\$ )?(?:export )?(?:EWS_\S+ )*ews ([a-z]+)", TEXT, re.MULTILINE)
    assert len(used) > 3
    assert set(used) <= group.commands.keys()


def test_every_make_target_in_it_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    used = set(re.findall(r"\bmake ([a-z]+)\b(?=`|$| )", TEXT, re.MULTILINE))
    assert {"demo", "test"} <= used
    assert used <= targets


def test_each_of_the_eight_promises_names_tests_that_exist() -> None:
    promises = TEXT.split("## Promises")[1].split("\n## ")[0]
    numbered = re.split(r"^\d\. ", promises, flags=re.MULTILINE)[1:]
    assert len(numbered) == 8
    for promise in numbered:
        paths = re.findall(r"`(tests/[^`]+)`", promise)
        assert paths, promise
        for path in paths:
            assert (ROOT / path).exists(), path


def test_its_limits_name_every_pack_of_rules() -> None:
    [told] = re.findall(r"^- Contact rules come in packs.*?(?=^- )", TEXT, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([A-Za-z-]+)`", told)) == set(load(default_text()).packs)


def test_it_comes_in_the_order_a_platform_engineer_reads() -> None:
    heads = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    order = ["What it does", "Two commands", "Picture", "On your own Kafka", "Topics", "Promises", "Limits"]
    assert [head for head in heads if head in order] == order
