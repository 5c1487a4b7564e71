# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka for the end-to-end tests, and its records as kcat reads them.

Wraps the scripts in tests/support/kafka. Nothing here knows the relay. Unless told otherwise records are read
with isolation.level=read_committed: what stands in an aborted or open transaction is not seen.
"""
import base64
import collections
import json
import os
import re
import subprocess

import harness

SUPPORT = os.path.join(harness.SOURCE_DIR, "tests", "support", "kafka")
OTHER_VERSION = "4.1.1"
VERSION = os.environ.get("RELAY_KAFKA_VERSION", "3.9.1")  # the long tier runs some scripts with the other one
START_S = 240  # 3 s; the jars may have to be fetched first, or the machine may be busy
COMMAND_S = 120
MAX_LIFETIME_S = 900  # longer than the longest test of the short tier
FETCH_WAIT_MS = 10  # an empty partition is seen to be at its end only after this time

# key and value are bytes or None; headers is a list of (name, bytes or None).
Record = collections.namedtuple("Record", "topic partition offset ts key headers value")


def header(record, name):
    """The text of a header that must be there exactly once."""
    values = [value for has, value in record.headers if has == name]
    assert len(values) == 1, f"header {name} occurs {len(values)} times in {record}"
    return values[0].decode()


def consume(bootstrap, topic, count=None, timeout_s=COMMAND_S, isolation="read_committed"):
    """What the topic holds now; with count, waits for so many records."""
    command = [os.path.join(SUPPORT, "consume"), bootstrap, topic, "--base64"]
    command += ["--isolation", isolation]
    command += ["--timeout", str(timeout_s), "-X", f"fetch.wait.max.ms={FETCH_WAIT_MS}"]
    if count is not None:
        command += ["--count", str(count)]
    return [parse_record(line) for line in run(command, timeout_s + 30).splitlines()]


def parse_record(line):
    def raw(value):
        return None if value is None else base64.b64decode(value["b64"])

    record = json.loads(line)
    return Record(
        record["topic"],
        record["partition"],
        record["offset"],
        record["ts"],
        raw(record["key"]),
        [(name, raw(value)) for name, value in record["headers"]],
        raw(record["payload"]),
    )


def run(command, timeout_s=COMMAND_S):
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


class Kafka:
    """
    A cluster on loopback; it ends with this process. Where a command takes a node (1, 2, ...), none
    means all.
    """

    def __init__(self, version=VERSION, nodes=1, options=(), lifetime_s=MAX_LIFETIME_S):
        """options: further ones of the start command."""
        script = os.path.join(SUPPORT, "kafka")
        parent = harness.make_directory([script, "kill", "--dir", "@DIR@/kafka"])
        self.directory = os.path.join(parent, "kafka")
        with harness.Stopwatch(f"start of Kafka {version}, nodes: {nodes}"):
            words = ["--version", version, "--nodes", str(nodes), "--max-lifetime", str(lifetime_s)]
            self.bootstrap = self.command("start", *words, *options, timeout_s=START_S).strip()

    def command(self, name, *options, timeout_s=COMMAND_S, node=None):
        script = os.path.join(SUPPORT, "kafka")
        only = [] if node is None else ["--node", str(node)]
        return run([script, name, "--dir", self.directory, *only, *options], timeout_s)

    def end(self):
        self.command("kill")

    def kill(self, node=None):
        """SIGKILL."""
        self.command("kill", node=node)

    def stop(self, node=None):
        """SIGTERM, as a clean restart of a broker does."""
        self.command("stop", node=node)

    def restart(self, node=None):
        """Also after a stop; the same port, the same data."""
        self.command("restart", node=node)

    def renew(self):
        """In place of all stopped nodes another, empty cluster, which restart() brings up at the same address."""
        self.command("renew")

    def pause(self, node=None):
        self.command("pause", node=node)

    def resume(self, node=None):
        self.command("cont", node=node)

    def cluster_id(self):
        with open(os.path.join(self.directory, "cluster.id"), encoding="ascii") as f:
            return f.read().strip()

    def extra_port(self, node=1):
        """Kept free for a listener of the test's own: @EXTRA_PORT@ in a property."""
        with open(os.path.join(self.directory, f"node{node}", "ports"), encoding="ascii") as f:
            return int(f.read().split()[2])

    def make_topic(self, topic, partitions=6, replicas=None, **configs):
        """configs: retention_ms="1000" becomes retention.ms=1000."""
        options = ["--partitions", str(partitions)]
        for name, value in configs.items():
            options += ["--config", f"{name.replace('_', '.')}={value}"]
        if replicas is not None:
            options += ["--replication-factor", str(replicas)]
        run([os.path.join(SUPPORT, "topic"), "create", self.bootstrap, topic, *options])

    def listing(self):
        return json.loads(run(["kcat", "-b", self.bootstrap, "-L", "-J"]))["topics"]

    def topics(self, prefix=""):
        """{topic: number of partitions}, without Kafka's own."""
        return {
            topic["topic"]: len(topic["partitions"])
            for topic in self.listing()
            if topic["topic"].startswith(prefix) and not topic["topic"].startswith("__")
        }

    def leaders(self, topic):
        """The node that leads each partition, -1 for none; also of Kafka's own topics."""
        found = [t for t in self.listing() if t["topic"] == topic]
        assert found, f"no topic {topic}"
        return {p["partition"]: p["leader"] for p in found[0]["partitions"]}

    def end_offsets(self, only=None):
        """{(topic, partition): the offset that the next record gets}, of one topic or all."""
        questions = []
        for topic, partitions in self.topics().items():
            for partition in range(partitions):
                if only in (None, topic):
                    questions += ["-t", f"{topic}:{partition}:-1"]
        if not questions:
            return {}
        text = harness.wait_until(lambda: self.ask_offsets(questions), "each partition has a leader")
        answers = re.findall(r"^(\S+) \[(\d+)\] offset (\d+)$", text, re.MULTILINE)
        return {(topic, int(partition)): int(offset) for topic, partition, offset in answers}

    def ask_offsets(self, questions):
        """kcat's answer; None while a topic is so new that a partition has no leader."""
        command = ["kcat", "-b", self.bootstrap, "-Q", *questions]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
        if done.returncode == 0:
            return done.stdout
        if "Not leader for partition" in done.stderr or "Leader not available" in done.stderr:
            return None
        raise AssertionError(f"kcat -Q ended with {done.returncode}: {done.stderr}")

    def consume(self, topic, count=None, timeout_s=COMMAND_S, isolation="read_committed"):
        return consume(self.bootstrap, topic, count, timeout_s, isolation)

    def consume_all(self, prefix="", isolation="read_committed"):
        """Every record of every topic whose name begins so, as the topics are now."""
        records = []
        for topic in sorted(self.topics(prefix)):
            records += self.consume(topic, isolation=isolation)
        return records
