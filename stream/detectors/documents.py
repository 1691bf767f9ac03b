"""The page of each detector under docs/detectors: docstring, settings and cases, so that none can fall behind the code.

`python -m stream.detectors.documents FOLDER` writes them.
"""

from __future__ import annotations

import inspect
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stream.detectors.settings import OWN, load


def page(name: str, settings: Any = None) -> str:
    """The Markdown page of one detector, with its own settings; those of the defaults where none are given."""
    module = OWN[name]
    title, _, rest = (inspect.getdoc(module) or "").partition("\n\n")
    lines = [f"# {name}", "", title.replace("\n", " "), "", *_sections(rest)]
    lines += ["## Settings", "", f"Table `[{name}]` of the detectors' settings; version {module.VERSION} of the logic.", ""]
    lines += [f"| key | {'value' if settings else 'default'} | bounds | meaning |", "|---|---|---|---|"]
    lines += _rows(module.Settings, settings or getattr(load(), name), "")
    cases = list(_cases(name))
    if cases:
        lines += ["", "## Cases", "", "Each is a story that the program is held to (`ews detectors check`).", ""]
        lines += ["| case | what it shows |", "|---|---|", *cases]
    return "\n".join(lines) + "\n"


def _sections(text: str) -> Iterator[str]:
    """Docstring sections as Markdown: a word that stands alone is a heading, a paragraph that begins with a formula is code."""
    for paragraph in text.strip("\n").split("\n\n"):
        lines = paragraph.split("\n")
        if lines[0] and not lines[0].startswith(" "):
            heads = len(lines) > 1 and lines[1].startswith(" ")
            yield from (f"## {lines[0]}", "") if heads else ()
            lines = lines[1:] if heads else lines
        formula = " = " in lines[0][:60]
        yield from (line if formula else line.removeprefix("    ") for line in lines)
        yield ""


def _rows(model: type[BaseModel], settings: Any, prefix: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        value = getattr(settings, key)
        bounds = _bounds(field.metadata)
        yield f"| `{prefix}{key}` | {_shown(value)} | {bounds} | {field.description} |"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        return " ".join(f"{key} {_shown(one)}" for key, one in value)
    if hasattr(value, "items"):
        return ", ".join(f"{word} {_shown(one)}" for word, one in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    return f"{value:g}"


def _bounds(metadata: list[Any]) -> str:
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    found = [f"{words[kind]} {getattr(one, kind):g}" for one in metadata for kind in words if hasattr(one, kind)]
    return " ".join(found) or "see meaning"


def _cases(name: str) -> Iterator[str]:
    path = files("stream.detectors").joinpath("cases", f"{name}.toml")
    if path.is_file():
        for case in tomllib.loads(path.read_text("utf-8"))["case"]:
            yield f"| {case['name']} | {case['about']} |".replace("\n", " ")


def main(folder: Path) -> None:
    """Writes every page into `folder`."""
    for name in OWN:
        (folder / f"{name}.md").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
