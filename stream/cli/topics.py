"""`ews topics`: the catalogue, and the topics of a cluster against it."""

from __future__ import annotations

from typing import Annotated

import typer

from stream import rights, settings
from stream.cli import options
from stream.cli.console import Format, Output, show, show_json, stderr
from stream.engine import checks
from stream.errors import TopicsError
from stream.rights import Role
from stream.topics import BY_NAME

topics = typer.Typer(help="List, create and check the topics of the job.", no_args_is_help=True)

Partitions = Annotated[
    int | None, typer.Option(envvar="EWS_PARTITIONS", help="Partitions of every topic; the most workers that can share.")
]
Replication = Annotated[int | None, typer.Option(envvar="EWS_REPLICATION", help="Copies of every partition.")]
MinInsync = Annotated[int | None, typer.Option(envvar="EWS_MIN_INSYNC", help="Copies that must have a record.")]


@topics.command("list")
def list_(topic_prefix: options.Prefix = None, app: options.App = None, output: Output = Format.TABLE) -> None:
    """Lists every topic with its key, role and clean-up."""
    loaded = settings.load(topic_prefix=topic_prefix, app=app)
    rows = []
    for topic in checks.wanted(loaded):
        entry = BY_NAME.get(topic.logical)
        rows.append(
            {
                "topic": topic.name,
                "key": entry.key if entry else "id of the row",
                "role": entry.role if entry else "internal",
                "cleanup": topic.config["cleanup.policy"],
                "what": entry.doc if entry else "The stage's rows and checkpoint.",
            }
        )
    show(rows, output)


@topics.command()
def create(
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    partitions: Partitions = None,
    replication: Replication = None,
    min_insync: MinInsync = None,
    output: Output = Format.TABLE,
) -> None:
    """Creates the topics that are missing, then checks all of them."""
    loaded = settings.load(
        bootstrap=bootstrap,
        topic_prefix=topic_prefix,
        app=app,
        partitions=partitions,
        replication=replication,
        min_insync=min_insync,
    )
    admin = checks.Admin(loaded)
    wanted = checks.wanted(loaded)
    found = admin.find([topic.name for topic in wanted])
    made = set(admin.create([topic for topic in wanted if found[topic.name] is None], loaded.replication))
    show(
        [{"topic": topic.name, "result": "created" if topic.name in made else "was there"} for topic in wanted], output
    )
    if lines := checks.problems(loaded, admin.find_settled([topic.name for topic in wanted])):
        raise TopicsError("the topics are not as they must be:\n  " + "\n  ".join(lines))


@topics.command()
def check(
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    replication: Replication = None,
    min_insync: MinInsync = None,
) -> None:
    """Checks the topics as a worker does at its start. Exit code 3 tells what is wrong and what to run."""
    loaded = settings.load(
        bootstrap=bootstrap, topic_prefix=topic_prefix, app=app, replication=replication, min_insync=min_insync
    )
    facts = checks.check(loaded)
    stderr.print(f"ok: {len(facts.topic_ids)} topics, {facts.partitions} partitions")


@topics.command()
def acls(
    role: Annotated[Role, typer.Option(envvar="EWS_ACLS_ROLE", help="Whose rights: who runs which command.")] = Role.WORKER,
    principal: Annotated[
        str, typer.Option(envvar="EWS_ACLS_PRINCIPAL", help="Who is to have them, as the brokers call the login.")
    ] = "User:ews",
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    output: Output = Format.TABLE,
) -> None:
    """Prints the least rights that a role needs, as arguments of kafka-acls, one line each."""
    found = rights.rights(role, settings.load(topic_prefix=topic_prefix, app=app))
    if output is Format.JSON:
        show_json(
            [
                {
                    "principal": principal,
                    "resource_type": right.kind,
                    "resource_name": right.name,
                    "pattern_type": "prefixed" if right.prefixed else "literal",
                    "operation": right.operation,
                }
                for right in found
            ]
        )
        return
    for right in found:
        typer.echo(right.command(principal))


@topics.command()
def manifest(
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    partitions: Partitions = None,
    replication: Replication = None,
    min_insync: MinInsync = None,
    cluster: Annotated[str, typer.Option(envvar="EWS_STRIMZI_CLUSTER", help="Kafka resource the topics belong to.")] = "kafka",
) -> None:
    """Prints the topics as Strimzi KafkaTopic resources."""
    loaded = settings.load(
        topic_prefix=topic_prefix, app=app, partitions=partitions, replication=replication, min_insync=min_insync
    )
    for topic in checks.wanted(loaded):
        lines = [
            "---",
            "apiVersion: kafka.strimzi.io/v1",
            "kind: KafkaTopic",
            "metadata:",
            f"  name: {topic.name.replace('_', '-').lower()}",
            "  labels:",
            f"    strimzi.io/cluster: {cluster}",
            "spec:",
            f"  topicName: {topic.name}",
            f"  partitions: {topic.partitions}",
            f"  replicas: {loaded.replication}",
            "  config:",
            *[f'    {key}: "{value}"' for key, value in sorted(topic.config.items())],
        ]
        typer.echo("\n".join(lines))
