# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka for the end-to-end tests, and its records as kcat reads them.

Wraps the scripts in tests/support/kafka. Nothing here knows the relay.
"""
import base64
import collections
import json
import os
import re
import subprocess

import harness

SUPPORT = os.path.join(harness.SOURCE_DIR, "tests", "support", "kafka")
START_S = 240  # 3 s; the jars may have to be fetched first, or the machine may be busy
COMMAND_S = 120
MAX_LIFETIME_S = 900  # longer than the longest test
FETCH_WAIT_MS = 10  # an empty partition is seen to be at its end only after this time

# key and value are bytes or None; headers is a list of (name, bytes or None).
Record = collections.namedtuple("Record", "topic partition offset ts key headers value")


def header(record, name):
    """The text of a header that must be there exactly once."""
    values = [value for has, value in record.headers if has == name]
    assert len(values) == 1, f"header {name} occurs {len(values)} times in {record}"
    return values[0].decode()


def consume(bootstrap, topic, count=None, timeout_s=COMMAND_S):
    """What the topic holds now; with count, waits for so many records."""
    command = [os.path.join(SUPPORT, "consume"), bootstrap, topic, "--base64"]
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
    """One broker on loopback; it ends with this process."""

    def __init__(self):
        script = os.path.join(SUPPORT, "kafka")
        parent = harness.make_directory([script, "kill", "--dir", "@DIR@/kafka"])
        self.directory = os.path.join(parent, "kafka")
        with harness.Stopwatch("start of Kafka"):
            lifetime = ["--max-lifetime", str(MAX_LIFETIME_S)]
            self.bootstrap = self.command("start", *lifetime, timeout_s=START_S).strip()

    def command(self, name, *options, timeout_s=COMMAND_S):
        script = os.path.join(SUPPORT, "kafka")
        return run([script, name, "--dir", self.directory, *options], timeout_s)

    def end(self):
        self.command("kill")

    def stop(self):
        """SIGTERM, as a clean restart of a broker does."""
        self.command("stop")

    def restart(self):
        """Also after a stop; the same port, the same data."""
        self.command("restart")

    def pause(self):
        self.command("pause")

    def resume(self):
        self.command("cont")

    def make_topic(self, topic, partitions=6):
        options = ["--partitions", str(partitions)]
        run([os.path.join(SUPPORT, "topic"), "create", self.bootstrap, topic, *options])

    def topics(self):
        """{topic: number of partitions}, without Kafka's own."""
        listing = json.loads(run(["kcat", "-b", self.bootstrap, "-L", "-J"]))
        return {
            topic["topic"]: len(topic["partitions"])
            for topic in listing["topics"]
            if not topic["topic"].startswith("__")
        }

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

    def consume(self, topic, count=None, timeout_s=COMMAND_S):
        return consume(self.bootstrap, topic, count, timeout_s)

    def consume_all(self):
        """Every record of every topic, as the topics are now."""
        records = []
        for topic in sorted(self.topics()):
            records += self.consume(topic)
        return records
