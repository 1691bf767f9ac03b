"""Writes the Grafana dashboards beside it: `python deploy/grafana/dashboards.py`. A test fails when one is out of date.

What a panel shows is said here once: title, unit, what to make of it, and its expressions. Everything else of Grafana's JSON is
the same for all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDE = 24
HEIGHT = 8


class Panel(NamedTuple):
    """One graph: expressions with what each line is called."""

    title: str
    unit: str
    about: str
    lines: Sequence[tuple[str, str]]
    limits: Sequence[float] = ()
    """Objectives and limits, drawn as lines."""
    kind: str = "timeseries"


class Variable(NamedTuple):
    """A choice at the top of a dashboard, from the values of a label."""

    name: str
    query: str


class Dashboard(NamedTuple):
    """A page: rows of panels, each row with a heading."""

    name: str
    title: str
    about: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    variables: Sequence[Variable] = ()


R = "[$__rate_interval]"
JOB = 'job=~"$job"'


def quantile(share: float, metric: str, by: str, more: str = "") -> str:
    """A quantile of a histogram, by one label."""
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}_bucket{{{JOB}{more}}}{R})))"


LATENCY = Panel(
    "From event to signal, nudge, escalation",
    "s",
    "From the event in Kafka to the commit of what answers it. Objectives: half within 0.25 s, 99 of 100 within 0.6 s.",
    [
        (quantile(0.5, "ews_event_to_output_seconds", "topic"), "{{topic}} p50"),
        (quantile(0.99, "ews_event_to_output_seconds", "topic"), "{{topic}} p99"),
    ],
    limits=(0.25, 0.6),
)
TRAFFIC = Panel(
    "Events applied",
    "cps",
    "Records of the bank that were applied and committed, by topic.",
    [
        (
            f'sum by (topic) (rate(ews_events_total{{{JOB}, outcome="applied", '
            f'topic!~"ticks|signals|account-facts|account-orders"}}{R}))',
            "{{topic}}",
        )
    ],
)
OUTPUTS = Panel(
    "Written",
    "cps",
    "Records written, by topic. What the two stages tell one another is among them.",
    [(f"sum by (topic) (rate(ews_outputs_total{{{JOB}}}{R}))", "{{topic}}")],
)
REFUSED = Panel(
    "Dead letters",
    "cps",
    "By reason. A few bad_... are normal; mispartitioned and key_mismatch never are.",
    [(f"sum by (reason) (rate(ews_dead_letters_total{{{JOB}}}{R})) > 0", "{{reason}}")],
)
LAG_SECONDS = Panel(
    "Behind, in seconds",
    "s",
    "For how long the oldest record that is not applied has waited, at most; the worst partition of each input.",
    [(f'max by (stage, topic) (ews_lag_seconds{{{JOB}, topic!="ticks"}})', "{{stage}} {{topic}}")],
)
LAG_RECORDS = Panel(
    "Behind, in records",
    "short",
    "Records between position and end, all partitions.",
    [(f'sum by (stage, topic) (ews_lag_records{{{JOB}, topic!="ticks"}})', "{{stage}} {{topic}}")],
)
COMMITS = Panel(
    "Commit",
    "s",
    "Time of one transaction. It rises with the brokers' load.",
    [
        (quantile(0.5, "ews_commit_seconds", "stage"), "{{stage}} p50"),
        (quantile(0.99, "ews_commit_seconds", "stage"), "{{stage}} p99"),
    ],
)
BUSY = Panel(
    "Loop busy with events",
    "percentunit",
    "Share of the time in which a worker's loop applies events; near 1 it needs more partitions and workers.",
    [(f"sum by (instance, stage) (rate(ews_apply_seconds_sum{{{JOB}}}{R}))", "{{instance}} {{stage}}")],
    limits=(0.8,),
)
CPU = Panel(
    "CPU",
    "percentunit",
    "Cores in use, by worker.",
    [(f"rate(process_cpu_seconds_total{{{JOB}}}{R})", "{{instance}}")],
)
MEMORY = Panel(
    "Memory",
    "percentunit",
    "Of what the process may use.",
    [
        (
            f"process_resident_memory_bytes{{{JOB}}} / on (job, instance) ews_memory_limit_bytes{{{JOB}}}",
            "{{instance}}",
        )
    ],
    limits=(0.85,),
)
TASKS = Panel(
    "Tasks",
    "short",
    "By state. Two for each partition, on all workers together; opening ones read their state back.",
    [(f"sum by (state) (ews_tasks{{{JOB}}})", "{{state}}"), (f"sum(ews_ready{{{JOB}}})", "workers ready")],
)
STARTS = Panel(
    "Starts, assignments, reloads",
    "short",
    "In an hour: starts of workers, assignments of the group, files taken and refused.",
    [
        ("sum(ews:starts:1h)", "starts"),
        (f"sum(increase(ews_rebalances_total{{{JOB}}}[1h]))", "assignments"),
        (f"sum by (result) (increase(ews_config_reloads_total{{{JOB}}}[1h]))", "reload {{result}}"),
    ],
)
OPEN = Panel(
    "Signs that stand open",
    "short",
    "On accounts, by severity. info tells of no trouble.",
    [(f"sum by (severity) (ews_open_signals{{{JOB}}})", "{{severity}}")],
)
SAID = Panel(
    "Nudges and escalations, a minute",
    "short",
    "Issued and withdrawn.",
    [
        (f"sum by (status) (rate(ews_nudges_total{{{JOB}}}{R})) * 60", "nudges {{status}}"),
        (f"sum by (status) (rate(ews_escalations_total{{{JOB}}}{R})) * 60", "escalations {{status}}"),
    ],
)
HOLD_UP = Panel(
    "Breakers, refused files, stalls",
    "short",
    "Partitions whose nudges wait for a person's word; workers whose files are wrong; tasks that stand still for more than 30 s.",
    [
        (f"sum(ews_breaker_tripped{{{JOB}}})", "breakers"),
        (f"sum(ews_config_refused{{{JOB}}})", "files refused"),
        (f"count(ews_stalled_seconds{{{JOB}}} > 30) or vector(0)", "stalled"),
    ],
)

OVERVIEW = Dashboard(
    "overview",
    "ews: overview",
    "The four golden signals, and what the job says.",
    [
        ("Latency and traffic", [LATENCY, TRAFFIC, OUTPUTS]),
        ("Errors", [REFUSED, HOLD_UP, STARTS]),
        ("Saturation", [LAG_SECONDS, BUSY, MEMORY]),
        ("What it says", [OPEN, SAID, TASKS]),
    ],
)

FLOW = Dashboard(
    "flow",
    "ews: from event to nudge",
    "Where an event's time goes, stage by stage, and where it stops.",
    [
        ("In", [TRAFFIC, LAG_SECONDS, LAG_RECORDS]),
        (
            "Accounts stage: event to signal",
            [
                Panel(
                    "Signals",
                    "cps",
                    "Told to holders, by status.",
                    [(f"sum by (status) (rate(ews_signals_total{{{JOB}}}{R}))", "{{status}}")],
                ),
                Panel(
                    "Event to signal",
                    "s",
                    "How the times lie: median, 9 of 10, 99 of 100.",
                    [
                        (quantile(share, "ews_event_to_output_seconds", "topic", ', topic="signals"'), f"p{share * 100:g}")
                        for share in (0.5, 0.9, 0.99)
                    ],
                    limits=(0.25, 0.6),
                ),
                COMMITS,
            ],
        ),
        (
            "Customers stage: signal to nudge",
            [
                Panel(
                    "Decisions",
                    "cps",
                    "Every evaluation of a treatment, by result.",
                    [(f"sum by (result) (rate(ews_decisions_total{{{JOB}}}{R}))", "{{result}}")],
                ),
                Panel(
                    "What stands in the way",
                    "cps",
                    "Refused and deferred, by the first rule that did not allow it.",
                    [
                        (
                            f'topk(10, sum by (rule) (rate(ews_decisions_total{{{JOB}, result=~"refused|deferred"}}{R})) > 0)',
                            "{{rule}}",
                        )
                    ],
                ),
                Panel(
                    "Event to nudge and escalation",
                    "s",
                    "Of those that were said at once: both stages and both transactions.",
                    [
                        (quantile(share, "ews_event_to_output_seconds", "topic", ', topic!="signals"'), f"{{{{topic}}}} {name}")
                        for share, name in ((0.5, "p50"), (0.99, "p99"))
                    ],
                    limits=(0.25, 0.6),
                ),
            ],
        ),
        (
            "Out",
            [
                Panel(
                    "Nudges, a minute",
                    "short",
                    "Issued, by treatment.",
                    [(f'sum by (treatment) (rate(ews_nudges_total{{{JOB}, status="issued"}}{R})) * 60', "{{treatment}}")],
                ),
                Panel(
                    "Escalations, a minute",
                    "short",
                    "Asked for, by team.",
                    [(f'sum by (queue) (rate(ews_escalations_total{{{JOB}, status="issued"}}{R})) * 60', "{{queue}}")],
                ),
                Panel(
                    "Late answers",
                    "percentunit",
                    "Share that took more than 0.6 s; 1 % may. The alerts on the budget look at these.",
                    [
                        (f"ews:late_outputs:ratio_rate5m{{{JOB}}}", "5 minutes"),
                        (f"ews:late_outputs:ratio_rate1h{{{JOB}}}", "an hour"),
                        (f"ews:late_outputs:ratio_rate6h{{{JOB}}}", "6 hours"),
                    ],
                    limits=(0.01,),
                ),
            ],
        ),
    ],
)

_OF = f'{JOB}, detector=~"$detector"'
DETECTORS = Dashboard(
    "detectors",
    "ews: detectors",
    "Each detector against its own past, and what it rests on.",
    [
        (
            "Raised",
            [
                Panel(
                    "Raised in an hour",
                    "short",
                    "Against a week ago at this hour: far above it is a flood, far below a silence.",
                    [
                        (f"ews:signals_raised:increase1h{{{_OF}}}", "{{detector}}"),
                        (f"ews:signals_raised:increase1h{{{_OF}}} offset 1w", "{{detector}} a week ago"),
                    ],
                ),
                Panel(
                    "Withdrawn for each that was raised",
                    "percentunit",
                    "In a day. What is taken back soon was an alarm for little.",
                    [
                        (
                            f'sum by (detector) (increase(ews_signals_total{{{_OF}, status="withdrawn"}}[1d])) / '
                            f'sum by (detector) (increase(ews_signals_total{{{_OF}, status="raised"}}[1d]))',
                            "{{detector}}",
                        )
                    ],
                ),
                Panel(
                    "By severity",
                    "cps",
                    "Raised and changed.",
                    [(f'sum by (severity) (rate(ews_signals_total{{{_OF}, status!="withdrawn"}}{R}))', "{{severity}}")],
                ),
            ],
        ),
        (
            "Standing",
            [
                Panel(
                    "Open, by detector",
                    "short",
                    "Signs on accounts.",
                    [(f"sum by (detector) (ews_open_signals{{{_OF}}})", "{{detector}}")],
                ),
                Panel(
                    "Open, by severity",
                    "short",
                    "Signs on accounts.",
                    [(f"sum by (severity) (ews_open_signals{{{_OF}}})", "{{severity}}")],
                ),
                Panel(
                    "Versions",
                    "short",
                    "Workers that run each version, with the hash of its settings. Two of one detector: files that differ.",
                    [
                        (
                            f"count by (detector, version, enabled) (ews_detector_info{{{_OF}}})",
                            "{{detector}} {{version}} {{enabled}}",
                        )
                    ],
                    kind="table",
                ),
            ],
        ),
        (
            "What it rests on",
            [
                Panel(
                    "Unknown return codes",
                    "short",
                    "In an hour, by scheme: a person must class them.",
                    [(f"sum by (scheme) (increase(ews_unknown_return_codes_total{{{JOB}}}[1h]))", "{{scheme}}")],
                ),
                Panel(
                    "Outages",
                    "short",
                    "Bursts of bounces in a day, and what they turned out to be.",
                    [(f"sum by (group, result) (increase(ews_outages_total{{{JOB}}}[1d]))", "{{group}} {{result}}")],
                ),
                Panel(
                    "Newest record, by feed",
                    "s",
                    "Age of the newest record of each feed; a detector without its feed says nothing.",
                    [
                        (
                            "time() - max by (topic) "
                            f'(ews_last_event_timestamp_seconds{{{JOB}, stage="accounts", topic!="ticks"}})',
                            "{{topic}}",
                        )
                    ],
                ),
            ],
        ),
    ],
    [Variable("detector", "label_values(ews_open_signals, detector)")],
)

_AT = f'{JOB}, stage=~"$stage", partition=~"$partition"'
PARTITIONS = Dashboard(
    "partitions",
    "ews: partitions",
    "Each task: how far it is, and what holds it.",
    [
        (
            "How far",
            [
                Panel(
                    "Behind, in seconds",
                    "s",
                    "The worst input of each task.",
                    [(f'max by (stage, partition) (ews_lag_seconds{{{_AT}, topic!="ticks"}})', "{{stage}}[{{partition}}]")],
                ),
                Panel(
                    "Behind, in records",
                    "short",
                    "All inputs of each task.",
                    [(f'sum by (stage, partition) (ews_lag_records{{{_AT}, topic!="ticks"}})', "{{stage}}[{{partition}}]")],
                ),
                Panel(
                    "Watermark behind the clock",
                    "s",
                    "Event time up to which a task has decided. Ticks keep it within seconds, wherever a task is caught up.",
                    [(f"time() - max by (stage, partition) (ews_clock_timestamp_seconds{{{_AT}}})", "{{stage}}[{{partition}}]")],
                ),
            ],
        ),
        (
            "What holds it",
            [
                Panel(
                    "Standing still",
                    "s",
                    "Something to do, and no move; the worker ends itself at EWS_STALL_SECONDS.",
                    [(f"max by (stage, partition) (ews_stalled_seconds{{{_AT}}})", "{{stage}}[{{partition}}]")],
                    limits=(30,),
                ),
                Panel(
                    "State read back",
                    "percentunit",
                    "After an assignment: the share of the changelog.",
                    [(f"min by (stage, partition) (ews_restore_progress_ratio{{{_AT}}})", "{{stage}}[{{partition}}]")],
                ),
                Panel(
                    "Breaker",
                    "short",
                    "1 while the nudges of a partition wait for a person's word.",
                    [(f'max by (partition) (ews_breaker_tripped{{{JOB}, partition=~"$partition"}})', "{{partition}}")],
                ),
            ],
        ),
        (
            "Who owns it, what it holds",
            [
                Panel(
                    "Owner",
                    "short",
                    "Tasks by worker.",
                    [(f"count by (instance) (ews_clock_timestamp_seconds{{{_AT}}})", "{{instance}}")],
                ),
                Panel(
                    "State held",
                    "short",
                    "Accounts and customers, by worker.",
                    [(f"sum by (instance, stage) (ews_rows{{{JOB}}})", "{{instance}} {{stage}}")],
                ),
                Panel(
                    "Changelog written",
                    "Bps",
                    "Bytes of rows, by stage.",
                    [(f"sum by (stage) (rate(ews_changelog_bytes_total{{{JOB}}}{R}))", "{{stage}}")],
                ),
            ],
        ),
        ("The worker", [COMMITS, CPU, MEMORY]),
    ],
    [
        Variable("stage", "label_values(ews_clock_timestamp_seconds, stage)"),
        Variable("partition", "label_values(ews_clock_timestamp_seconds, partition)"),
    ],
)

VIEW = Dashboard(
    "view",
    "ews: view",
    "Customers' current pictures: how fresh they are, and what keeps them from being so.",
    [
        (
            "How fresh",
            [
                Panel(
                    "Ready",
                    "short",
                    "1 while the view may be read from.",
                    [(f"min by (instance) (ews_view_ready{{{JOB}}})", "{{instance}}")],
                ),
                Panel(
                    "Valkey or Redis",
                    "short",
                    "1 while it answers the view.",
                    [(f"min by (instance) (ews_view_redis_up{{{JOB}}})", "{{instance}}")],
                ),
                Panel(
                    "Behind",
                    "short",
                    "Records between the view and the end of its inputs.",
                    [(f"sum by (topic) (ews_view_lag_records{{{JOB}}})", "{{topic}}")],
                ),
            ],
        ),
        (
            "What it does",
            [
                Panel(
                    "Records taken",
                    "short",
                    "A second, by topic.",
                    [(f"sum by (topic) (rate(ews_view_records_total{{{JOB}}}{R}))", "{{topic}}")],
                ),
                Panel(
                    "Pictures written",
                    "short",
                    "A second; conflicts are batches that met another view and were worked out anew.",
                    [
                        (f"sum(rate(ews_view_writes_total{{{JOB}}}{R}))", "written"),
                        (f"sum(rate(ews_view_conflicts_total{{{JOB}}}{R}))", "conflicts"),
                    ],
                ),
                Panel(
                    "Records that could not be used",
                    "short",
                    "A second, by topic; they are told in the view's log.",
                    [(f"sum by (topic) (rate(ews_view_skipped_total{{{JOB}}}{R}))", "{{topic}}")],
                ),
            ],
        ),
    ],
)

DASHBOARDS = (OVERVIEW, FLOW, DETECTORS, PARTITIONS, VIEW)
_JOB = Variable("job", "label_values(ews_build_info, job)")


def document(dashboard: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana (10 and later) reads it."""
    return {
        "uid": f"ews-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["ews"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [{"title": "ews", "type": "dashboards", "tags": ["ews"], "asDropdown": True, "keepTime": True}],
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                *[_variable(each) for each in (_JOB, *dashboard.variables)],
            ]
        },
        "panels": list(_panels(dashboard)),
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,
        "sort": 3,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for heading, panels in dashboard.rows:
        number += 1
        yield {"id": number, "type": "row", "title": heading, "collapsed": False, "gridPos": _place(0, top, WIDE, 1)}
        top += 1
        width = WIDE // len(panels)
        for index, panel in enumerate(panels):
            number += 1
            yield _panel(number, panel, _place(index * width, top, width, HEIGHT))
        top += HEIGHT


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    table = panel.kind == "table"
    steps = [{"color": "transparent", "value": None}, *[{"color": "red", "value": limit} for limit in panel.limits]]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
                **({"format": "table", "instant": True} if table else {}),
            }
            for index, (expr, legend) in enumerate(panel.lines)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {} if table else {"thresholdsStyle": {"mode": "dashed" if panel.limits else "off"}},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {} if table else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }


def text(dashboard: Dashboard) -> str:
    """The file's text."""
    return json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (HERE / f"{each.name}.json").write_text(text(each), "utf-8")
        sys.stdout.write(f"{each.name}.json\n")
