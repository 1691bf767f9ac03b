"""`compiled`: Numba's `njit` with a file cache that notices every change of the sources.

Numba's own cache looks at the file of the function alone, so that a change in a callee of another file would
go unnoticed. The cache folder is therefore named by a hash over all sources that hold compiled functions.
A folder that was filled beforehand may be read-only, as in a container image: it is read, and what it lacks is compiled
without being kept. Under `NUMBA_DISABLE_JIT=1` the functions stay plain Python and give the same bytes.
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
from numba.core import caching
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
    """Where compiled code is kept, or None where there is no such folder and none can be made: then each process
    compiles for itself.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(chosen).expanduser() / "early-warning-stream" / fingerprint()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.R_OK | os.X_OK) else None


def compiled_before() -> bool:
    """Whether an earlier process compiled these sources, so that this one need not: that takes about a minute."""
    folder = cache_folder()
    return folder is not None and next(folder.rglob("*.nbi"), None) is not None


class _ReadOnlyLocator(caching.UserProvidedCacheLocator):
    """Numba's own refuses a folder that cannot be written to."""

    def ensure_cache_path(self) -> None:
        """Nothing is made."""


class _ReadOnlyImpl(caching.CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_ReadOnlyLocator]  # noqa: RUF012 # typed so by Numba


class _ReadOnlyCache(caching.FunctionCache):
    """Reads what was compiled; what was not is compiled for this process alone, where Numba's own would raise."""

    _impl_class = _ReadOnlyImpl

    def save_overload(self, sig: object, data: object) -> None:
        """Keeps nothing."""


def compiled(function: Function) -> Function:
    """Compiles `function` on its first call, or reads it from the cache."""
    folder = cache_folder()
    if folder is None or _settings["DISABLE_JIT"]:
        return cast(Function, numba.njit(function))
    before = _settings["CACHE_DIR"]
    # Numba asks for the folder at the moment of decoration only.
    _settings["CACHE_DIR"] = str(folder)
    try:
        if os.access(folder, os.W_OK):
            return cast(Function, numba.njit(cache=True)(function))
        dispatcher = numba.njit(function)
        dispatcher._cache = _ReadOnlyCache(function)  # type: ignore[no-untyped-call]
        return cast(Function, dispatcher)
    finally:
        _settings["CACHE_DIR"] = before
