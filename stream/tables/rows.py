"""An array of structured rows that grows without copying what it holds."""

from __future__ import annotations

import mmap
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_PAGE: Final = mmap.ALLOCATIONGRANULARITY
_STEP: Final = 1 << 26
"""Bytes: the most that is added at once. Pages cost nothing before they are touched."""


class Rows:
    """Zeroed rows of one dtype in anonymous private memory, which the kernel moves by remapping pages.

    `array` is a view that `reserve` replaces: read it anew after each call and keep no row, slice or field of
    it, for as long as somebody holds one the memory cannot move. Where it cannot (that, or a platform without
    mremap), the rows are copied: right, and slower.
    """

    def __init__(self, dtype: np.dtype[Any], capacity: int = 1024) -> None:
        self.dtype = dtype
        self._memory = self._fresh(capacity * dtype.itemsize)
        self.array: npt.NDArray[Any] = self._view()
        self.copies = 0
        """How often growing had to copy."""

    def reserve(self, rows: int) -> None:
        """Makes room for `rows` rows in all. What is there stays; what is new is zero."""
        if rows <= len(self.array):
            return
        held = len(self._memory)
        wanted = max(rows * self.dtype.itemsize, held + min(held, _STEP))
        wanted = -(-wanted // _PAGE) * _PAGE
        used = len(self.array)
        self.array = np.empty(0, self.dtype)
        try:
            self._memory.resize(wanted)
        except (BufferError, SystemError, ValueError, OSError):
            old = np.frombuffer(self._memory, self.dtype, count=used)
            self._memory = self._fresh(wanted)
            np.frombuffer(self._memory, self.dtype, count=used)[:] = old
            self.copies += 1
        self.array = self._view()

    def _view(self) -> npt.NDArray[Any]:
        return np.frombuffer(self._memory, self.dtype, count=len(self._memory) // self.dtype.itemsize)

    @staticmethod
    def _fresh(size: int) -> mmap.mmap:
        size = max(-(-size // _PAGE), 1) * _PAGE
        # Private, not shared: a shared anonymous mapping does not grow with its object.
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
