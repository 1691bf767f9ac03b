"""Becomes a command that dies with whoever started it: `leash.py PARENT COMMAND ...`. Linux alone can do it.

A program of its own, because code between fork and exec of a process with threads may not take locks.
"""

import os
import signal
import sys

if sys.platform == "linux":
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # it died before the leash was on
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
