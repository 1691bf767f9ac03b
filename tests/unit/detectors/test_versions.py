"""A detector's version says what it does: when its logic changes, so must its version.

`versions.toml` beside this file holds the logic's hash for each version. After a change: raise `VERSION` in the detector's file,
then `python -m tests.unit.detectors.test_versions` writes the new hash; it refuses to write another hash for the same version.
"""

from __future__ import annotations

import ast
import hashlib
import io
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

from stream.detectors.registry import MODULES, NAMES

HERE = Path(__file__).parent
LOCK = HERE / "versions.toml"
SOURCES = HERE.parents[2] / "stream" / "detectors"
_SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_NO_LOGIC = {"base", "registry", "settings", "kernel"}


def logic(name: str, seen: frozenset[str] = frozenset()) -> list[str]:
    """The tokens of a module's compiled functions and constants, without comments and docstrings, and those of the modules of
    this package that it builds on.
    """
    text = (SOURCES / f"{name}.py").read_text("utf-8")
    found: list[str] = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stream.detectors"):
            inner = (node.module or "").removeprefix("stream.detectors").lstrip(".")
            for other in [inner] if inner else [alias.name for alias in node.names]:
                if other not in _NO_LOGIC | seen | {name} and (SOURCES / f"{other}.py").is_file():
                    found += logic(other, seen | {name})
        elif isinstance(node, ast.FunctionDef) and any(ast.unparse(each) == "compiled" for each in node.decorator_list):
            found += tokens(text, node, skip_doc=True)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and "VERSION" not in ast.unparse(node):
            found += tokens(text, node, skip_doc=False)
    return found


def tokens(text: str, node: ast.stmt, *, skip_doc: bool) -> list[str]:
    segment = ast.get_source_segment(text, node) or ""
    found = [one.string for one in tokenize.generate_tokens(io.StringIO(segment).readline) if one.type not in _SILENT]
    assert isinstance(node, ast.FunctionDef) or not skip_doc
    doc = ast.get_docstring(node, clean=False) if isinstance(node, ast.FunctionDef) else None
    return [one for one in found if doc is None or not (one.startswith('"""') and doc in one)]


def hash_of(name: str) -> str:
    return hashlib.sha256("\x00".join(logic(name)).encode()).hexdigest()[:16]


def locked() -> dict[str, dict[str, str]]:
    return tomllib.loads(LOCK.read_text("utf-8")) if LOCK.exists() else {}


@pytest.mark.parametrize("name", NAMES)
def test_the_logic_is_that_of_the_version(name: str) -> None:
    version = MODULES[name].VERSION
    known = locked().get(name, {})
    assert known.get(version) == hash_of(name), (
        f"the logic of {name} has changed: raise its VERSION, then run python -m tests.unit.detectors.test_versions"
    )


def test_comments_and_docstrings_are_no_logic_and_everything_else_is() -> None:
    def of(text: str) -> list[str]:
        return tokens(text, ast.parse(text).body[0], skip_doc=True)

    plain = of("def f(x):\n    return x + 1\n")
    assert of('def f(x):\n    """Adds."""\n    # one\n    return x + 1\n') == plain
    assert of("def f(x):\n    return x + 2\n") != plain


def main() -> int:
    """Adds the hashes of new versions; refuses other logic under a known version."""
    known = locked()
    for name in NAMES:
        version, now = MODULES[name].VERSION, hash_of(name)
        before = known.setdefault(name, {}).get(version)
        if before not in (None, now):
            print(f"{name}: version {version} is locked to other logic: raise its VERSION", file=sys.stderr)
            return 1
        known[name][version] = now
    lines = ["# The hash of each detector's logic, by version; see test_versions.py.\n"]
    for name in NAMES:
        lines += [f"\n[{name}]\n", *(f'"{version}" = "{digest}"\n' for version, digest in known[name].items())]
    LOCK.write_text("".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
