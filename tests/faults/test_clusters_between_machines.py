"""Dask: workers of this machine listen on loopback; other machines are reached by TLS, or with --insecure."""

import contextlib
import datetime
import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from command_study import STUDY
from conftest import in_process, until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fault_series import WHOLE, Series
from services import free_port, process
from test_hostile_paths import TRAIN

from ablation.engine import dask_cluster, scheduler_address, slots
from ablation.engine.pool import ProcessSetup
from ablation.errors import AblateError

PUBLIC = [
    "tcp://head:8786",
    "head:8786",
    "tcp://192.168.1.7:8786",
    "10.0.0.7:8786",
    "tcp://0.0.0.0:8786",
    "ws://head:1",
    "tcp://[2001:db8::1]:8786",
    "tcp://127.0.0.1.example.org:8786",
    "tcp://localhost.example.org:1",
    "tcp://127.0.0.1@head:1",
    "ucx://head:1",
    "tcp://[::1",
    "tcp://",
    "http://head:8786",
    "TCP://head:1",
]
LOOPBACK = ["tcp://127.0.0.1:8786", "tcp://127.9.8.7:1", "tcp://localhost:8786", "localhost:8786", "tcp://[::1]:8786"]
TLS = ["tls://head:8786", "tls://10.0.0.7:1", "wss://head:1"]


@pytest.mark.unit
@pytest.mark.parametrize("address", PUBLIC)
def test_a_plain_address_of_another_machine_is_refused(address: str):
    """The way out is in the message; --insecure accepts it."""
    with pytest.raises(
        AblateError, match="another machine, without encryption: anyone who reaches it can run code; use tls://"
    ):
        scheduler_address.refuse_plain(address, insecure=False)
    scheduler_address.refuse_plain(address, insecure=True)


@pytest.mark.unit
@pytest.mark.parametrize("address", [*LOOPBACK, *TLS, None])
def test_loopback_and_tls_are_taken(address: str | None):
    """Addresses of this machine need no encryption, and those with TLS are accepted."""
    scheduler_address.refuse_plain(address, insecure=False)


@pytest.mark.parametrize("command", ["run s.toml", "worker", "plan s.toml", "try s.toml", "check s.toml"])
def test_each_command_refuses_it(tmp_path: Path, command: str):
    """One line, exit 2, and nothing is written or started; with --insecure, the machine is looked for."""
    (tmp_path / "s.toml").write_text(STUDY)
    (tmp_path / "train.py").write_text(TRAIN)
    done = in_process(*command.split(), "--scheduler", "tcp://head.invalid:8786", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert "pass --insecure in a network that you trust" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"s.toml", "train.py"}


def listening(pid: int) -> set[str]:
    """Return the addresses on which a process and its children listen."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    addresses = set()
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            addresses |= {c.laddr.ip for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    return addresses


def test_workers_of_this_machine_listen_on_loopback(tmp_path: Path):
    """Scheduler, nannies and workers: no other machine reaches them."""
    before = listening(os.getpid()) - {"127.0.0.1", "::1"}
    with dask_cluster.local([slots.Slot("cpu:0", 1), slots.Slot("cpu:1", 1)], tmp_path, print, ProcessSetup()):
        addresses = listening(os.getpid())
    assert "127.0.0.1" in addresses
    assert addresses - before <= {"127.0.0.1", "::1"}


@dataclass(frozen=True)
class Certificates:
    """Files of an authority and of one who has a certificate of it."""

    ca: Path
    cert: Path
    key: Path

    @property
    def options(self) -> list[str]:
        return ["--tls-ca", str(self.ca), "--tls-cert", str(self.cert), "--tls-key", str(self.key)]


def certificates(place: Path) -> Certificates:
    """A new authority, and a certificate for loopback that it has signed."""
    place.mkdir()
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = _named("authority")
    files = {
        "ca": _signed(name, name, authority, authority, True),
        "cert": _signed(_named("127.0.0.1"), name, own, authority, False),
    }
    for kind, certificate in files.items():
        (place / f"{kind}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (place / "key.pem").write_bytes(own.private_bytes(*form))
    return Certificates(place / "ca.pem", place / "cert.pem", place / "key.pem")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _signed(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, is_ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    if not is_ca:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by, hashes.SHA256())


@contextlib.contextmanager
def encrypted_scheduler(place: Path, own: Certificates) -> Iterator[str]:
    """Dask's own command with TLS; the address."""
    port = free_port()
    options = [
        "--host",
        f"tls://127.0.0.1:{port}",
        "--no-dashboard",
        "--dashboard-address",
        "127.0.0.1:0",
        "--tls-ca-file",
        str(own.ca),
        "--tls-cert",
        str(own.cert),
        "--tls-key",
        str(own.key),
    ]
    with process(place, "scheduler", sys.executable, "-m", "distributed.cli.dask_scheduler", *options):
        yield f"tls://127.0.0.1:{port}"


def test_a_study_runs_over_tls(tmp_path: Path):
    """A real authority, scheduler, worker and run; who has no certificate, or one of another authority, is refused."""
    own, others = certificates(tmp_path / "own"), certificates(tmp_path / "others")
    (tmp_path / "s.toml").write_text(STUDY)
    (tmp_path / "train.py").write_text(TRAIN)
    ablate = [sys.executable, "-m", "ablation"]
    run = [*ablate, "run", "s.toml", "--trackers", "none"]
    with encrypted_scheduler(tmp_path, own) as address:
        worker = [*ablate, "worker", "--scheduler", address, "--slots", "cpu:1", *own.options]
        with process(tmp_path, "worker", *worker) as serving:
            until(lambda: psutil.Process(serving.pid).children(recursive=True))
            done = subprocess.run(
                [*run, "--scheduler", address, *own.options], cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            assert "trained 6 trials" in done.stdout
            plain = address.replace("tls", "tcp")
            forms = ([address], [address, *others.options], [plain], [plain, "--insecure"])
            for options in forms if WHOLE else forms[:1]:  # each looks for the scheduler for 20 s
                refused = subprocess.run(
                    [*run, "--workspace", "other", "--scheduler", *options],
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                )
                assert refused.returncode == 2, (options, refused.stdout, refused.stderr)
                errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
                assert len(errors) == 1, refused.stderr
                assert f"--scheduler {options[0]}" in errors[0]
                assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "other").glob("trained/*/result-*.json"))
    Series("connections without a certificate", 4 if WHOLE else 1).record()
