"""Dashboards read what there is: every metric, label and value, in every panel and variable; and their JSON is current."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stream import app, settings
from tests import scripts
from tests.unit.deploy import promql

GRAFANA = promql.ROOT / "deploy" / "grafana"
FILES = sorted(GRAFANA.glob("*.json"))


DASHBOARDS = scripts.load("deploy/grafana/dashboards.py")


@pytest.fixture(autouse=True, scope="module")
def _declared() -> None:
    app.tell_versions(app.configuration(settings.load()))


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


TARGETS = [
    (path.stem, panel["title"], target)
    for path in FILES
    for panel in panels(json.loads(path.read_text("utf-8")))
    for target in panel["targets"]
]


def test_each_file_is_what_its_source_writes() -> None:
    assert {path.stem for path in FILES} == {each.name for each in DASHBOARDS.DASHBOARDS}
    for each in DASHBOARDS.DASHBOARDS:
        written = (GRAFANA / f"{each.name}.json").read_text("utf-8")
        assert written == DASHBOARDS.text(each), "run: python deploy/grafana/dashboards.py"


@pytest.mark.parametrize(("name", "title", "target"), TARGETS, ids=lambda each: each if isinstance(each, str) else each["refId"])
def test_a_panel_reads_what_there_is_and_calls_its_lines_by_labels_that_are_left(
    name: str, title: str, target: dict[str, Any]
) -> None:
    expr = target["expr"].replace("$__rate_interval", "5m")
    assert promql.faults(expr) == []
    known = {**promql.NOT_OURS, **promql.catalogue(), **promql.recorded()}
    left = promql.labels_named(expr) or set.union(*(set(known[use.metric]) for use in promql.uses(expr)))
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboards_choices_are_labels_that_there_are_and_all_are_used(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    known = promql.catalogue()
    chosen = [each for each in document["templating"]["list"] if each["type"] == "query"]
    for each in chosen:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", each["query"]["query"])
        assert found is not None
        assert found[2] in known[found[1]]
    text = json.dumps(document["panels"])
    assert {each["name"] for each in chosen} == set(re.findall(r"=~\\\"\$(\w+)\\\"", text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_lie_beside_one_another_and_say_what_to_make_of_them(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels(document):
        assert panel["description"].endswith(".")
        assert panel["targets"]


def test_every_metric_but_a_few_is_on_a_dashboard_or_in_an_alert() -> None:
    """What nobody looks at need not be kept; these are for who asks."""
    rules = [rule["expr"] for name in ("alerts.yml", "rules.yml") for rule in promql.rules(name)]
    shown = [target["expr"].replace("$__rate_interval", "5m") for _, _, target in TARGETS]


    def whole(name: str) -> str:
        return re.sub("_(bucket|sum|count)$", "", name)

    read = {whole(use.metric) for expr in rules + shown for use in promql.uses(expr)}
    ours = set(map(whole, promql.catalogue()))
    assert ours - read == {
        "ews_changelog_rows_total",
        "ews_lead_seconds",
        "ews_output_bytes_total",
        "ews_policy_info",
        "ews_ticks_total",
        "ews_trials_total",
        "ews_unwarned_arrears_total",
    }
