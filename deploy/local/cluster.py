"""Every server as a process under supervisord, which restarts those that die."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import tools
from talkmill.environment import cache_folder
from talkmill.pipeline.graph import GRAPH

ROOT = Path(__file__).resolve().parents[2]
# Where `talkmill submit` looks for the orchestrator when nothing is said.
FIRST_PORT = 50051
# The others lie below the ports that Linux gives to outgoing connections, where any could be taken for a moment.
OTHER_PORTS = 18052
FREE_PORTS, EPHEMERAL_PORTS = 20000, 32768
# Of them, those that this process was given: who will listen there may not have begun.
_given: set[int] = set()


class ClusterError(RuntimeError):
    """The cluster cannot be brought up; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running.

    Attributes:
        name: Its name.
        command: What is run.
        environment: Beside that of supervisord.
        user: Who runs it, when root starts the cluster.
        priority: Lower starts first.
        grace_seconds: How long it may take to end.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    priority: int = 500
    grace_seconds: int = 30


@dataclass(slots=True)
class Cluster:
    """A cluster in a folder.

    Attributes:
        folder: Data, logs, credentials and sockets.
        database: `postgres` or `sqlite`.
        first_port: The orchestrator's; the others follow. 0 takes free ones.
        stage_command: What serves a stage; `{stage}` stands for its name.
        one_for_all: What serves every stage in one process, in place of `stage_command`; empty for none.
        commands: Stage, or `orchestrator`, to what serves it instead, such as a container.
        late: Programs that wait until they are told to start; `up` does not wait for any then.
        orchestrators: Replicas of the orchestrator.
        environment: Settings of every talkmill process.
    """

    folder: Path
    database: Literal["postgres", "sqlite"] = "postgres"
    first_port: int = FIRST_PORT
    stage_command: tuple[str, ...] = (sys.executable, "-m", "services", "{stage}")
    one_for_all: tuple[str, ...] = ()
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    orchestrators: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def up(self) -> None:
        """Start every process and wait until all are ready.

        Raises:
            ClusterError: One of them is not.
            ToolError: A server is not installed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.running():
            raise ClusterError(f"{self.folder} is up already; `make down` stops it")
        self._choose_ports()
        minio = tools.minio(cache_folder() / "tools")
        programs = [self._minio(minio), *self._stages(), *self._orchestrators()]
        if self.database == "postgres":
            programs.insert(0, self._postgres())
        self._write_configuration(programs)
        self._run("supervisord", "-c", str(self._configuration))
        if not self.late:
            self.wait_ready()

    def down(self) -> None:
        """Stop every process; data stays."""
        if not self.running():
            return
        pid = int((self.folder / "supervisord.pid").read_text())
        self.control("shutdown")
        deadline = time.monotonic() + 90
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if _alive(pid):
            raise ClusterError(f"supervisord {pid} does not end; see {self.folder / 'logs'}")

    def running(self) -> bool:
        """Say whether the cluster is up."""
        file = self.folder / "supervisord.pid"
        return file.is_file() and file.read_text().strip().isdigit() and _alive(int(file.read_text()))

    def control(self, *words: str) -> str:
        """Tell supervisord something, such as `restart matting`."""
        return self._run("supervisorctl", "-c", str(self._configuration), *words)

    def pid(self, name: str) -> int:
        """Return the process id of a program; 0 while it does not run."""
        text = self._run("supervisorctl", "-c", str(self._configuration), "pid", name).strip()
        return int(text) if text.isdigit() else 0

    def wait_ready(self, seconds: float = 180) -> None:
        """Wait until every server is ready."""
        deadline = time.monotonic() + seconds
        stages = [entry.name for entry in (GRAPH[:1] if self.one_for_all else GRAPH)]
        for name in [*stages, *self._orchestrator_names()]:
            while not _ready(self.ports[name]):
                if time.monotonic() > deadline:
                    raise ClusterError(f"{name} is not ready after {seconds:g} s; see {self.log(name)}")
                time.sleep(0.1)

    def log(self, name: str) -> Path:
        """Return where a program's output goes."""
        return self.folder / "logs" / f"{name}.log"

    @property
    def server(self) -> str:
        """Where the orchestrator listens."""
        return f"127.0.0.1:{self.ports['orchestrator']}"

    def store_environment(self) -> dict[str, str]:
        """Return the settings of the object store."""
        return {
            "TALKMILL_STORE__ENDPOINT": f"127.0.0.1:{self.ports['minio']}",
            "TALKMILL_STORE__ACCESS_KEY": "talkmill",
            "TALKMILL_STORE__SECRET_KEY": self._secret("minio"),
        }

    def database_url(self) -> str:
        """Return the URL of the orchestrator's database."""
        if self.database == "sqlite":
            return f"sqlite:///{self.folder}/orchestrator.sqlite"
        return f"postgresql+psycopg://talkmill:{self._secret('postgres')}@127.0.0.1:{self.ports['postgres']}/talkmill"

    def _choose_ports(self) -> None:
        names = [*self._orchestrator_names(), *(entry.name for entry in GRAPH), "minio", "postgres"]
        names += [f"{name}-metrics" for name in names[:-2]]
        for number, name in enumerate(names):
            if not self.first_port:
                self.ports[name] = free_port()
            elif number == 0 or self.first_port != FIRST_PORT:
                self.ports[name] = self.first_port + number
            else:
                self.ports[name] = OTHER_PORTS + number - 1
        for name, port in self.ports.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise ClusterError(f"port {port}, for {name}, is taken; say FIRST_PORT=...") from error

    def _orchestrator_names(self) -> list[str]:
        return ["orchestrator", *(f"orchestrator-{number}" for number in range(2, self.orchestrators + 1))]

    def _minio(self, program: Path) -> Program:
        address = f"127.0.0.1:{self.ports['minio']}"
        data = self.folder / "minio"
        data.mkdir(exist_ok=True)
        environment = {
            "MINIO_ROOT_USER": "talkmill",
            "MINIO_ROOT_PASSWORD": self._secret("minio"),
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "off",
        }
        return Program(
            "minio", (str(program), "server", "--quiet", "--address", address, str(data)), environment, "", 10
        )

    def _postgres(self) -> Program:
        programs, data = tools.postgres_bin(), self.folder / "postgres"
        root = os.getuid() == 0
        user = "postgres" if root else ""
        if not (data / "PG_VERSION").exists():
            password = self.folder / "postgres.password"
            password.write_text(self._secret("postgres"))
            data.mkdir(exist_ok=True)
            if root:
                try:
                    owner = pwd.getpwnam("postgres")
                except KeyError as error:
                    raise ClusterError("Postgres refuses to run as root, and there is no user postgres") from error
                for path in (data, password):
                    os.chown(path, owner.pw_uid, owner.pw_gid)
                for parent in data.resolve().parents:
                    if not parent.stat().st_mode & 0o001:
                        raise ClusterError(f"user postgres cannot reach {data}: {parent} is closed; say FOLDER=...")
            command = [str(programs / "initdb"), "-D", str(data), "-U", "talkmill", "-A", "scram-sha-256",
                       "--pwfile", str(password), "-E", "UTF8", "--locale=C"]  # fmt: skip
            if root:
                command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
            password.unlink()
            if done.returncode:
                raise ClusterError(f"initdb failed: {done.stderr.strip()[-500:]}")
            # One user of one database: its name is also the database's, made at the first start.
            with (data / "postgresql.conf").open("a") as file:
                file.write("listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n")
            self._create_database(programs, data, user)
        command_line = (str(programs / "postgres"), "-D", str(data), "-p", str(self.ports["postgres"]))
        return Program("postgres", command_line, {}, user, 10)

    def _create_database(self, programs: Path, data: Path, user: str) -> None:
        """Make the database while nobody else can connect."""
        command = [str(programs / "postgres"), "--single", "-D", str(data), "postgres"]
        if user:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command]
        done = subprocess.run(
            command, input="CREATE DATABASE talkmill;\n", capture_output=True, text=True, check=False, cwd="/"
        )
        if done.returncode:
            raise ClusterError(f"the database cannot be made: {done.stderr.strip()[-500:]}")

    def _stages(self) -> list[Program]:
        programs = []
        for entry in GRAPH[:1] if self.one_for_all else GRAPH:
            environment = {
                **self.store_environment(),
                "TALKMILL_SCRATCH": str(self.folder / "scratch"),
                **self.environment,
                "TALKMILL_LISTEN__PORT": str(self.ports[entry.name]),
                "TALKMILL_LISTEN__METRICS_PORT": str(self.ports[f"{entry.name}-metrics"]),
            }
            words = self.one_for_all or self.commands.get(entry.name) or self.stage_command
            command = tuple(word.replace("{stage}", entry.name) for word in words)
            programs.append(Program(entry.name, command, environment))
        return programs

    def _orchestrators(self) -> list[Program]:
        first = GRAPH[0].name
        targets = {
            entry.name: f"dns:///localhost:{self.ports[first if self.one_for_all else entry.name]}" for entry in GRAPH
        }
        programs = []
        for name in self._orchestrator_names():
            environment = {
                **self.store_environment(),
                "TALKMILL_DATABASE_URL": self.database_url(),
                "TALKMILL_STAGE_TARGETS": str(targets).replace("'", '"'),
                **self.environment,
                "TALKMILL_LISTEN__PORT": str(self.ports[name]),
                "TALKMILL_LISTEN__METRICS_PORT": str(self.ports[f"{name}-metrics"]),
            }
            command = self.commands.get("orchestrator") or (sys.executable, "-m", "orchestrator")
            programs.append(Program(name, command, environment, "", 600))
        return programs

    def _secret(self, name: str) -> str:
        path = self.folder / f"{name}.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text()

    @property
    def _configuration(self) -> Path:
        return self.folder / "supervisord.conf"

    def _write_configuration(self, programs: Sequence[Program]) -> None:
        (self.folder / "logs").mkdir(exist_ok=True)
        # A path of a socket may have about a hundred characters: a deep folder would be too long.
        control = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / f"talkmill-{secrets.token_hex(6)}.sock"  # noqa: S108
        lines = [
            "[unix_http_server]", f"file={control}", "chmod=0700",
            "[supervisord]", f"logfile={self.folder}/logs/supervisord.log", f"pidfile={self.folder}/supervisord.pid",
            "silent=true", "minfds=4096",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            "[supervisorctl]", f"serverurl=unix://{control}",
        ]  # fmt: skip
        for program in programs:
            environment = ",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items())
            lines += [
                f"[program:{program.name}]",
                "command=" + " ".join(f"'{_percent(word)}'" for word in program.command),
                f"environment={environment}", f"directory={'/' if program.user else ROOT}",
                f"stdout_logfile={self.log(program.name)}", "redirect_stderr=true", "autorestart=true",
                f"autostart={str(program.name not in self.late).lower()}",
                "startsecs=1", "startretries=1000000", f"priority={program.priority}",
                f"stopwaitsecs={program.grace_seconds}", "killasgroup=true",
                # Postgres ends a session when it is told INT; TERM waits for every client.
                f"stopsignal={'INT' if program.name == 'postgres' else 'TERM'}",
            ]  # fmt: skip
            if program.user:
                lines.append(f"user={program.user}")
        self._configuration.touch(mode=0o600)
        self._configuration.write_text("\n".join(lines) + "\n")

    def _run(self, program: str, *words: str) -> str:
        path = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        if path is None:
            raise ClusterError(f"{program} is not installed: `make up` installs what it needs")
        done = subprocess.run([path, *words], capture_output=True, text=True, check=False)
        # supervisorctl says with other codes that something is not running, which is an answer.
        if done.returncode and program == "supervisord":
            raise ClusterError(f"supervisord cannot start: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout


def metrics_text(port: int) -> str:
    """Return what a process tells Prometheus."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        return str(response.read().decode())


def metric(port: int, name: str, **labels: str) -> float:
    """Return the first value of a metric that a process tells with these labels; 0 where there is none."""
    for family in text_string_to_metric_families(metrics_text(port)):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return 0.0


def _ready(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            request = health_pb2.HealthCheckRequest(service="readiness")
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that this process was not given before.

    It lies below the ports that Linux gives to outgoing connections: a server that is started again finds it free.
    """
    while True:
        port = secrets.randbelow(EPHEMERAL_PORTS - FREE_PORTS) + FREE_PORTS
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Quote a value for supervisord, which knows no escapes."""
    if "'" in text and '"' in text:
        raise ClusterError(f"a setting with both kinds of quotes cannot be passed on: {text}")
    mark = "'" if '"' in text else '"'
    return f"{mark}{_percent(text)}{mark}"
