"""Writes the tables of README.md and docs/*.md that the code decides: `python docs/generate.py`.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`. A test fails when one is out of date.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"(<!-- generated: ([A-Za-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


# --- from the catalogue and the command line


def topics() -> Iterator[str]:
    """The catalogue, role by role."""
    from stream.topics import CATALOGUE

    yield from _table(
        ("topic", "key", "role", "kept", "what"),
        ((f"`{t.name}`", t.key, t.role, "latest by key" if t.compacted else "for a time", t.doc) for t in CATALOGUE),
    )


def commands() -> Iterator[str]:
    """Every command of `ews`."""
    import typer

    from stream.cli import app

    def walk(group: Any, before: str) -> Iterator[tuple[str, str]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                if command.invoke_without_command:
                    yield f"`{before} {name}`", _first_sentence(command.callback.__doc__ or "")
                yield from walk(command, f"{before} {name}")
            else:
                yield f"`{before} {name}`", _first_sentence(command.help or "")

    yield from _table(("command", "does"), walk(typer.main.get_command(app), "ews"))


# --- from the settings


def settings() -> Iterator[str]:
    """Every variable, its default, what it may be and what it means."""
    from stream.settings import ENV_PREFIX, Settings

    docs = attribute_docs(Settings)
    # Named after what Kafka itself calls them: these need no more than Kafka's own word.
    words = {
        "security_protocol": "Kafka's `security.protocol`.",
        "sasl_mechanism": "Kafka's `sasl.mechanism`.",
        "sasl_username": "Kafka's `sasl.username`; needed with SASL, but for OAUTHBEARER.",
        "sasl_password": "Kafka's `sasl.password`; better in a file.",
        "ssl_ca_file": "PEM with the authorities that brokers are checked against; the system's where not given.",
        "ssl_key_file": "The client's private key (mTLS).",
        "ssl_key_password": "Opens the private key; better in a file.",
        "ssl_key_password_file": "A file that holds the private key's password alone.",
        "replication": "Copies of every partition; a topic with fewer is refused.",
        "min_insync": "`min.insync.replicas` of every topic; a topic with fewer is refused.",
        "session_timeout_ms": "How long the group waits for a silent worker before its partitions move.",
        "tick_seconds": "Time between two ticks of a task that is caught up.",
        "redis_password": "Of the user of `EWS_REDIS_URL`; better in a file.",
        "log_level": "Of the JSON log on stderr.",
    }
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None or field.default == "" else f"`{_told(field.default)}`"
        allowed = _allowed(field.annotation, field.metadata)
        rows.append((f"`{ENV_PREFIX}{name.upper()}`", default, allowed, docs.get(name) or words.get(name, "")))
    yield from _table(("variable", "default", "may be", "means"), rows)


def wanted() -> Iterator[str]:
    """What each topic's configuration must be, under default settings."""
    from stream.engine import checks
    from stream.settings import Settings

    rows = []
    for topic in checks.wanted(Settings.model_construct()):
        config = ", ".join(f"`{key}={value}`" for key, value in topic.config.items())
        rows.append((f"`{topic.name}`", str(topic.partitions), config))
    yield from _table(("topic", "partitions", "configuration"), rows)


def rights() -> Iterator[str]:
    """What each role must be allowed to do, resource by resource, under default settings."""
    from stream.rights import Role
    from stream.rights import rights as of
    from stream.settings import Settings

    rows = []
    for role, what in attribute_docs(Role).items():
        operations: dict[tuple[str, str, bool], list[str]] = {}
        for right in of(Role[role], Settings.model_construct()):
            operations.setdefault((right.kind, right.name, right.prefixed), []).append(right.operation)
        alike: dict[tuple[str, str], list[str]] = {}
        for (kind, name, prefixed), allowed in operations.items():
            alike.setdefault((kind, ", ".join(allowed)), []).append(f"`{name}`" + (" (prefix)" if prefixed else ""))
        for (kind, allowed), names in alike.items():
            rows.append((role.lower(), what, kind, ", ".join(names), allowed))
            what = ""
    yield from _table(("role", "runs", "resource", "names", "operations"), rows)


def kept() -> Iterator[str]:
    """Which topics name a customer or an account, and for how long after an erasure."""
    from stream.engine import checks
    from stream.settings import Settings
    from stream.topics import CATALOGUE

    whose = {"customer_id": "the customer", "account_id": "the account", "original key": "as the record that it keeps"}
    configs = {topic.logical: topic.config for topic in checks.wanted(Settings.model_construct())}

    def days(text: str) -> str:
        return f"{int(text) // 86_400_000} days"

    rows = []
    for topic in CATALOGUE:
        if topic.key not in whose:
            continue
        config = configs[topic.name]
        if topic.compacted:
            until = f"its compaction: {days(config['min.compaction.lag.ms'])} to {days(config['max.compaction.lag.ms'])}"
        else:
            until = f"`retention.ms`: {days(config['retention.ms'])}"
        rows.append((f"`{topic.name}`", whose[topic.key], until))
    yield from _table(("topic", "its key is", "kept until"), rows)


# --- from the detectors


def detectors(folder: str = "docs/detectors/") -> Iterator[str]:
    """Each detector with what it is worth (scores.json); its page lies in `folder`, seen from where the table stands."""
    from stream.detectors.settings import OWN

    measured = json.loads((ROOT / "docs" / "detectors" / "scores.json").read_text("utf-8"))["score"]["act"]
    rows = []
    for name, module in OWN.items():
        summary = " ".join((inspect.getdoc(module) or "").partition("\n\n")[0].split())
        # What is shared raises no alert, and what says that things are better is none.
        worth = _worth(measured[name]) if measured.get(name, {}).get("true_alerts") else ("", "", "")
        if name != "habits":  # no detector: others read it
            rows.append((f"[`{name}`]({folder}{name}.md)", summary, *worth))
    rows.append(("all together", "", *_worth(measured["all"])))
    yield from _table(("detector", "sees", "caught", "days ahead", "false alerts"), rows)


def _worth(found: dict[str, Any]) -> tuple[str, str, str]:
    ahead = "" if found["lead_days"] is None else f"{found['lead_days']:g}"
    return f"{100 * found['caught'] / found['stressed']:.0f} %", ahead, f"{found['alerts_per_1000']:g}"


# --- from the contracts


def contracts() -> Iterator[str]:
    """The fields of every topic that has a contract."""
    from stream import topics
    from stream.contracts import MODELS

    for topic in topics.CATALOGUE:
        model = MODELS.get(topic.name)
        if model is None:
            continue
        yield f"### `{topic.name}`"
        yield ""
        yield f"{topic.doc} Key: `{topic.key}`; {topic.role}."
        yield ""
        yield from _fields(model)
        yield ""
        for part in _parts(model):
            yield f"**{part.__name__}**: {_first_sentence(part.__doc__ or '')}"
            yield ""
            yield from _fields(part)
            yield ""


def picture() -> Iterator[str]:
    """The fields of a customer's picture."""
    from stream.contracts.picture import Picture

    yield from _fields(Picture)
    for part in _parts(Picture):
        yield from ("", f"**{part.__name__}**: {_first_sentence(part.__doc__ or '')}", "")
        yield from _fields(part)


def _fields(model: type[BaseModel]) -> Iterator[str]:
    rows = []
    for name, field in model.model_fields.items():
        optional = "" if field.is_required() else "?"
        rows.append((f"`{field.alias or name}`{optional}", _type(field.annotation), field.description or ""))
    yield from _table(("field", "form", "what"), rows)


def _parts(model: type[BaseModel], seen: set[type] | None = None) -> list[type[BaseModel]]:
    """The models within a model, each once, in order."""
    seen = {model} if seen is None else seen
    found = []
    for field in model.model_fields.values():
        for part in _models_in(field.annotation):
            if part not in seen:
                seen.add(part)
                found += [part, *_parts(part, seen)]
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _type(annotation: Any) -> str:
    """A field's form in words; what a form is stands at the head of docs/contracts.md."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if origin in (tuple, list):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    words = {"str": "text", "datetime": "time", "int": "number", "float": "number", "bool": "true or false"}
    return words.get(getattr(annotation, "__name__", ""), getattr(annotation, "__name__", str(annotation)))


# --- from errors and metrics


def reasons() -> Iterator[str]:
    """Why a record becomes a dead letter."""
    from stream.errors import Reason

    docs = attribute_docs(Reason)
    words = {"missing_field": "A field that must be there is not.", "null_key": "The record has no key."}
    rows = [(f"`{reason.value}`", docs.get(reason.name) or words.get(reason.value, "")) for reason in Reason]
    yield from _table(("`ews-reason`", "means"), rows)


def exit_codes() -> Iterator[str]:
    """The error tree with its exit codes."""
    from stream import errors

    rows = [
        (str(error.exit_code), f"`{error.__name__}`", _first_sentence(error.__doc__ or ""))
        for error in vars(errors).values()
        if inspect.isclass(error) and issubclass(error, errors.EwsError) and error is not errors.BadRecord
    ]
    yield from _table(("exit code", "error", "means"), rows)


def metrics() -> Iterator[str]:
    """The catalogue of metrics."""
    from prometheus_client import Counter, Gauge, Histogram

    from stream import metrics as catalogue

    rows = []
    for metric in vars(catalogue).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            told = next(iter(metric.describe()))
            suffix = "_total" if isinstance(metric, Counter) else ""
            labels = ", ".join(metric._labelnames)
            rows.append((f"`{told.name}{suffix}`", told.type, labels, told.documentation))
    yield from _table(("metric", "type", "labels", "what"), rows)


# --- from the rehearsal of a rollout


def rolling() -> Iterator[str]:
    """How long partitions stood still: bench/results/rolling.json."""
    measured = ROOT / "bench" / "results" / "rolling.json"
    if not measured.exists():
        yield "Not measured yet."
        return
    found = json.loads(measured.read_text("utf-8"))
    words = {
        "undisturbed": "nothing happens",
        "restart": "one of three is terminated, and started again under its name at once",
        "leave": "one of three is terminated, and stays away",
        "2 to 3": "it comes back",
        "3 to 4": "a fourth joins",
    }
    calm = max(found["pause_seconds"]["undisturbed"].values())
    rows = []
    for step, pauses in found["pause_seconds"].items():
        longest = sorted(pauses.values(), reverse=True)
        told = ", ".join(f"{pause:.1f}" for pause in longest)
        still = sum(pause > 2 * calm for pause in longest) if step != "undisturbed" else 0
        rows.append((words[step], told, f"{still} of {len(longest)}"))
    yield from _table(("what happens", "pause of each partition, s", "noticed it"), rows)


# --- from the benches


def performance(name: str) -> Iterator[str]:
    """What a part of docs/performance.md says of bench/results. KeyError: there is no such part."""
    from bench import page

    return page.BLOCKS[name]()


def pictures() -> Iterator[tuple[Path, str | None]]:
    """The plots of bench/results, and where they belong; None where nothing was measured."""
    from bench import page

    for name, draw in page.PICTURES.items():
        yield ROOT / "docs" / "img" / f"{name}.svg", draw()


def sizing() -> Iterator[str]:
    """The worked example of docs/sizing.md."""
    from stream import sizing as model

    yield from _table(("what", "how much"), model.told(model.EXAMPLE))


def sizing_constants() -> Iterator[str]:
    """What the model reckons with, and where it is from."""
    from stream import sizing as model

    docs = attribute_docs(model)
    values = ((name, getattr(model, name)) for name in docs if isinstance(getattr(model, name), int | float))
    yield from _table(("constant", "value", "what"), ((f"`{name}`", _figure(value), docs[name]) for name, value in values))


def _figure(value: float) -> str:
    return f"{value / (1 << 20):,.4g} MiB" if value >= 1 << 20 else f"{value:,}"


# --- from the alerts


def alerts() -> Iterator[str]:
    """Every alert, the most urgent first, with its runbook."""
    ranked = sorted(_alerts().values(), key=lambda alert: alert["labels"]["severity"])
    rows = [
        (f"[`{a['alert']}`]({a['alert']}.md)", a["labels"]["severity"], a["for"], a["annotations"]["summary"]) for a in ranked
    ]
    yield from _table(("alert", "severity", "after", "says"), rows)


def alert(name: str) -> Iterator[str]:
    """One alert, as Prometheus has it. KeyError: there is none of that name."""
    found = _alerts()[name]
    lasting = "at once" if found["for"] == "0m" else f"after {found['for']}"
    yield f"{found['annotations']['summary']}. Severity `{found['labels']['severity']}`, {lasting}."
    yield ""
    yield "```promql"
    yield found["expr"]
    yield "```"


def _alerts() -> dict[str, Any]:
    import yaml

    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


# --- tools


def attribute_docs(owner: type | ModuleType) -> dict[str, str]:
    """The strings that stand under the attributes of a class or a module, by attribute."""
    body: ast.Module | ast.stmt = ast.parse(inspect.getsource(owner))
    if isinstance(owner, type):
        assert isinstance(body, ast.Module)
        body = body.body[0]
    assert isinstance(body, ast.ClassDef | ast.Module)
    found = {}
    for node, after in zip(body.body, body.body[1:], strict=False):
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            target = node.targets[0] if isinstance(node.targets[0], ast.Name) else None
        if (
            isinstance(target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[target.id] = " ".join(after.value.value.split())
    return found


def _allowed(annotation: Any, metadata: Iterable[Any]) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if arguments and get_origin(annotation) in (Union, UnionType):
        return _allowed(arguments[0], metadata)
    signs = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    bounds = " ".join(
        f"{word} {getattr(bound, sign)}" for bound in metadata for sign, word in signs.items() if hasattr(bound, sign)
    )
    names = {"bool": "`0` or `1`", "Path": "a path", "datetime": "RFC 3339 with offset", "SecretStr": "a secret"}
    return bounds or names.get(getattr(annotation, "__name__", ""), "")


def _told(value: Any) -> str:
    return {True: "1", False: "0"}[value] if isinstance(value, bool) else str(value)


def _first_sentence(text: str) -> str:
    text = " ".join(text.split())
    match = re.match(r".*?[.](?= |$)", text)
    return match[0] if match else text


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


BLOCKS: dict[str, Callable[[], Iterator[str]]] = {
    "topics": topics,
    "commands": commands,
    "settings": settings,
    "wanted": wanted,
    "rights": rights,
    "kept": kept,
    "detectors": detectors,
    "detector-pages": lambda: detectors(""),
    "contracts": contracts,
    "picture": picture,
    "reasons": reasons,
    "exit-codes": exit_codes,
    "metrics": metrics,
    "rolling": rolling,
    "sizing": sizing,
    "sizing-constants": sizing_constants,
    "alerts": alerts,
    "alerts-from-docs": lambda: (line.replace("](", "](runbooks/") for line in alerts()),
}


def renewed(text: str) -> str:
    """The text with every generated block as it should be. KeyError: a block nobody knows how to make."""
    return _BLOCK.sub(lambda found: found[1] + "\n".join(_made(found[2])).rstrip() + "\n" + found[4], text)


def _made(name: str) -> Iterator[str]:
    if name.startswith("alert-"):
        return alert(name.removeprefix("alert-"))
    return performance(name) if name.startswith("performance-") else BLOCKS[name]()


def pages() -> list[Path]:
    """README.md and every page under docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for page in pages():
        before = page.read_text("utf-8")
        if (after := renewed(before)) != before:
            page.write_text(after, "utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    for picture_, drawn in pictures():
        if drawn is None:
            picture_.unlink(missing_ok=True)
        elif not picture_.exists() or picture_.read_text("utf-8") != drawn:
            picture_.write_text(drawn, "utf-8")
            sys.stdout.write(f"{picture_.relative_to(ROOT)}\n")
