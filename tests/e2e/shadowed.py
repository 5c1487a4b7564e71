# SPDX-License-Identifier: Apache-2.0
"""The relay over libshadow.so (tests/support/shadow/shadow.h), and reading what it left behind.

Environment, set by ctest: SHADOW_LIB, CONTROL_LIB (control_normal.c), beside what harness.py names. With
RELAY_LONG=1 the scripts run their long tier.

There is no Kafka in these tests: every event stays in the journal, where it is counted.
"""
import collections
import concurrent.futures
import http.client
import json
import os
import random
import re
import select
import shutil
import sqlite3
import string
import tempfile
import time

import harness

SHADOW_LIB = harness.setting("SHADOW_LIB")
CONTROL_LIB = harness.setting("CONTROL_LIB")
IS_LONG = os.environ.get("RELAY_LONG", "0") == "1"

EXIT_FAILED = 1
EXIT_DISK_FAILED = 74


def poll_until(condition, timeout_s):
    """Like harness.wait_until, with ten times as many looks, for a moment that passes soon. Whether it came."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], harness.POLL_S / 10)
    return True


class Relay(harness.Relay):
    """A relay without Kafka whose data directory changes from life to life; its log stays outside of it."""

    def __init__(self, directory, options=None):
        dead = f"127.0.0.1:{harness.free_port()}"
        super().__init__(directory, bootstrap=dead, options=options)
        self.data = None
        self.shadow = None
        self.plain_env = self.env

    def place(self, data, shadow=None, fail=None, preload=()):
        """
        What the next process runs on. shadow: keeps there what a power cut would leave. fail: SHADOW_FAIL.
        preload: further libraries.
        """
        os.makedirs(data, exist_ok=True)
        self.data, self.shadow = data, shadow
        self.journal_path = os.path.join(data, "relay.db")
        self.options["journal"]["path"] = self.journal_path
        self.write_conf()
        libraries = [*preload, SHADOW_LIB] if shadow or fail else list(preload)
        self.env = dict(self.plain_env)
        if libraries:
            # The shadow has to stand before the run-time of a sanitizer.
            asan = self.env.get("ASAN_OPTIONS")
            self.env["ASAN_OPTIONS"] = ":".join(filter(None, [asan, "verify_asan_link_order=0"]))
            self.env["LD_PRELOAD"] = " ".join(libraries)
            self.env["SHADOW_SRC"] = data
        if shadow:
            self.env["SHADOW_DST"] = shadow
        if fail:
            self.env["SHADOW_FAIL"] = fail
        return self

    def try_start(self):
        """Until it is ready: None; or until it has ended: its exit code."""
        self.launch()

        def is_decided():
            return self.process.poll() is not None or self.is_ready_now()

        harness.wait_until(is_decided, lambda: "a start or an end; the log:\n" + self.log_tail())
        if self.is_ready_now():
            self.admin_port = int(self.events("admin.listening")[-1]["port"])
            return None
        return self.wait_exit()

    def is_ready_now(self):
        return self.readyz() == 200

    def readyz(self):
        """The status of /readyz; None when nobody answers."""
        try:
            return harness.request(self.port, "GET", "/readyz").status
        except (OSError, http.client.HTTPException):
            return None

    def verify(self):
        """What `journal verify` says of the journal."""
        code, out, err = harness.run_relay("journal", "verify", "-c", self.conf_path)
        found = re.fullmatch(r"(\d+) events checked, (\d+) findings\n", out)
        assert code == 0 and found and found[2] == "0", (code, out, err)
        return int(found[1])

    def metric(self, name, **labels):
        return self.scrape().sum(name, **labels)


# ---- what is in a journal ----

Row = collections.namedtuple("Row", "seq id body")


def read_events(path):
    """All events of a journal that nobody has open, and SQLite's word on the file, read from a copy."""
    with tempfile.TemporaryDirectory(prefix="relay-e2e-") as directory:
        for name in (path, path + "-wal"):
            if os.path.exists(name):
                shutil.copy(name, directory)
        copy = os.path.join(directory, os.path.basename(path))
        db = sqlite3.connect(f"file:{copy}?mode=rw", uri=True)
        try:
            verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
            has_events = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'events'").fetchone()
            sql = "SELECT seq, id, body FROM events ORDER BY seq"
            return [Row(*row) for row in db.execute(sql)] if has_events else [], verdict
        finally:
            db.close()


def journal_problems(path, acknowledged, bodies=None):
    """
    What is wrong with a journal: a damaged file, an id twice, an acknowledged event ({id: seq}) that is
    missing or under another number, a body that is not the one that was sent ({id: bytes}).
    """
    if not os.path.exists(path):
        return [f"missing: {id_}" for id_ in acknowledged]
    rows, verdict = read_events(path)
    problems = [] if verdict == "ok" else [f"integrity_check: {verdict}"]
    times = collections.Counter(row.id for row in rows)
    problems += [f"twice: {id_}" for id_, count in times.items() if count > 1]
    by_id = {row.id: row for row in rows}
    for id_, seq in acknowledged.items():
        if id_ not in by_id:
            problems.append(f"missing: {id_}")
        elif by_id[id_].seq != seq:
            problems.append(f"number: {id_} was answered {seq} and is {by_id[id_].seq}")
    for row in rows:
        if json.loads(row.body)["id"] != row.id:
            problems.append(f"body: {row.id} has that of another event")
        if bodies is not None and bodies.get(row.id) != row.body:
            problems.append(f"body: {row.id} has other bytes")
    return problems


# ---- a load of which every answer is known ----

ID_LETTERS = string.ascii_letters + string.digits


def make_event(size=600):
    """A delivery of about so many bytes: its id and its bytes."""
    id_ = "".join(random.choices(ID_LETTERS, k=22))
    event = {
        "id": id_,
        "type": "CONTACT/STARTED",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "content": {"customerId": "customer-1", "conversationId": "conversation-1", "padding": ""},
    }
    missing = size - len(json.dumps(event))
    event["content"]["padding"] = "".join(random.choices(string.ascii_letters, k=max(missing, 0)))
    return id_, json.dumps(event).encode()


class Deliveries:
    """Events, and the last answer to each: a harness.Answer, or None when there was none."""

    def __init__(self, relay):
        self.relay = relay
        self.bodies = {}
        self.answers = {}

    def new(self, count, size=600):
        """More events, which are not sent yet; their ids."""
        made = dict(make_event(size) for _ in range(count))
        self.bodies.update(made)
        self.answers.update(dict.fromkeys(made))
        return list(made)

    def send_one(self, id_):
        try:
            answer = self.relay.post(self.bodies[id_])
        except (OSError, http.client.HTTPException):
            answer = None
        self.answers[id_] = answer
        return answer

    def send(self, ids, connections=4):
        """Up to so many at a time; the answers in the order of ids."""
        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            return list(pool.map(self.send_one, ids))

    def acknowledged(self):
        return {
            id_: int(answer.json["seq"])
            for id_, answer in self.answers.items()
            if answer and answer.status == 200
        }

    def unanswered(self):
        """Ids that were not answered 200."""
        return [id_ for id_, a in self.answers.items() if not a or a.status != 200]

    def count(self, status):
        return sum(1 for a in self.answers.values() if a and a.status == status)
