"""`ews version`."""

from __future__ import annotations

from stream.cli.console import Format, Output, show, show_json
from stream.engine import configs


def version(output: Output = Format.TABLE) -> None:
    """Prints the version of ews and of what could change a byte of its output."""
    versions = configs.versions()
    if output is Format.JSON:
        show_json(versions)
    else:
        show([{"what": name, "version": number} for name, number in versions.items()], output)
