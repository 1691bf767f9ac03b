"""The page of each detector under docs/detectors: its docstring and its settings, so that neither can fall
behind the code.

`python -m stream.detectors.documents FOLDER` writes them.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from stream.detectors.registry import NAMES, REGISTRY
from stream.detectors.settings import load


def page(name: str) -> str:
    """The Markdown page of one detector."""
    module = REGISTRY[NAMES.index(name)]
    title, _, rest = (inspect.getdoc(module) or "").partition("\n")
    lines = [f"# {name}", "", title, ""]
    for line in rest.strip("\n").splitlines():
        if line and not line.startswith(" "):
            lines += [f"## {line}", ""]
        elif line.startswith(("    pressure(", "    weight(", "                ")):
            lines.append(line)
        else:
            lines.append(line.removeprefix("    "))
    settings = getattr(load(), name)
    lines += [
        "",
        "## Settings",
        "",
        f"Table `[{name}]` of the detectors' settings; version {module.VERSION} of the detector.",
        "",
    ]
    lines += ["| key | default | bounds | meaning |", "|---|---|---|---|"]
    for key, field in module.Settings.model_fields.items():
        lines.append(f"| `{key}` | {_shown(getattr(settings, key))} | {_bounds(field.metadata)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "items"):
        return ", ".join(f"{word} {number:g}" for word, number in value.items())
    return f"{value:g}"


def _bounds(metadata: list[Any]) -> str:
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    found = [f"{words[kind]} {getattr(one, kind):g}" for one in metadata for kind in words if hasattr(one, kind)]
    return " ".join(found) or "see meaning"


def main(folder: Path) -> None:
    """Writes every page into `folder`."""
    for name in NAMES:
        (folder / f"{name}.md").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
