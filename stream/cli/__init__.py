"""The command line: thin commands over the package. Data on stdout, logs on stderr, exit codes 0, 1, 2, 3."""

from __future__ import annotations

import sys

import typer

from stream.cli.config import config
from stream.cli.demo import demo
from stream.cli.detectors import detectors
from stream.cli.dlq import dlq
from stream.cli.explain import explain
from stream.cli.operator import operator
from stream.cli.policy import policy
from stream.cli.replay import replay
from stream.cli.report import report
from stream.cli.simulate import simulate
from stream.cli.size import size
from stream.cli.state import state
from stream.cli.topics import topics
from stream.cli.version import version
from stream.cli.view import view
from stream.cli.worker import worker
from stream.errors import EwsError

app = typer.Typer(
    name="ews",
    help="A real-time early-warning system for financial stress: core-banking events in, supportive nudges and human "
    "escalations out, exactly once.",
    epilog="Every option is also an EWS_* variable. Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (demo, worker, replay, simulate, explain, report, size, version):
    app.command()(command)
app.add_typer(topics, name="topics")
app.add_typer(dlq, name="dlq")
app.add_typer(detectors, name="detectors")
app.add_typer(operator, name="operator")
app.add_typer(policy, name="policy")
app.add_typer(state, name="state")
app.add_typer(view, name="view")
app.add_typer(config, name="config")


def main() -> None:
    """Entry point of the command `ews`."""
    try:
        app()
    except EwsError as error:
        sys.stderr.write(f"ews: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from stream.engine import failstop

        # A defect of ours. What it says could quote a secret, or a customer's data; where it happened cannot.
        sys.stderr.write("ews: a defect, please report it:\n  " + "\n  ".join(failstop.trace(error)) + "\n")
        sys.exit(1)
