"""The image and the compose file, without a Docker engine: linted, and read by Docker's own parser."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from services import COMPOSE, SECRET, compose

pytestmark = pytest.mark.services

DOCKER = COMPOSE.parent
DOCKERFILE = DOCKER / "Dockerfile"


def test_the_dockerfile_passes_a_linter():
    """The linter hadolint reports nothing, not even as an advice."""
    linted = subprocess.run([Path(sys.executable).parent / "hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_a_password_must_be_stated():
    """Docker's parser takes the file, and refuses it without the password: there is no default."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        compose()
    assert "POSTGRES_PASSWORD" in refused.value.stderr
    assert compose(POSTGRES_PASSWORD=SECRET)["services"].keys() == {
        "ablate", "gpu-worker", "mlflow", "postgres", "scheduler", "worker",
    }  # fmt: skip


def test_little_is_published_and_no_secret_is_in_a_command():
    """MLflow alone has a port, on 127.0.0.1; the password is in the environment of those that need it."""
    services_of_file = compose(POSTGRES_PASSWORD=SECRET)["services"]
    ports = {name: [(p["host_ip"], p["published"]) for p in s.get("ports", [])] for name, s in services_of_file.items()}
    assert {name: published for name, published in ports.items() if published} == {"mlflow": [("127.0.0.1", "5000")]}
    assert not any(SECRET in str(s.get("command")) + str(s.get("healthcheck")) for s in services_of_file.values())
    assert {name for name, s in services_of_file.items() if SECRET in str(s.get("environment"))} == {
        "ablate",
        "mlflow",
        "postgres",
    }
    assert not any(s.get("privileged") for s in services_of_file.values())


def test_every_service_can_say_that_it_is_well():
    """All but the run itself, which ends, have a health check that waits for them."""
    services_of_file = compose(POSTGRES_PASSWORD=SECRET)["services"]
    assert {name for name, s in services_of_file.items() if "healthcheck" not in s} == {"ablate"}
    assert "HEALTHCHECK" in DOCKERFILE.read_text()


def test_gpus_are_reserved_where_they_are_asked_for():
    """The profile `gpu` reserves GPUs, and its build argument installs NVIDIA's libraries."""
    services_of_file = compose(POSTGRES_PASSWORD=SECRET, GPU="1")["services"]
    devices = services_of_file["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert [(d["driver"], d["capabilities"]) for d in devices] == [("nvidia", ["gpu"])]
    assert services_of_file["gpu-worker"]["build"]["args"] == {"GPU": "1"}
    assert "deploy" not in services_of_file["scheduler"]


def test_the_image_is_made_from_what_it_copies():
    """The files that the Dockerfile copies exist, are not ignored, and are all that the project needs to be
    installed."""
    copied = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE.read_text(), re.M) for word in line.split()[:-1]]
    ignored = (DOCKER.parent / ".dockerignore").read_text().splitlines()
    assert all((DOCKER.parent / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} == {line for line in ignored if line.startswith("!")}


def test_it_does_not_run_as_root():
    """The last user is a number that is not 0."""
    assert re.findall(r"^USER (.+)$", DOCKERFILE.read_text(), re.M)[-1:] == ["1000"]
