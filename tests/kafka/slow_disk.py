"""A disk that can be made slow under a running broker: a small library, preloaded, that waits before each write and sync."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("slow_disk.c")


class SlowDisk:
    """What one broker's writes wait for. Needs a C compiler (`available`)."""

    def __init__(self, folder: Path) -> None:
        """Compiles the library into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "slow-disk"
        self.wait(0)
        library = folder / "slow_disk.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True, timeout=60)
        self.env = {"LD_PRELOAD": str(library), "SLOW_DISK_FILE": str(self._file)}
        """What the broker's environment must hold."""

    @staticmethod
    def available() -> bool:
        """Whether this machine can do it."""
        return sys.platform == "linux" and shutil.which("cc") is not None

    def wait(self, milliseconds: int) -> None:
        """From now on each write and sync waits so long; 0 is the disk's own pace."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:  # in place: it is mapped
            file.write(struct.pack("=i", milliseconds))
