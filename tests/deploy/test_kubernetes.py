"""deploy/k8s as kubectl renders it: valid, restricted, bound to the catalogue of topics and to what the worker answers.

Kubernetes' own kinds are held against their schemas, strictly. Custom resources (Strimzi, KEDA, the Prometheus operator) have
no schema here: of them only what is said below is tested.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stream import sizing
from stream.engine import checks
from stream.rights import Role, rights
from stream.settings import Settings, load
from tests import scripts

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = ("dev", "prod")
CUSTOM = {"kafka.strimzi.io/v1", "keda.sh/v1alpha1", "monitoring.coreos.com/v1"}
RENDER = ["kubectl", "kustomize"] if shutil.which("kubectl") else ["kustomize", "build"]

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
rendered = pytest.mark.skipif(not shutil.which(RENDER[0]), reason="needs kubectl or kustomize on the PATH")
Resource = dict[str, Any]


GENERATE = scripts.load("deploy/generate.py")


@pytest.mark.parametrize("path", GENERATE.FILES, ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    if path.name == "users.yaml":
        pytest.importorskip("stream.rights", reason="this version has no table of rights")
    assert path.read_text("utf-8") == GENERATE.wanted(path), "run: python deploy/generate.py"


@cache
def render(overlay: str) -> tuple[Resource, ...]:
    done = subprocess.run([*RENDER, K8S / "overlays" / overlay], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, kind: str) -> list[Resource]:
    return [resource for resource in render(overlay) if resource["kind"] == kind]


def labels_of(overlay: str, kind: str, name: str) -> dict[str, str]:
    return dict(the(overlay, kind, name)["spec"]["template"]["metadata"]["labels"])


def the(overlay: str, kind: str, name: str) -> Resource:
    [found] = [resource for resource in of_kind(overlay, kind) if resource["metadata"]["name"].startswith(name)]
    return found


def workloads(overlay: str) -> Iterator[tuple[str, Resource]]:
    for resource in render(overlay):
        if resource["kind"] in ("StatefulSet", "Deployment", "Job", "DaemonSet"):
            yield resource["metadata"]["name"], resource["spec"]["template"]["spec"]


def worker(overlay: str) -> tuple[Resource, Resource]:
    """The worker's pod, and its container."""
    pod = the(overlay, "StatefulSet", "ews-worker")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    return pod, container


def view(overlay: str) -> tuple[Resource, Resource]:
    """The view's pod, and its container."""
    pod = the(overlay, "Deployment", "ews-view")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    return pod, container


def settings_of(overlay: str) -> dict[str, str]:
    return dict(the(overlay, "ConfigMap", "ews-settings")["data"])


def view_settings_of(overlay: str) -> dict[str, str]:
    """What the view's container sees: the later source wins."""
    found: dict[str, str] = {}
    for source in view(overlay)[1]["envFrom"]:
        found |= the(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    return found


@rendered
@every_overlay
def test_everything_of_kubernetes_own_is_valid(overlay: str) -> None:
    for resource in render(overlay):
        if resource["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(resource, "1.37", strict=True)
        assert resource["kind"] == "Namespace" or resource["metadata"]["namespace"]


@rendered
@every_overlay
def test_every_pod_is_restricted_as_its_namespace_demands(overlay: str) -> None:
    [namespace] = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert [name for name, _ in workloads(overlay)]
    for name, pod in workloads(overlay):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
            assert not container["image"].endswith(":latest")
            assert ":" in container["image"]


@rendered
@every_overlay
def test_worker_and_view_run_as_the_image_does(overlay: str) -> None:
    recipe = (ROOT / "Dockerfile").read_text("utf-8")
    for pod, _ in (worker(overlay), view(overlay)):
        assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in recipe


@rendered
@every_overlay
def test_the_probes_ask_what_the_worker_answers(overlay: str) -> None:
    _, container = worker(overlay)
    [port] = container["ports"]
    assert str(port["containerPort"]) == settings_of(overlay)["EWS_WEB_PORT"]
    # A worker that only restores beats, and is not ready: readiness must not end it.
    wanted = {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready"}
    for probe, path in wanted.items():
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}, probe
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 180, "a first compilation takes a minute"


@rendered
@every_overlay
def test_the_settings_exist_and_are_ones_that_load(overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings_of(overlay)
    _, container = worker(overlay)
    names = set(given) | {variable["name"] for variable in container["env"]}
    assert {name.removeprefix("EWS_").lower() for name in names} <= set(Settings.model_fields)
    assert "EWS_INSTANCE_ID" in names
    assert not {"EWS_SASL_PASSWORD", "EWS_SSL_KEY_PASSWORD"} & names, "secrets come by file"
    (tmp_path / "password").write_text("x")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EWS_SASL_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.delenv("EWS_SSL_CA_FILE")
    loaded = load()
    assert loaded.security_protocol == "SASL_SSL"
    assert loaded.web_host == "0.0.0.0"


@rendered
@every_overlay
def test_every_file_that_a_setting_names_is_mounted_so_that_changes_reach_it(overlay: str) -> None:
    pod, container = worker(overlay)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    for name, value in settings_of(overlay).items():
        if name.endswith("_FILE"):
            folder, _, file = value.rpartition("/")
            assert "subPath" not in mounts[folder]
            volume = volumes[mounts[folder]["name"]]
            if "configMap" in volume:
                assert volume["configMap"]["name"] == "ews-config", "a name that changes would roll the pods instead"
                assert file in the(overlay, "ConfigMap", "ews-config")["data"]
            else:
                items = [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
                assert file in items


@rendered
def test_the_example_of_a_projected_token_mounts_the_file_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    base = os.path.relpath(K8S / "overlays" / "prod", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(f"resources:\n  - {base}\n{example}")
    overlay = str(tmp_path)
    given = settings_of(overlay)
    pod, container = worker(overlay)
    kubernetes_validate.validate(the(overlay, "StatefulSet", "ews-worker"), "1.37", strict=True)
    folder, _, file = given["EWS_SASL_OAUTH_TOKEN_FILE"].rpartition("/")
    [name] = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == folder]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == name]
    assert [source["serviceAccountToken"]["path"] for source in volume["projected"]["sources"]] == [file]
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("EWS_SSL_CA_FILE")
    loaded = load()
    assert loaded.sasl_oauth_token_file == Path(folder, file)
    assert "sasl_plain_password" not in loaded.aiokafka()


@rendered
@every_overlay
def test_the_login_is_the_one_that_has_the_rights(overlay: str) -> None:
    user = the(overlay, "KafkaUser", settings_of(overlay)["EWS_SASL_USERNAME"])
    pod, _ = worker(overlay)
    [secrets] = [volume["projected"] for volume in pod["volumes"] if "projected" in volume]
    names = {source["secret"]["name"] for source in secrets["sources"]}
    cluster = the(overlay, "Kafka", "kafka")["metadata"]["name"]
    assert names == {user["metadata"]["name"], f"{cluster}-cluster-ca-cert"}
    for user in of_kind(overlay, "KafkaUser"):
        for acl in user["spec"]["authorization"]["acls"]:
            assert "All" not in acl["operations"]
            assert acl["resource"]["name"] != "*"
            assert acl["resource"]["patternType"] == "literal" or acl["resource"]["type"] == "transactionalId"


@rendered
@every_overlay
def test_every_topic_of_the_job_is_made_as_the_worker_wants_it(overlay: str) -> None:
    """What `ews topics check` would say to these topics: nothing."""
    given = settings_of(overlay)
    names = ("app", "partitions", "replication", "min_insync")
    loaded = load(**{name: given.get(f"EWS_{name.upper()}") for name in names})
    made = {topic["spec"]["topicName"]: topic for topic in of_kind(overlay, "KafkaTopic")}
    wanted = {topic.name for topic in checks.wanted(loaded)}
    assert set(made) == wanted
    found: dict[str, checks.Found | None] = {
        name: checks.Found("id", topic["spec"]["partitions"], topic["spec"]["replicas"], 0, topic["spec"]["config"])
        for name, topic in made.items()
    }
    assert checks.problems(loaded, found) == []
    [cluster] = {topic["metadata"]["labels"]["strimzi.io/cluster"] for topic in made.values()}
    assert cluster == the(overlay, "Kafka", "kafka")["metadata"]["name"]


@rendered
@every_overlay
def test_kafka_has_nodes_for_every_copy_and_never_elects_a_stale_leader(overlay: str) -> None:
    config = the(overlay, "Kafka", "kafka")["spec"]["kafka"]["config"]
    assert config["unclean.leader.election.enable"] is False
    assert config["auto.create.topics.enable"] is False
    nodes = {role: pool["spec"]["replicas"] for pool in of_kind(overlay, "KafkaNodePool") for role in pool["spec"]["roles"]}
    copies = {topic["spec"]["replicas"] for topic in of_kind(overlay, "KafkaTopic")}
    copies |= {value for name, value in config.items() if name.endswith("replication.factor")}
    assert max(copies) <= nodes["broker"]
    assert nodes["controller"] % 2 == 1


@rendered
@every_overlay
def test_the_budget_and_the_service_mean_the_worker(overlay: str) -> None:
    labels = the(overlay, "StatefulSet", "ews-worker")["spec"]["template"]["metadata"]["labels"]
    budget = the(overlay, "PodDisruptionBudget", "ews-worker")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    service = the(overlay, "Service", "ews-worker")
    assert service["spec"]["selector"].items() <= labels.items()
    assert the(overlay, "StatefulSet", "ews-worker")["spec"]["serviceName"] == service["metadata"]["name"]
    pod, _ = worker(overlay)
    keys = {spread["topologyKey"] for spread in pod["topologySpreadConstraints"]}
    assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


@rendered
@every_overlay
def test_the_network_is_closed_but_for_what_is_needed(overlay: str) -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind(overlay, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    given = settings_of(overlay)
    out = [rule["port"] for entry in policies["ews-worker"]["egress"] for rule in entry["ports"]]
    assert out == [int(given["EWS_BOOTSTRAP"].rpartition(":")[2])]
    within = [rule["port"] for entry in policies["ews-worker"]["ingress"] for rule in entry["ports"]]
    assert within == [int(given["EWS_WEB_PORT"])]


@rendered
@every_overlay
def test_no_secret_is_in_the_manifests(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []


@rendered
@every_overlay
def test_the_view_is_of_the_workers_image_and_answers_its_probes(overlay: str) -> None:
    _, container = view(overlay)
    assert container["image"] == worker(overlay)[1]["image"]
    assert container["args"] == ["view"]
    [port] = container["ports"]
    assert str(port["containerPort"]) == view_settings_of(overlay)["EWS_WEB_PORT"]
    # A view without its Valkey waits, and is not ready: that must not end it.
    wanted = {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready"}
    for probe, path in wanted.items():
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}, probe


@rendered
@every_overlay
def test_the_views_settings_load_and_all_its_files_are_mounted(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = view_settings_of(overlay)
    assert {name.removeprefix("EWS_").lower() for name in given} <= set(Settings.model_fields)
    assert not {"EWS_SASL_PASSWORD", "EWS_REDIS_PASSWORD"} & set(given), "secrets come by file"
    assert given["EWS_POLICY_FILE"] == settings_of(overlay)["EWS_POLICY_FILE"], "how long a hold lasts is the workers' to say"
    pod, container = view(overlay)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    for name, value in given.items():
        if name.endswith("_FILE"):
            folder, _, file = value.rpartition("/")
            volume = volumes[mounts[folder]["name"]]
            if "configMap" in volume:
                assert file in the(overlay, "ConfigMap", volume["configMap"]["name"])["data"]
            else:
                assert file in [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in ("EWS_SASL_PASSWORD_FILE", "EWS_REDIS_PASSWORD_FILE"):
        (tmp_path / name).write_text("x")
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("EWS_SSL_CA_FILE")
    service = the(overlay, "Service", "valkey")
    told = load().redis()
    assert (told["host"], told["port"]) == (service["metadata"]["name"], service["spec"]["ports"][0]["port"])
    assert told["username"]
    assert told["password"] == "x"


@rendered
@every_overlay
def test_the_view_logs_in_as_itself_and_may_do_what_a_view_must(overlay: str) -> None:
    user = the(overlay, "KafkaUser", view_settings_of(overlay)["EWS_SASL_USERNAME"])
    granted = {
        (acl["resource"]["type"], acl["resource"]["name"], operation)
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    assert granted == {(right.kind, right.name, right.operation) for right in rights(Role.VIEW, load())}
    assert {operation for *_, operation in granted} == {"Read"}, "it writes nothing"
    pod, _ = view(overlay)
    [secrets] = [volume["projected"] for volume in pod["volumes"] if "projected" in volume]
    names = {source["secret"]["name"] for source in secrets["sources"]}
    assert names == {user["metadata"]["name"], "kafka-cluster-ca-cert", "ews-view-valkey"}


@rendered
@every_overlay
def test_the_views_budget_service_and_network_mean_the_view(overlay: str) -> None:
    labels = labels_of(overlay, "Deployment", "ews-view")
    assert not the(overlay, "Service", "ews-worker")["spec"]["selector"].items() <= labels.items()
    budget = the(overlay, "PodDisruptionBudget", "ews-view")["spec"]
    assert budget["maxUnavailable"] == 1
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind(overlay, "NetworkPolicy")}
    own = policies["ews-view"]
    for selector in (budget["selector"], own["podSelector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert the(overlay, "Service", "ews-view")["spec"]["selector"].items() <= labels.items()
    given = view_settings_of(overlay)
    assert [rule["port"] for entry in own["ingress"] for rule in entry["ports"]] == [int(given["EWS_WEB_PORT"])]
    kafka, valkey = own["egress"]
    assert [rule["port"] for rule in kafka["ports"]] == [int(given["EWS_BOOTSTRAP"].rpartition(":")[2])]
    [server] = valkey["to"]
    assert server["podSelector"]["matchLabels"].items() <= labels_of(overlay, "StatefulSet", "valkey").items()
    # And Valkey lets it in.
    [client] = policies["valkey"]["ingress"][0]["from"]
    assert client["podSelector"]["matchLabels"].items() <= labels.items()
    assert [rule["port"] for rule in valkey["ports"]] == [rule["port"] for rule in policies["valkey"]["ingress"][0]["ports"]]


@rendered
def test_workers_never_outnumber_partitions() -> None:
    scaled = the("prod", "ScaledObject", "ews-worker")["spec"]
    given = settings_of("prod")
    assert scaled["minReplicaCount"] <= scaled["maxReplicaCount"] <= int(given["EWS_PARTITIONS"])
    [trigger] = scaled["triggers"]
    assert trigger["metadata"]["allowIdleConsumers"] == "false"
    assert trigger["metadata"]["consumerGroup"] == load().group
    assert trigger["metadata"]["topic"] in {topic.name for topic in checks.wanted(load())}
    assert trigger["metadata"]["bootstrapServers"] == given["EWS_BOOTSTRAP"]
    assert "replicas" not in the("prod", "StatefulSet", "ews-worker")["spec"], "two would set it"


@rendered
def test_prometheus_asks_the_ports_that_worker_and_view_have() -> None:
    for kind, name, (_, container) in (("StatefulSet", "ews-worker", worker("prod")), ("Deployment", "ews-view", view("prod"))):
        monitor = the("prod", "PodMonitor", name)["spec"]
        assert monitor["selector"]["matchLabels"].items() <= labels_of("prod", kind, name).items()
        assert [endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]] == [container["ports"][0]["name"]]


def bytes_of(quantity: str) -> int:
    """Of a quantity in Mi or Gi."""
    return int(quantity[:-2]) << {"Mi": 20, "Gi": 30}[quantity[-2:]]


@rendered
def test_production_is_as_large_as_the_model_says_for_the_bank_it_is_made_for() -> None:
    wanted = sizing.size(sizing.SMALL)
    assert int(settings_of("prod")["EWS_PARTITIONS"]) == wanted.partitions
    assert the("prod", "ScaledObject", "ews-worker")["spec"]["minReplicaCount"] == wanted.workers
    _, container = worker("prod")
    resources = container["resources"]
    assert wanted.memory_bytes <= bytes_of(resources["requests"]["memory"]) < wanted.memory_bytes + (256 << 20)
    assert wanted.memory_limit_bytes <= bytes_of(resources["limits"]["memory"]) < wanted.memory_limit_bytes + (256 << 20)
    [brokers] = [pool["spec"] for pool in of_kind("prod", "KafkaNodePool") if pool["spec"]["roles"] == ["broker"]]
    [volume] = brokers["storage"]["volumes"]
    assert brokers["replicas"] * bytes_of(volume["size"]) >= wanted.disk_bytes
