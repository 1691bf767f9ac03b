"""Becomes a command that dies with whoever started it: `leash.py PARENT COMMAND ...`. The pid stays.

Linux alone can do it; elsewhere the command simply runs.
"""

import os
import signal
import sys

parent = int(sys.argv[1])
if sys.platform == "linux":
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the leash was on
        sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
