"""`ews policy`: a policy file looked at, its rules in words, and the breaker released."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show_json
from stream.cli.operator import release

if TYPE_CHECKING:
    from stream.treatment.policy import Policy

policy = typer.Typer(help="Validate a policy file, print its rules, release the breaker.", no_args_is_help=True)


@policy.command()
def check(
    file: Annotated[Path, typer.Argument(envvar="EWS_POLICY_FILE", help="TOML with a contact policy.")],
    output: Output = Format.TABLE,
) -> None:
    """Validates a policy file. Exit code 3 names each field that is wrong.

    A running worker takes a file that passes, and keeps the old policy where one does not.
    """
    found = _load(file)
    if output is Format.JSON:
        show_json({"version": found.version, "rules": len(found.rules)})
    else:
        typer.echo(f"ok: policy {found.version}, {len(found.rules)} rules")


@policy.command()
def rules(policy_file: options.PolicyFile = None, output: Output = Format.TABLE) -> None:
    """Prints every rule of the policy in force: its id and version, where it comes from, since when, and what it says."""
    found = _load(policy_file)
    rows = [
        {
            "rule_id": rule.id,
            "version": rule.version,
            "source": rule.source,
            "in_force_from": rule.in_force.isoformat(),
            "says": rule.says,
        }
        for rule in found.rules
    ]
    if output is Format.JSON:
        show_json({"policy_version": found.version, "rules": rows})
    else:
        typer.echo(f"policy {found.version}, {len(rows)} rules")
        for row in rows:
            typer.echo(f"\n{row['rule_id']}  version {row['version']}, in force from {row['in_force_from']}")
            typer.echo(f"    {row['says']}\n    source: {row['source']}")


policy.command()(release)


def _load(file: Path | None) -> Policy:
    """The policy that a worker would run with."""
    from stream import app
    from stream.treatment import policy as policies

    return policies.load(app.configuration(settings.load(policy_file=file)).files[app.POLICY])
