"""Draws docs/img/overview.svg from a real run: `pip install matplotlib`, then `python docs/picture.py`. About five minutes.

A Kafka node, two workers and Prometheus on this machine; live payments and bounces; and four faults, so that there is something
to see: records that cannot be used, a worker killed, a rush, a wrong file. Towards the end so many people have had a nudge that
breakers trip. The panels are those of deploy/grafana/overview.json: each expression is asked of Prometheus as Grafana would ask
it, and drawn as it answers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from confluent_kafka import Producer  # noqa: E402

from tests.kafka import Broker, wait_until  # noqa: E402
from tests.kafka.bank import DAY, account, bounce, customer, encode, message, noon_zone, payment  # noqa: E402
from tests.kafka.broker import free_ports  # noqa: E402
from tests.kafka.job import Job  # noqa: E402
from tests.prometheus import prepare  # noqa: E402

PEOPLE = 800
SECONDS = 240
WINDOW = "15s"
DETECTORS = ROOT / "stream" / "detectors" / "defaults.toml"
FAULTS = [(50, "records that cannot be used"), (90, "a worker is killed"), (140, "six times as much"), (185, "a file is wrong")]


class Bank:
    """Sends live events: each is told the moment it happens."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._producer = Producer({"bootstrap.servers": job.broker.bootstrap, "linger.ms": 2, "partitioner": "murmur2_random"})
        self._number = 0
        self.pace = 200
        self.bad = False
        self.stop = threading.Event()

    def open_accounts(self, now: datetime) -> None:
        """Customers who may be written to, and for some a bounce of last week."""
        then, zone = now - 30 * DAY, noon_zone(now)
        numbers = range(PEOPLE)
        self._job.produce("customers", [message(customer(f"C-{n}", then, zone), then) for n in numbers])
        self._job.produce("accounts", [message(account(n, then), then) for n in numbers])
        week = now - 7 * DAY
        self._job.produce("bounces", [message(bounce(n, f"b{n}-0", week), week) for n in range(0, PEOPLE, 4)])

    def send(self, topic: str, value: dict[str, Any]) -> None:
        """One record, now."""
        self._producer.produce(self._job.topic(topic), encode(value), value["account_id"])

    def live(self) -> None:
        """Payments at `pace` a second; every two seconds somebody's payments come back."""
        started, ticks = time.monotonic(), 0
        while not self.stop.is_set():
            now = datetime.now(UTC)
            for _ in range(self.pace // 10):
                self._number += 1
                self.send("payments", payment(self._number * 7 % PEOPLE, f"p{self._number}", now))
            if self.bad:
                self.send("payments", payment(1, f"bad{ticks}", now, amount="12.505"))
            if ticks % 20 == 0:
                who = ticks // 20 * 4 % PEOPLE
                for i in (1, 2):
                    self.send("bounces", bounce(who, f"b{who}-{i}-{ticks}", now - timedelta(seconds=i)))
            self._producer.poll(0)
            ticks += 1
            self.stop.wait(max(0.0, started + ticks / 10 - time.monotonic()))
        self._producer.flush(10)


def run(folder: Path, hold: float) -> None:
    """The run and, at its end, the picture."""
    ports = free_ports(3)
    file = folder / "detectors.toml"
    file.write_text(DETECTORS.read_text("utf-8"), "utf-8")
    settings = {"EWS_DETECTORS_FILE": str(file), "EWS_RETENTION_DAYS": "400", "EWS_LOG_LEVEL": "DEBUG", "EWS_LOG_SAMPLE": "5000"}
    with Broker(folder / "broker") as broker:
        job = Job(broker, folder, "bank.", **settings)
        job.create_topics()
        bank = Bank(job)
        bank.open_accounts(datetime.now(UTC))
        workers = [job.start(f"worker-{i}", EWS_WEB_PORT=str(ports[i]), EWS_INSTANCE_ID=f"worker-{i}") for i in (0, 1)]
        prometheus = start_prometheus(folder, ports)
        try:
            job.wait_applied(("accounts", "customers", "bounces"), 120)
            say(f"workers at {ports[:2]}, Prometheus at {ports[2]}, Kafka at {broker.bootstrap}, all in {folder}")
            sending = threading.Thread(target=bank.live)
            sending.start()
            time.sleep(20)  # last week's bounces are out of the window then
            began = time.time()
            at = [when for when, _ in FAULTS]

            def until(seconds: float) -> None:
                time.sleep(max(0.0, began + seconds - time.time()))

            until(at[0])
            bank.bad = True
            until(at[0] + 15)
            bank.bad = False
            until(at[1])
            workers[1].kill()
            until(at[1] + 12)
            workers[1] = job.start("worker-1", EWS_WEB_PORT=str(ports[1]), EWS_INSTANCE_ID="worker-1")
            until(at[2])
            bank.pace *= 6
            until(at[2] + 20)
            bank.pace //= 6
            until(at[3])
            file.write_text("[bounce_pressure]\nlow = -1\n", "utf-8")
            until(at[3] + 20)
            file.write_text(DETECTORS.read_text("utf-8"), "utf-8")
            until(SECONDS)
            draw(ports[2], began, began + SECONDS)
            say(f"drawn; goes on for {hold:.0f} s")
            time.sleep(hold)
            bank.stop.set()
            sending.join()
        finally:
            bank.stop.set()
            prometheus.terminate()
            prometheus.wait()
            job.close()


def start_prometheus(folder: Path, ports: list[int]) -> subprocess.Popen[bytes]:
    """Prometheus on loopback, with our rules, looking every second."""
    rules = ROOT / "deploy" / "prometheus"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules / "rules.yml"), str(rules / "alerts.yml")],
        "scrape_configs": [{"job_name": "ews", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports[:2]]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), "utf-8")  # JSON is YAML
    command = [
        str(prepare.find("prometheus")), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{ports[2]}", "--log.level=warn",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)  # noqa: S603

    def up() -> bool:
        assert process.poll() is None, "Prometheus has ended"
        try:
            return bool(ask(ports[2], "query", query="1"))
        except OSError:
            return False

    wait_until(up, 30, "Prometheus", 0.2)
    return process


def ask(port: int, what: str, **parameters: object) -> list[dict[str, Any]]:
    """Asks Prometheus' HTTP interface."""
    url = f"http://127.0.0.1:{port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as page:
        answer = json.load(page)
    assert answer["status"] == "success"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def draw(port: int, start: float, end: float) -> None:
    """The overview's panels, as they would show now."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"font.size": 7, "svg.hashsalt": "ews", "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    document = json.loads((ROOT / "deploy" / "grafana" / "overview.json").read_text("utf-8"))
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]
    figure, axes = pyplot.subplots(4, 3, figsize=(13, 11), sharex=True)
    for axis, panel in zip(axes.flat, panels, strict=True):
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", WINDOW).replace('=~"$job"', '=~".*"')
            for line in ask(port, "query_range", query=expr, start=start, end=end, step=2):
                points = [(float(at) - start, float(value)) for at, value in line["values"] if value != "NaN"]
                name = target["legendFormat"]
                for label, value in line["metric"].items():
                    name = name.replace("{{" + label + "}}", value.replace("127.0.0.1:", ":"))
                if points:
                    seen = name if any(value for _, value in points) else None  # a line along 0 needs no name
                    axis.plot(*zip(*points, strict=True), label=seen, linewidth=1)
        for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]:
            axis.axhline(step["value"], color="red", linestyle="--", linewidth=0.6)
        for when, _ in FAULTS:
            axis.axvline(when, color="0.8", linewidth=0.6, zorder=0)
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if unit == "percentunit":
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        title = panel["title"] + {"s": ", s", "cps": ", a second"}.get(unit, "")
        axis.set_title(title, loc="left", fontsize=8, fontweight="bold")
        axis.set_ylim(bottom=0)
        axis.grid(axis="y", color="0.93")
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=5.5, ncols=2, frameon=False, loc="upper left")
    told = "; ".join(f"{when} s: {what}" for when, what in FAULTS)
    figure.suptitle(f"{document['title']}: two workers, {SECONDS} seconds; {told}", fontsize=9)
    figure.tight_layout()
    target = ROOT / "docs" / "img" / "overview.svg"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, metadata={"Date": None})
    say(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} kB")


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"picture: {text}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draws docs/img/overview.svg from a real run.")
    parser.add_argument("--hold", type=float, default=0, help="seconds to go on afterwards, for a look around")
    options = parser.parse_args()
    os.environ["TZ"] = "UTC"
    with tempfile.TemporaryDirectory(prefix="ews-picture-") as name:
        run(Path(name), options.hold)
