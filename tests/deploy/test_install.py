"""`make deploy` where it fails: what it says, and what it does then. kubectl is real, its cluster and Helm are not."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.local import tools
from talkmill.environment import cache_folder
from tests.deploy import pod_states as states
from tests.deploy.stand_in_cluster import Object, a_cluster, stand_in_cluster
from tests.helm.chart import VALUES

ROOT = Path(__file__).parents[2]
TIMED_OUT = "Error: UPGRADE FAILED: context deadline exceeded"
# Stands for Helm: it knows revisions, fails as it is told, and writes down what it was asked.
HELM = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$1" in
  history) test -s {folder}/history && cat {folder}/history || exit 1 ;;
  upgrade) sleep {seconds}; test -f {folder}/after && cp {folder}/after {folder}/history; echo '{says}' >&2; exit {code} ;;
esac
"""


def revisions(*statuses: str) -> str:
    return json.dumps([{"revision": number, "status": status} for number, status in enumerate(statuses, 1)])


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """`make deploy` against objects of a cluster: its result, and what Helm was asked."""
    kubectl = tools.helm(cache_folder() / "tools").with_name("kubectl")

    def run(
        objects: Sequence[Object], *words: str, target: str = "deploy", before: str = "", after: str = revisions("failed"),
        says: str = TIMED_OUT, code: int = 1, seconds: float = 0, poll: float = 0, **options: Any,
    ) -> tuple["subprocess.CompletedProcess[str]", list[str]]:  # fmt: skip
        helm = tmp_path / "helm"
        helm.write_text(HELM.format(folder=tmp_path, says=says, code=code, seconds=seconds))
        helm.chmod(0o755)
        (tmp_path / "history").write_text(before)
        (tmp_path / "asked").write_text("")
        if after:
            (tmp_path / "after").write_text(after)
        with stand_in_cluster(tmp_path, [*a_cluster(), *objects], **options) as cluster:
            done = subprocess.run(
                ["make", target, f"HELM={helm}", f"KUBECTL={kubectl}", *words],
                cwd=ROOT, env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
        return done, (tmp_path / "asked").read_text().splitlines()

    return run


def last_ten(done: "subprocess.CompletedProcess[str]") -> str:
    """What somebody sees who looks at the end of a terminal, where both streams are one."""
    return "\n".join((done.stdout + done.stderr).splitlines()[-10:])


@pytest.mark.parametrize(
    ("objects", "logs", "says", "helps"),
    [
        (states.bad_image(), {}, f'talkmill-crop: ImagePullBackOff: Failed to pull image "{states.IMAGE}"', "make images push"),
        (states.too_little_cpu(), {}, "talkmill-matting: Unschedulable: 0/3 nodes are available: 3 Insufficient cpu", "Ask for less"),
        (states.too_little_cpu("matting", "nvidia.com/gpu"), {}, "3 Insufficient nvidia.com/gpu", "No free GPU"),
        (states.missing_secret_variable(), {}, 'CreateContainerConfigError: secret "talkmill-database" not found', "Make the Secret"),
        (states.missing_secret_volume(), {}, 'FailedMount: MountVolume.SetUp failed for volume "tls" : secret', "Make the Secret"),
        (states.crash(), {"talkmill-orchestrator/orchestrator": '{"event": "the orchestrator cannot start", "error": "tokens.yaml: line 2"}\n'},
         "container orchestrator ended with 1: the orchestrator cannot start tokens.yaml: line 2", "Its log says why"),
        (states.out_of_memory(), {}, "OOMKilled: container fine-fit used more memory than its limit", "limits.memory"),
        (states.no_volume(), {}, "pod has unbound immediate PersistentVolumeClaims", "storageClassName"),
        (states.waits_for_models(), {"talkmill-split/models": '{"event": "models are not complete; trying again", "error": "no model u2netp"}\n'},
         "container models: models are not complete; trying again no model u2netp", "runbook"),
        (states.refused_by_policy(), {}, 'violates PodSecurity "restricted:latest"', "policy of the namespace"),
    ],
)  # fmt: skip
def test_the_cause_is_in_the_last_ten_lines(
    make: Any, objects: list[Object], logs: dict[str, str], says: str, helps: str
) -> None:
    done, asked = make([*objects, states.well("pack")], logs=logs)
    assert done.returncode
    assert says in last_ten(done)
    assert helps in last_ten(done)
    assert "talkmill-pack" not in last_ten(done).partition("talkmill is not ready:")[2]
    assert asked[-1].startswith("uninstall talkmill")


def test_the_cause_of_most_pods_is_first_and_what_waits_for_others_is_last(make: Any) -> None:
    objects = [one for name in ("crop", "pack", "download") for one in states.bad_image(name)]
    objects += [
        one for name in ("split", "matting", "landmarks", "coarse-fit") for one in states.waits_for_models(name)
    ]
    objects += states.missing_secret_variable()
    done, _ = make(objects)
    lines = last_ten(done).splitlines()
    begin = next(number for number, line in enumerate(lines) if "talkmill is not ready:" in line)
    assert lines[begin + 1].startswith("talkmill-crop and 2 more: ImagePullBackOff:")
    assert lines[begin + 3].startswith("talkmill-orchestrator: CreateContainerConfigError:")
    assert lines[begin + 5].startswith("talkmill-split and 3 more: NotReady:")


def test_what_a_rollback_erases_is_printed_before_it(make: Any) -> None:
    objects = [*states.bad_image(), *states.crash(), states.well("pack")]
    done, _ = make(objects, logs={"talkmill-orchestrator/orchestrator": "one\ntwo\n"})
    before, found, _ = done.stdout.partition("+ ")[2].partition("uninstall talkmill")
    assert found
    for text in ("talkmill-pack: Running pack=running", "Warnings:", "Error: ErrImagePull",
                 "Log of talkmill-orchestrator, container orchestrator, before it was started again:\n  one\n  two"):  # fmt: skip
        assert text in before


def test_a_failed_upgrade_goes_back_to_what_served(make: Any) -> None:
    before = revisions("superseded", "deployed")
    done, asked = make(states.bad_image(), before=before, after=revisions("superseded", "deployed", "failed"))
    assert done.returncode
    assert asked[-1].startswith("rollback talkmill --namespace talkmill 2 --wait")
    assert "Rolled back to revision 2." in last_ten(done)


def test_a_failed_deploy_can_be_left_as_it_is(make: Any) -> None:
    done, asked = make(states.bad_image(), "ROLLBACK=0")
    assert done.returncode
    assert asked[-1].startswith("history")
    assert "Nothing was rolled back (ROLLBACK=0)." in last_ten(done)
    assert "make images push" in last_ten(done)


def test_where_nothing_was_made_nothing_is_rolled_back(make: Any) -> None:
    says = "Error: execution error at (talkmill/templates/checks.yaml): talkmill cannot be installed like this"
    done, asked = make([], before=revisions("deployed"), after="", says=says)
    assert done.returncode
    assert [words.split()[0] for words in asked] == ["history", "upgrade", "history"]
    assert "cannot be installed like this" in last_ten(done)
    assert "Nothing was changed." in last_ten(done)


@pytest.mark.parametrize(
    ("says", "helps"),
    [
        ('nodes is forbidden: User "a" cannot list resource "nodes" in API group "" at the cluster scope', "clusterChecks=false"),
        ('namespaces "kube-system" is forbidden: User "a" cannot get resource "namespaces" in API group ""', "clusterChecks=false"),
        ('namespaces is forbidden: User "a" cannot create resource "namespaces" in API group ""', "CREATE_NAMESPACE=0"),
        ('namespaces "x" is forbidden: User "a" cannot patch resource "namespaces" in API group ""', "CREATE_NAMESPACE=0"),
    ],
)  # fmt: skip
def test_what_an_administrator_of_a_namespace_may_not_do_is_explained(make: Any, says: str, helps: str) -> None:
    done, _ = make([], after="", says=says)
    hints = last_ten(done).partition("Nothing was changed.")[2]
    assert helps in hints
    assert len([line for line in hints.splitlines() if line.startswith("You may not")]) == 1


def test_a_cluster_that_does_not_answer_is_named(make: Any) -> None:
    done, asked = make(states.bad_image(), forbidden=frozenset(["pods"]))
    assert done.returncode
    assert "Why cannot be said: Error from server (Forbidden): pods is forbidden" in last_ten(done)
    assert asked[-1].startswith("uninstall")


def test_causes_are_told_while_helm_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once each, and only what was seen twice: a pod that is being made has a cause for a moment too."""
    from deploy import install
    from deploy.kubectl import Kubectl

    monkeypatch.setattr(install, "POLL_SECONDS", 0.1)
    kubectl = tools.helm(cache_folder() / "tools").with_name("kubectl")
    with stand_in_cluster(tmp_path, [*a_cluster(), *states.bad_image()]) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        with install.Watch(Kubectl("talkmill", "", str(kubectl)), "app.kubernetes.io/instance=talkmill"):
            deadline = time.monotonic() + 30
            while len([path for _, path in cluster.calls if "/events" in path]) < 4 and time.monotonic() < deadline:
                time.sleep(0.1)
    told = capsys.readouterr().out
    assert told.count("waiting: talkmill-crop: ImagePullBackOff") == 1


def test_what_helm_is_asked(make: Any) -> None:
    words = ["CONTEXT=here", "NAMESPACE=there", "RELEASE=ours", "VALUES=a.yaml b.yaml", "TIMEOUT=5m", "REGISTRY=r.example.com/t",
             'SET=--set a=b --set-string c=d']  # fmt: skip
    done, asked = make([], *words, code=0, after="")
    assert done.returncode == 0, done.stderr
    assert asked[-1] == (
        "upgrade ours --kube-context here --namespace there helm/talkmill --install --create-namespace --values a.yaml "
        "--values b.yaml --set image.registry=r.example.com/t --set a=b --set-string c=d --wait --timeout 5m"
    )
    _, asked = make([], "CREATE_NAMESPACE=0", code=0, after="")
    assert "--create-namespace" not in asked[-1]
    assert "helm/talkmill/ci/minimal-values.yaml" in asked[-1]


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize(
    ("values", "forbidden", "says", "helps"),
    [
        ("gitops", frozenset(), "- Secret talkmill-minio is not in namespace talkmill", "Nothing was changed."),
        ("minimal", frozenset(["namespaces"]), "namespaces is forbidden", 'SET="--set clusterChecks=false"'),
    ],
)
def test_a_real_helm_says_what_is_missing_before_anything_is_made(
    tmp_path: Path, major: int, values: str, forbidden: frozenset[str], says: str, helps: str
) -> None:
    helm = tools.helm(cache_folder() / "tools", major)
    with stand_in_cluster(tmp_path, a_cluster(), forbidden=forbidden) as cluster:
        words = [
            f"HELM={helm}",
            f"KUBECTL={helm.with_name('kubectl')}",
            "REGISTRY=registry.example.com/t",
            "TIMEOUT=5s",
        ]
        done = subprocess.run(
            ["make", "deploy", *words, f"VALUES={VALUES[values]}"],
            cwd=ROOT, env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode
    assert says in last_ten(done)
    assert helps in last_ten(done)
    assert not [method for method, _ in cluster.calls if method != "GET"]


def test_undeploy_takes_the_smoke_pod_too_and_waits_for_pods(make: Any) -> None:
    smoke = states.pod("smoke", {"phase": "Succeeded"}, **{"app.kubernetes.io/component": "smoke"})
    other = states.well("other") | {"metadata": {"name": "other", "namespace": "talkmill", "labels": {}}}
    done, asked = make([smoke, other], target="undeploy")
    assert done.returncode == 0, done.stderr
    assert asked == ["uninstall talkmill --namespace talkmill --wait --timeout 30m"]
    assert 'pod "talkmill-smoke" deleted' in done.stdout
    done, _ = make([states.well("crop")], "TIMEOUT=2s", target="undeploy")
    assert done.returncode
    assert "timed out waiting for the condition on pods/talkmill-crop" in done.stderr
