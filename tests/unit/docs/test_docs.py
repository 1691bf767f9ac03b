"""The documentation says what the code does: generated tables are current, names and numbers exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from stream.cli import app
from stream.detectors.registry import NAMES
from stream.settings import Settings
from stream.tables.account import ACCOUNT, EVIDENCE
from tests import scripts

ROOT = Path(__file__).parents[3]


GENERATE = scripts.load("docs/generate.py")
PAGES: list[Path] = GENERATE.pages()
SOURCES = "\n".join(path.read_text("utf-8") for path in (ROOT / "stream").rglob("*.py"))


def variables() -> dict[str, str]:
    """Every EWS_* variable with its default as text."""
    found = {f"EWS_{name.upper()}": field.default for name, field in Settings.model_fields.items()}

    def walk(command: typer.core.TyperGroup) -> None:
        for child in command.commands.values():
            for parameter in child.params:
                if isinstance(parameter.envvar, str):
                    found.setdefault(parameter.envvar, parameter.default)
            if isinstance(child, typer.core.TyperGroup):
                walk(child)

    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    walk(group)
    return {name: str(value) for name, value in found.items()}


VARIABLES = variables()


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


@every_page
def test_generated_tables_are_current(page: Path) -> None:
    text = page.read_text("utf-8")
    assert GENERATE.renewed(text) == text, "run: python docs/generate.py"


@every_page
def test_every_variable_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"\bEWS_[A-Z_]*[A-Z]\b(?!_?\*)", page.read_text("utf-8")):
        assert name in VARIABLES or name == "EWS_TEST_KAFKA", name


@every_page
def test_every_default_that_is_told_is_the_codes(page: Path) -> None:
    text = page.read_text("utf-8")
    for name, told in re.findall(r"`(EWS_[A-Z_]+)`\s+\(default\s+`?([^`)\s]+)`?\)", text):
        assert told == VARIABLES[name], name


def test_some_defaults_are_told() -> None:
    """The form that the test above looks for is the one the pages use."""
    told = [found for page in PAGES for found in re.findall(r"`\s+\(default\s", page.read_text("utf-8"))]
    assert len(told) > 8


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@every_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    for target in re.findall(r"`((?:tests|stream|bench|examples|docs)/[^`\s*]+)`", page.read_text("utf-8")):
        assert (ROOT / target).exists(), target


def test_every_page_but_a_few_lists_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in PAGES:
        if page.parent in (ROOT / "docs", ROOT / "docs" / "adr") and page.name != "index.md":
            assert str(page.relative_to(ROOT / "docs")) in index


def test_every_detector_has_a_page_that_is_reached_from_the_readme_and_the_index() -> None:
    """The README tells of each; the index leads to their list, which leads to every page of theirs."""
    folder = ROOT / "docs" / "detectors"
    listed = (folder / "index.md").read_text("utf-8")
    assert "detectors/index.md" in (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in folder.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in listed, page.name
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in (*NAMES, "outage_guard"):
        assert f"(docs/detectors/{name}.md)" in readme


def test_every_message_that_operations_explains_is_said_somewhere() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = text.split("| the message says | do |")[1].split("\n\n")[0]
    phrases = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(phrases) > 10
    whole = re.sub(r'"\s*f?"', "", SOURCES)  # messages are written over several lines
    for phrase in phrases:
        assert phrase in whole, phrase


def test_every_metric_that_is_named_is_in_the_catalogue() -> None:
    catalogue = "\n".join(GENERATE.metrics())
    for name in re.findall(r"`(ews_[a-z_]+)`", (ROOT / "docs" / "operations.md").read_text("utf-8")):
        assert f"`{name}`" in catalogue


def test_every_setting_has_a_meaning() -> None:
    for line in GENERATE.settings():
        assert not line.rstrip().endswith("|  |"), line


def test_the_sizes_of_rows_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "adr" / "0005-evidence-rows.md").read_text("utf-8")
    for size in (ACCOUNT.itemsize, EVIDENCE.itemsize, ACCOUNT.itemsize + EVIDENCE.itemsize):
        assert f"{size} bytes" in text


def test_the_job_may_do_what_security_says_with_every_topic() -> None:
    """Each topic of the catalogue stands in the worker's rows of the table of access rights, once."""
    from stream.topics import CATALOGUE

    lines = (ROOT / "docs" / "security.md").read_text("utf-8").split("## What the job may do")[1].splitlines()
    rights = "\n".join(line for line in lines if line.startswith("| worker |"))
    for topic in CATALOGUE:
        assert rights.count(f"`{topic.name}`") == 1, topic.name
