# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: temporary directories, the relay, HTTP, and waiting.

The tests see the relay as its operators and consumers do: its configuration file, its listeners, its
log lines, its exit codes, its journal file after it has ended, and records that kcat reads from
Kafka. They link none of its code.

Environment, set by ctest: RELAY_BIN, LOADGEN_BIN, RELAY_SOURCE_DIR. With RELAY_E2E_KEEP=1 the
temporary directories stay, with RELAY_LONG=1 the scripts that have one run their long tier.

Nothing stays behind: a child process dies with the test (PR_SET_PDEATHSIG), and a guard process
cleans up what cannot be a child (guard()), also when the test is killed.
"""
import atexit
import collections
import ctypes
import functools
import http.client
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

POLL_S = 0.02  # between two looks at a condition that nobody announces
PATIENCE_S = 60  # a condition that takes well under a second on an idle machine
HTTP_TIMEOUT_S = 30

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None, use_errno=True)

TOKEN = "e2e-token-0123456789"


IS_LONG = os.environ.get("RELAY_LONG", "0") == "1"  # the long tier of a script that has two


def setting(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set: run this test through ctest, or see harness.py")
    return value


RELAY_BIN = setting("RELAY_BIN")
LOADGEN_BIN = setting("LOADGEN_BIN")
SOURCE_DIR = setting("RELAY_SOURCE_DIR")


# ---- waiting ----


class Timeout(AssertionError):
    """A condition did not become true in time."""


def wait_until(condition, what, timeout_s=PATIENCE_S):
    """Asks condition() until it is true and returns its value; Timeout when that takes too long."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"not within {timeout_s:g} s: {what() if callable(what) else what}")
        select.select([], [], [], POLL_S)


class Stopwatch:
    """Prints how long a part took; durations are shown and never asserted."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *failure):
        note(f"{self.what}: {time.monotonic() - self.start:.2f} s")


def note(text):
    print(f"# {text}", flush=True)


# ---- processes and directories ----


def die_with_parent():
    """Runs in the child before exec."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def spawn(command, **options):
    """A child in a process group of its own, which ends with this process. Main thread only."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(command, start_new_session=True, preexec_fn=die_with_parent, **options)


GUARD_SCRIPT = """
import os, shutil, subprocess, sys
if os.fork():
    os._exit(0)  # no descendant of the test any more: whoever kills it with all of those leaves the guard
sys.stdin.read()  # until the test is gone, or says so
keep, directory, *command = sys.argv[1:]
if command:
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)
if not int(keep):
    shutil.rmtree(directory, ignore_errors=True)
"""


def guard(directory, command):
    """A process that runs a command and removes a directory when this process ends, however that happens."""
    keep = "1" if os.environ.get("RELAY_E2E_KEEP") else "0"
    process = subprocess.Popen(
        [sys.executable, "-c", GUARD_SCRIPT, keep, directory, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.wait()

    def clean():
        process.stdin.close()
        process.stdout.read()  # until it has ended

    atexit.register(clean)


def make_directory(command=()):
    """A temporary directory that goes with this process; command, with @DIR@ filled in, runs before it goes."""
    directory = tempfile.mkdtemp(prefix="relay-e2e-")
    guard(directory, [part.replace("@DIR@", directory) for part in command])
    if os.environ.get("RELAY_E2E_KEEP"):
        note(f"stays: {directory}")
    return directory


def end_by_sigterm(_signal, _frame):
    sys.exit(1)  # through atexit


signal.signal(signal.SIGTERM, end_by_sigterm)


def free_port():
    """A free port below the kernel's range for outgoing connections, so that it stays free while its server is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        high = int(f.read().split()[0])
    high = high if high > 11000 else 65000
    for _ in range(1000):
        port = random.randrange(10000, high)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


# ---- HTTP ----


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}"


def request(port, method, path, body=None, headers=()):
    """One request on a connection of its own. headers: pairs, sent as they are and in order."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HTTP_TIMEOUT_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        if body is not None:
            connection.send(body)
        return Answer(connection.getresponse())
    finally:
        connection.close()


# ---- the relay's log and metrics ----

LOG_FIELD = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)')


def parse_log_line(line):
    """A log line as a dictionary; its escapes stay as they are. None for a line of another form."""
    if not line.startswith("ts="):
        return None
    return {name: value.strip('"') for name, value in LOG_FIELD.findall(" " + line)}


METRIC_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
METRIC_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape of the text exposition format."""

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = METRIC_LINE.match(line)
            assert match, f"not the text exposition format: {line}"
            name, labels, value = match.groups()
            self.samples.append((name, dict(METRIC_LABEL.findall(labels or "")), float(value)))

    def sum(self, name, **labels):
        """Of all samples of that name that carry at least these labels; 0 without any."""
        return sum(
            value
            for sample, has, value in self.samples
            if sample == name and all(has.get(label) == wanted for label, wanted in labels.items())
        )


# ---- the relay ----


class Relay:
    """One configuration and the processes that run it, one after the other."""

    def __init__(self, directory, bootstrap=None, demo=False, options=None, env=None):
        """options: {section: {key: value}}, over a configuration that works."""
        self.program = RELAY_BIN
        self.directory = directory
        self.conf_path = os.path.join(directory, "relay.conf")
        self.journal_path = os.path.join(directory, "relay.db")
        self.log_path = os.path.join(directory, "relay.log")
        self.demo = demo
        self.env = dict(os.environ, **(env or {}))
        self.port = free_port()
        self.admin_port = None
        self.process = None
        self.log_start = 0  # of the process that runs now
        self.options = {
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "admin": {"listen": "127.0.0.1:0"},
            "journal": {"path": self.journal_path},
            "kafka": {} if demo else {"bootstrap.servers": bootstrap},
            "source gladly": {"path": "/gladly", "token": TOKEN},
        }
        for section, keys in (options or {}).items():
            self.options.setdefault(section, {}).update(keys)
        self.write_conf()

    def write_conf(self):
        """Also for a reload, after self.options changed. A value of None is left out."""
        lines = []
        for section, keys in self.options.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
        with open(self.conf_path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def command(self, subcommand="serve"):
        demo = ["--demo"] if self.demo else []
        return [self.program, subcommand, "-c", self.conf_path, *demo]

    def launch(self):
        """Starts the process without waiting for anything."""
        assert self.process is None, "it runs already"
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = spawn(self.command(), stdout=log, stderr=log, env=self.env)

    def start(self):
        self.launch()
        self.wait_ready()
        self.admin_port = int(self.events("admin.listening")[-1]["port"])
        return self

    def wait_ready(self):
        wait_until(self.is_ready, lambda: "the relay is ready; its log:\n" + self.log_tail())

    def is_ready(self):
        code = self.process.poll()
        if code is not None:
            raise AssertionError(f"the relay ended with {code}:\n{self.log_tail()}")
        try:
            return request(self.port, "GET", "/readyz").status == 200
        except OSError:
            return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL; returns when the process is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.process = None

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.wait_exit()

    def wait_exit(self):
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Timeout(f"the relay does not end; its log:\n{self.log_tail()}") from None
        self.process = None
        return code

    def wait_killed(self, timeout_s=PATIENCE_S):
        """Until a SIGKILL that this test did not send has ended the process. Returns within a moment of it."""
        fd = os.pidfd_open(self.process.pid)
        try:
            ended, _, _ = select.select([fd], [], [], timeout_s)
        finally:
            os.close(fd)
        if not ended:
            raise Timeout(f"nothing kills the relay; its log:\n{self.log_tail()}")
        code = self.wait_exit()
        assert code == -signal.SIGKILL, f"the relay ended with {code}:\n{self.log_tail()}"

    def end(self):
        """Whatever its state: for clean-up."""
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def reload(self):
        before = len(self.events("config.reloaded"))
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.events("config.reloaded")) > before, "the reload is done")

    def log_text(self):
        """Of the process that runs now or ran last."""
        with open(self.log_path, "rb") as f:
            f.seek(self.log_start)
            return f.read().decode("utf-8", "replace")

    def whole_log(self):
        with open(self.log_path, "rb") as f:
            return f.read()

    def log_tail(self):
        return "\n".join(self.log_text().splitlines()[-20:])

    def events(self, name, **fields):
        """Log events of the process that runs now or ran last."""
        found = []
        for line in self.log_text().splitlines():
            event = parse_log_line(line)
            if event and event.get("event") == name:
                if all(event.get(field) == str(value) for field, value in fields.items()):
                    found.append(event)
        return found

    def wait_event(self, name, timeout_s=PATIENCE_S, **fields):
        what = f"log event {name} {fields}"
        return wait_until(lambda: self.events(name, **fields), what, timeout_s)[-1]

    def scrape(self):
        return Metrics(request(self.admin_port, "GET", "/metrics").body.decode())

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/gladly"

    def post(self, body, headers=(), path="/gladly", token=TOKEN, content_type="application/json"):
        """A delivery; body is bytes or what becomes JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        pairs = [("content-type", content_type)] if content_type else []
        pairs += [("x-api-key", token)] if token else []
        return request(self.port, "POST", path, body, pairs + list(headers))

    def backlog(self):
        """Events that are not known to be in Kafka, also while the relay runs: a read-only look beside it."""
        db = sqlite3.connect(f"file:{self.journal_path}?mode=ro", uri=True)
        try:
            return beyond_cursors(db)
        finally:
            db.close()

    def wait_published(self, timeout_s=PATIENCE_S):
        """Until the journal knows that Kafka has everything."""
        wait_until(
            lambda: self.backlog() == 0,
            lambda: f"all is published: {self.backlog()} are not; the log:\n{self.log_tail()}",
            timeout_s,
        )

    def journal(self):
        assert not self.is_running(), "its files change while it runs"
        return Journal(self.journal_path)


def beyond_cursors(db):
    """How many events a restart has to publish, or to publish again."""
    lanes = db.execute("SELECT id, cursor FROM lanes").fetchall()
    sql = "SELECT count(*) FROM events WHERE lane = ? AND seq > ?"
    return sum(db.execute(sql, lane).fetchone()[0] for lane in lanes)


class Journal:
    """The journal of a relay that does not run, read from a copy, so that nothing of it is touched."""

    def __init__(self, path):
        self.path = path
        self.untouched = tempfile.mkdtemp(dir=os.path.dirname(path))
        self.copy = tempfile.mkdtemp(dir=os.path.dirname(path))
        for name in (path, path + "-wal"):
            if os.path.exists(name):
                shutil.copy(name, self.copy)
                shutil.copy(name, self.untouched)
        self.db = sqlite3.connect(os.path.join(self.copy, os.path.basename(path)))
        self.last_seq = self.number("SELECT coalesce(max(seq), 0) FROM events")
        self.beyond_cursors = beyond_cursors(self.db)
        self.parked = dict(self.db.execute("SELECT seq, reason FROM parked WHERE state = 0"))

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.db.close()
        shutil.rmtree(self.copy)
        shutil.rmtree(self.untouched)

    def put_back(self):
        """Makes the journal what it was when this copy was made."""
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.path + suffix):
                os.unlink(self.path + suffix)
        for name in os.listdir(self.untouched):
            shutil.copy(os.path.join(self.untouched, name), os.path.dirname(self.path))

    def number(self, sql, *values):
        return self.db.execute(sql, values).fetchone()[0]

    def body(self, seq):
        return self.number("SELECT body FROM events WHERE seq = ?", int(seq))

    def is_intact(self):
        return self.number("PRAGMA integrity_check") == "ok"


def run_relay(*args, env=None):
    """A short run of the program; its exit code, stdout and stderr as text."""
    done = subprocess.run(
        [RELAY_BIN, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=dict(os.environ, **(env or {})),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@functools.cache
def has_exactly_once():
    """Whether this build knows [kafka] delivery = exactly_once; the tests of that mode are skipped where it does not."""
    with tempfile.TemporaryDirectory(prefix="relay-e2e-") as directory:
        options = {"kafka": {"delivery": "exactly_once"}}
        relay = Relay(directory, "127.0.0.1:9", options=options)
        return run_relay("check", "-c", relay.conf_path)[0] == 0


# ---- load ----

LedgerLine = collections.namedtuple("LedgerLine", "id status seq key n send_us answer_us")
LoadStatus = collections.namedtuple("LoadStatus", "sent answered other under_way")


class Loadgen:
    def __init__(self, directory, relay, *options):
        self.ledger_path = os.path.join(directory, "ledger")
        self.status_path = os.path.join(directory, "status")
        self.output_path = os.path.join(directory, "loadgen.out")
        self.relay = relay
        self.ledger_read = 0  # bytes
        self.ledger_counted = 0  # bytes
        self.answered = 0
        command = [LOADGEN_BIN, "--url", relay.url, "--ledger", self.ledger_path]
        command += ["--header", f"x-api-key: {TOKEN}"]
        command += ["--status-file", self.status_path, "--json", *options]
        with open(self.output_path, "wb") as out:
            self.process = spawn(command, stdout=out, stderr=out)
        wait_until(lambda: self.is_running() and os.path.exists(self.status_path), "load begins")

    def is_running(self):
        if self.process.poll() is not None:
            raise AssertionError(f"loadgen ended with {self.process.returncode}: {self.output()}")
        return True

    def output(self):
        with open(self.output_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def status(self):
        with open(self.status_path, encoding="ascii") as f:
            return LoadStatus(*map(int, f.read().split()))

    def count_answered(self):
        """By the ledger, which is complete; the status file may be older than a restart of the relay."""
        with open(self.ledger_path, "rb") as f:
            f.seek(self.ledger_counted)
            text = f.read()
        text = text[: text.rfind(b"\n") + 1]
        self.ledger_counted += len(text)
        self.answered += sum(1 for line in text.splitlines() if line.split()[1].startswith(b"2"))
        return self.answered

    def wait_answered(self, more, timeout_s=PATIENCE_S):
        """Until so many answers more are there."""
        goal = self.count_answered() + more
        wait_until(
            lambda: self.is_running() and self.count_answered() >= goal,
            lambda: f"{goal} answers: {self.status()}\n{self.relay.log_tail()}",
            timeout_s,
        )

    def new_ledger_lines(self):
        """The complete lines behind those that were returned before."""
        with open(self.ledger_path, "rb") as f:
            f.seek(self.ledger_read)
            text = f.read()
        text = text[: text.rfind(b"\n") + 1]
        self.ledger_read += len(text)
        lines = []
        for line in text.decode("ascii").splitlines():
            id_, status, seq, key, n, send_us, answer_us = line.split()
            seq = int(seq) if seq != "-" else None
            lines.append(LedgerLine(id_, status, seq, key, int(n), int(send_us), int(answer_us)))
        return lines

    def stop(self):
        """Ends the load, waits for the answers under way, and returns the report."""
        self.process.terminate()
        return self.wait()

    def wait(self):
        self.process.wait(PATIENCE_S)
        report = self.output()
        if self.process.returncode != 0:
            raise AssertionError(f"loadgen ended with {self.process.returncode}: {report}")
        return json.loads(report)

    def end(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)


def main():
    with Stopwatch("whole script"):
        program = unittest.main(module="__main__", exit=False, verbosity=2)
    sys.exit(0 if program.result.wasSuccessful() else 1)
