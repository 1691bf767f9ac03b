"""`compiled`: Numba's `njit` with a file cache that notices every change of the sources.

Numba's own cache looks at the file of the function alone, so that a change in a callee of another file would
go unnoticed. The cache folder is therefore named by a hash over all sources that hold compiled functions.
Under `NUMBA_DISABLE_JIT=1` the functions stay plain Python and give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

import numba
import numpy as np
from numba.core import config as _config

#: Numba fills its settings in at import, unseen by type checkers.
_settings = vars(_config)

Function = TypeVar("Function", bound=Callable[..., object])

_PACKAGES = ("tables", "detectors")


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """A hash of everything a compiled function depends on: sources, and the versions of Numba, NumPy and
    Python.
    """
    digest = hashlib.blake2b(digest_size=10)
    digest.update(f"{numba.__version__} {np.__version__} {sys.version}".encode())
    root = Path(__file__).resolve().parent.parent
    for package in _PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Where compiled code is kept, or None where no folder can be written: then each process compiles for
    itself.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(chosen).expanduser() / "early-warning-stream" / fingerprint()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def compiled_before() -> bool:
    """Whether an earlier process compiled these sources, so that this one need not: that takes about a minute."""
    folder = cache_folder()
    return folder is not None and next(folder.rglob("*.nbi"), None) is not None


def compiled(function: Function) -> Function:
    """Compiles `function` on its first call, or reads it from the cache."""
    folder = cache_folder()
    if folder is None or _settings["DISABLE_JIT"]:
        return cast(Function, numba.njit(function))
    before = _settings["CACHE_DIR"]
    # Numba asks for the folder at the moment of decoration only.
    _settings["CACHE_DIR"] = str(folder)
    try:
        return cast(Function, numba.njit(cache=True)(function))
    finally:
        _settings["CACHE_DIR"] = before
