"""`ews config`: check and print all settings and files."""

from __future__ import annotations

import typer
from pydantic import SecretStr

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show, show_json
from stream.settings import ENV_PREFIX

config = typer.Typer(help="Check and print settings and policy files.", no_args_is_help=True)


@config.command()
def check(
    detectors_file: options.Detectors = None,
    policy_file: options.PolicyFile = None,
    shadow_policy_file: options.ShadowPolicyFile = None,
    contact_from: options.ContactFrom = None,
) -> None:
    """Validates all settings, the detectors' file and the policy file. Exit code 3 names what is wrong."""
    from stream import app

    loaded = settings.load(
        detectors_file=detectors_file, policy_file=policy_file,
        shadow_policy_file=shadow_policy_file, contact_from=contact_from
    )
    configuration = app.configuration(loaded)
    app.stages(configuration)
    typer.echo(f"ok: configuration {configuration.hash}")


@config.command("print")
def print_(output: Output = Format.TABLE) -> None:
    """Prints every setting with the variable that sets it; secrets are masked."""
    loaded = settings.load()
    rows = []
    for name, field in type(loaded).model_fields.items():
        value = getattr(loaded, name)
        masked = "********" if isinstance(value, SecretStr) else value
        rows.append(
            {
                "variable": ENV_PREFIX + name.upper(),
                "value": None if masked is None else str(masked),
                "set": "default" if value == field.default else "given",
            }
        )
    if output is Format.JSON:
        show_json({row["variable"]: row["value"] for row in rows})
    else:
        show(rows, output)
