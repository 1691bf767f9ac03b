"""Known vulnerabilities in what constraints.txt pins, by pip-audit: `make audit`.

Exit code 0: every package was looked up, and nothing is known. 1: something is known. 4: packages could not be looked up, for no
service answered or it does not know them, so that nothing is known of them; pip-audit itself would call that a success.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CLEAN, FOUND, UNKNOWN = 0, 1, 4
ROOT = Path(__file__).resolve().parents[1]
COMMAND = (
    "pip-audit", "--requirement", str(ROOT / "constraints.txt"), "--no-deps", "--disable-pip", "--progress-spinner", "off",
    "--timeout", "10", "--format", "json",
)  # fmt: skip


def verdict(report: dict[str, Any] | None) -> tuple[int, list[str]]:
    """The exit code for a report of pip-audit, None where there is none, and what is said with it."""
    if report is None:
        return UNKNOWN, ["no vulnerability service answered: nothing is known of any package"]
    found, skipped, asked = [], [], 0
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
            continue
        asked += 1
        for known in package["vulns"]:
            mended = ", ".join(known["fix_versions"]) or "no version yet"
            found.append(f"{package['name']} {package['version']}: {known['id']}, mended in {mended}")
    lines = [*found, f"{asked} packages looked up, {len(found)} vulnerabilities known"]
    if skipped:
        lines.append(f"{len(skipped)} packages could not be looked up, nothing is known of them: {', '.join(skipped)}")
    return (FOUND if found else UNKNOWN if skipped or not asked else CLEAN), lines


def main() -> int:
    """Asks, tells, and returns the exit code."""
    run = subprocess.run([Path(sys.executable).parent / COMMAND[0], *COMMAND[1:]], capture_output=True, text=True, check=False)  # noqa: S603
    try:
        report = json.loads(run.stdout)
    except ValueError:
        report = None
        sys.stderr.write(run.stderr[-500:])
    code, lines = verdict(report)
    sys.stdout.write("".join(f"audit: {line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
