# SPDX-License-Identifier: Apache-2.0
"""Operating a running relay with its commands: status, pause and resume, parked events, who did what."""
import getpass
import json
import os
import re
import stat
import unittest

import broker
import feed_check
import harness
from broker import header

RATE = 300
LOAD = ("--connections", "8", "--rate", str(RATE), "--duration", "600", "--key-per-connection")
LOAD += ("--reconnect", "--retry-unanswered")
DRAIN_S = 120
OPERATE = "operate-token-0123456789"
READ = "read-token-0123456789"
FAILED, USAGE, NOT_RUNNING = 1, 2, 3
WHO = os.environ.get("SUDO_USER") or getpass.getuser()


class Operated(unittest.TestCase):
    def make_relay(self, **options):
        self.directory = harness.make_directory()
        self.relay = harness.Relay(self.directory, **options)
        self.addCleanup(self.relay.end)
        self.seen = ""  # everything that a command printed

    def ask(self, *words, code=0):
        """A command, which must end with this exit code; its stdout and stderr together."""
        got, out, err = harness.run_relay(*words, "-c", self.relay.conf_path)
        self.seen += out + err
        self.assertEqual(got, code, f"{words}: {out}{err}")
        return out + err

    def ask_json(self, *words, code=0):
        return json.loads(self.ask(*words, "--json", code=code))

    def status(self):
        """Of a relay with which something is wrong."""
        return self.ask_json("status", code=FAILED)

    def wait_status(self, condition, what):
        def look():
            _, out, _ = harness.run_relay("status", "--json", "-c", self.relay.conf_path)
            return condition(json.loads(out))

        harness.wait_until(look, what)

    def wait_well(self):
        """Until a status finds nothing wrong: Kafka is reached a moment after the start."""
        command = ("status", "-c", self.relay.conf_path)
        harness.wait_until(lambda: harness.run_relay(*command)[0] == 0, "nothing is wrong")

    def lane(self, topic):
        lanes = self.ask_lanes()
        return next(lane for lane in lanes if lane["topic"] == topic)

    def ask_lanes(self):
        _, out, _ = harness.run_relay("status", "--json", "-c", self.relay.conf_path)
        return json.loads(out)["lanes"]["worst"]

    def post(self, id_, type_="CONTACT/STARTED", path="/gladly"):
        event = {"id": id_, "type": type_, "content": {"customerId": "c"}}
        answer = self.relay.post(event, path=path)
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))
        return answer.json["seq"]


class Pausing(Operated):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.addClassCleanup(cls.kafka.end)

    def test_a_pause_holds_under_load_and_over_a_restart_and_a_resume_delivers_everything(self):
        options = {"source gladly": {"topic": "load.{family}"}}
        self.make_relay(bootstrap=self.kafka.bootstrap, options=options)
        self.relay.start()
        load = harness.Loadgen(self.directory, self.relay, *LOAD)
        self.addCleanup(load.end)
        harness.wait_until(
            lambda: self.relay.scrape().sum("relay_published_total") > RATE, "records flow"
        )
        self.ask("pause", "all", "--why", "broker upgrade")
        load.wait_answered(RATE)  # what was on its way has a second
        held = self.kafka.end_offsets()
        load.wait_answered(2 * RATE)
        self.assertEqual(self.kafka.end_offsets(), held)
        self.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)
        self.check_paused_status()

        self.assertEqual(self.relay.stop(), 0)
        self.relay.start()
        load.wait_answered(2 * RATE)
        self.assertEqual(self.kafka.end_offsets(), held)
        self.check_paused_status()
        self.check_outlook()

        self.ask("resume", "all")
        self.assertIn("all is not paused", self.ask("resume", "all", code=FAILED))
        load.wait_answered(RATE)
        load.stop()
        with harness.Stopwatch("drain"):
            self.relay.wait_published(DRAIN_S)
        self.wait_status(lambda s: s["lanes"]["backlog"] == "0", "no backlog is left")
        self.assertEqual(self.relay.stop(), 0)
        self.check_feed(load)

    def check_paused_status(self):
        self.wait_status(lambda s: s["lanes"]["paused"] == s["lanes"]["count"] > 0, "all is paused")
        status = self.status()
        self.assertEqual(
            [(p["scope"], p["who"], p["why"]) for p in status["pauses"]],
            [("all", WHO, "broker upgrade")],
        )
        self.assertGreater(int(status["lanes"]["backlog"]), RATE)
        self.assertGreater(int(status["intake"]["last_minute"]), RATE)
        self.assertTrue(status["lanes"]["oldest"])
        text = self.ask("status", code=FAILED)
        self.assertIn("broker upgrade", text)
        self.assertIn(f"gladly-relay resume all -c {self.relay.conf_path}", text)
        self.assertLessEqual(len(text.splitlines()), 24, text)

    def check_outlook(self):
        """Where it is heading: growth of the backlog, and when the floor is reached; figures are not judged."""
        self.wait_status(lambda s: s["lanes"]["growth"], "the growth of the backlog is known")
        status = self.status()
        self.assertRegex(status["lanes"]["growth"]["events_per_s"], r"^-?\d+\.\d$")
        self.assertGreaterEqual(status["lanes"]["growth"]["over_s"], 10)
        disk = status["disk"]
        floors = ("unknown", "not_at_this_rate", "ahead", "reached")
        self.assertIn(disk["floor"], floors)
        self.assertEqual(disk["floor_in_s"] is not None, disk["floor"] == "ahead")
        self.assertGreater(int(disk["room_bytes"]), 0)
        text = self.ask("status", code=FAILED)
        self.assertRegex(text, r"backlog \d+ \([+-]\d+\.\d/s\)")
        self.assertRegex(text, r"floor in \S+ at this rate|floor not at this rate|rate not known yet")

    def check_feed(self, load):
        topics = [topic for topic in self.kafka.topics() if topic.startswith("load.")]
        records = [feed_check.feed_record(r) for topic in topics for r in self.kafka.consume(topic)]
        ledger = load.new_ledger_lines()
        verdict = feed_check.check(ledger, records)
        harness.note(str(verdict).splitlines()[0])
        self.assertEqual(verdict.problems, [], verdict)
        self.assertEqual(len(verdict.firsts), len({line.id for line in ledger}))

    def test_one_lane_or_one_source_can_be_paused(self):
        options = {
            "source gladly": {"topic": "one.{family}"},
            "source other": {"path": "/other", "token": harness.TOKEN, "topic": "two.{family}"},
        }
        self.make_relay(bootstrap=self.kafka.bootstrap, options=options)
        self.relay.start()
        self.post_round(1)
        self.relay.wait_published()

        contact = self.lane("one.contact")
        self.ask("pause", f"lane:{contact['id']}", "--why", "a consumer is ill")
        self.post_round(2)
        self.expect_arrived({"one.contact": 1, "one.task": 2, "two.contact": 2})
        self.wait_status(lambda s: s["lanes"]["backlog"] == "1", "one event waits")
        self.assertEqual(self.lane("one.contact")["backlog"], "1")
        self.ask("resume", f"lane:{contact['id']}")
        self.expect_arrived({"one.contact": 2, "one.task": 2, "two.contact": 2})

        self.ask("pause", "source:gladly", "--why", "a test")
        self.post_round(3)
        self.expect_arrived({"one.contact": 2, "one.task": 2, "two.contact": 3})
        self.wait_status(lambda s: s["lanes"]["backlog"] == "2", "two events wait")
        # The lane was resumed by name; its source's pause is another one.
        self.ask("resume", f"lane:{contact['id']}", code=FAILED)
        self.ask("resume", "source:gladly")
        self.expect_arrived({"one.contact": 3, "one.task": 3, "two.contact": 3})
        for scope in ("source:nobody", "lane:999", "lane:1x", "everything"):
            self.ask("pause", scope, "--why", "a test", code=FAILED)
            self.ask("resume", scope, code=FAILED)
        self.ask("pause", "all", code=USAGE)
        self.ask("pause", "--why", "no scope", code=USAGE)
        self.assertEqual(self.relay.stop(), 0)

    def post_round(self, n):
        self.post(f"c{n}")
        self.post(f"t{n}", "TASK/CREATED")
        self.post(f"o{n}", path="/other")

    def expect_arrived(self, counts):
        """As many records as that, and after all that could come has come, not one more."""
        for topic, count in counts.items():
            self.assertEqual(len(self.kafka.consume(topic, count)), count)
        for topic, count in counts.items():
            self.assertEqual(sum(self.kafka.end_offsets(topic).values()), count, topic)

    def test_parked_events_are_discarded_with_a_reason_or_requeued(self):
        options = {
            "source gladly": {"topic": "parked.{family}"},
            "kafka": {"message.max.bytes": "20000"},
        }
        self.make_relay(bootstrap=self.kafka.bootstrap, options=options)
        self.relay.start()
        large = {"id": "large", "type": "CONTACT/STARTED", "content": {"text": "x" * 18000}}
        self.assertEqual(self.relay.post(large).json, {"status": "stored", "seq": "1"})
        self.assertEqual(self.relay.post(b"\x1b[2Jnot json").json["status"], "quarantined")
        self.post("fine")
        parked = self.ask_json("parked", "list")["parked"]
        self.assertEqual([(p["seq"], p["quarantined"]) for p in parked], [("1", False), ("2", True)])
        self.assertIn("message.max.bytes", parked[0]["reason"])
        self.assertEqual(self.status()["parked"], {"count": "2", "quarantined": "1"})
        self.assertIn("gladly-relay parked list", self.ask("status", code=FAILED))
        self.assertIn("message.max.bytes", self.ask("parked", "list"))
        self.assertEqual(self.ask_json("parked", "show", "2")["body"], "\x1b[2Jnot json")
        self.ask("parked", "show", "3", code=FAILED)

        self.ask("parked", "discard", "1", code=USAGE)
        self.ask("parked", "discard", "1", "--why", "too large for anybody")
        self.ask("parked", "discard", "1", "--why", "again", code=FAILED)
        self.assertIn("--topic", self.ask("parked", "requeue", "2", code=FAILED))
        self.ask("parked", "requeue", "2", "--topic", "no topic", code=FAILED)
        requeued = self.ask_json("parked", "requeue", "2", "--topic", "rescued", "--why", "by hand")
        self.assertEqual(requeued["successor"], "4")
        self.ask("parked", "requeue", "2", "--topic", "rescued", code=FAILED)
        record = self.kafka.consume("rescued", 1)[0]
        self.assertEqual(record.value, b"\x1b[2Jnot json")
        self.assertEqual(header(record, "relay-origin"), "requeue")
        self.assertEqual(header(record, "relay-requeue-of"), "2")
        self.assertEqual(header(record, "relay-seq"), "4")
        self.assertEqual(self.ask_json("parked", "list"), {"parked": []})
        self.check_events()
        self.check_actions()

    def check_events(self):
        self.relay.wait_published()
        events = self.ask_json("events", "list")["events"]
        states = [(event["seq"], event["state"]) for event in events]
        self.assertEqual(
            states, [("1", "discarded"), ("2", "requeued"), ("3", "published"), ("4", "published")]
        )
        found = self.ask_json("events", "list", "--key", "c", "--type", "CONTACT/STARTED")["events"]
        self.assertEqual([event["id"] for event in found], ["fine"])
        found = self.ask_json("events", "list", "--after", "1", "--limit", "2")
        self.assertEqual([event["seq"] for event in found["events"]], ["2", "3"])
        self.assertEqual(found["next_after"], "3")
        shown = self.ask_json("events", "show", "3")
        self.assertEqual(json.loads(shown["body"])["id"], "fine")
        self.assertEqual(self.ask_json("events", "show", "4")["requeue_of"], "2")
        self.ask("events", "show", "77", code=FAILED)
        # What a sender wrote cannot move a terminal's cursor.
        self.assertNotIn("\x1b", self.ask("events", "list"))

    def check_actions(self):
        wanted = [("requeue", "seq:2", "by hand"), ("discard", "seq:1", "too large for anybody")]
        self.assertEqual(self.relay.stop(), 0)
        self.relay.start()
        actions = self.ask_json("actions")["actions"]
        self.assertEqual([(a["action"], a["target"], a["why"]) for a in actions], wanted)
        for action in actions:
            self.assertEqual(action["who"], WHO)
            self.assertRegex(action["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        text = self.ask("actions")
        self.assertIn("too large for anybody", text)
        self.assertIn(WHO, text)


GET_ROUTES = ["/v1/status", "/v1/lanes", "/v1/events", "/v1/events/1", "/v1/parked", "/v1/parked/1",
              "/v1/actions"]
POST_ROUTES = ["/v1/pause", "/v1/resume", "/v1/parked/1/requeue", "/v1/parked/1/discard"]


class Doors(Operated):
    """What does not need a Kafka of its own runs on the embedded one."""

    def over_tcp(self, method, path, token=None):
        headers = [("Authorization", f"Bearer {token}")] if token else []
        body = b"{}" if method == "POST" else None
        answer = harness.request(self.relay.admin_port, method, path, body, headers)
        self.seen += answer.body.decode() + str(answer.headers)
        return answer.status

    def test_over_tcp_nothing_but_metrics_answers_without_a_token(self):
        self.make_relay(demo=True)
        self.relay.start()
        self.assertEqual(self.over_tcp("GET", "/metrics"), 200)
        for method, paths in (("GET", GET_ROUTES), ("POST", POST_ROUTES)):
            for path in paths:
                self.assertEqual(self.over_tcp(method, path), 403, path)
                self.assertEqual(harness.request(self.relay.port, "GET", path).status, 404, path)

    def test_over_tcp_a_token_gives_its_role(self):
        admin = {"token": "${OPERATE}", "read_token": "${READ}"}
        env = {"OPERATE": OPERATE, "READ": READ}
        self.make_relay(demo=True, options={"admin": admin}, env=env)
        self.relay.start()
        self.relay.post(b"not json")
        for path in GET_ROUTES:
            self.assertEqual(self.over_tcp("GET", path), 401, path)
            self.assertEqual(self.over_tcp("GET", path, "x" + READ), 401, path)
            self.assertEqual(self.over_tcp("GET", path, READ), 200, path)
            self.assertEqual(self.over_tcp("GET", path, OPERATE), 200, path)
        for path in POST_ROUTES:
            self.assertEqual(self.over_tcp("POST", path), 401, path)
            self.assertEqual(self.over_tcp("POST", path, READ), 403, path)
            self.assertEqual(self.over_tcp("POST", path, OPERATE), 400, path)  # {} says nothing
        self.assertEqual(self.over_tcp("GET", "/metrics"), 200)
        # The commands need none of the secrets, and nothing shows one.
        self.ask("status", code=FAILED)
        self.ask("status", "--json", code=FAILED)
        self.ask("parked", "show", "1")
        self.ask("actions")
        self.assertEqual(self.relay.stop(), 0)
        everything = self.seen + self.relay.whole_log().decode()
        for secret in (OPERATE, READ, harness.TOKEN):
            self.assertNotIn(secret, everything)

    def test_the_socket_is_the_owners_and_survives_a_crash(self):
        self.make_relay(demo=True)
        path = self.relay.journal_path + "-admin"
        self.relay.start()
        mode = os.stat(path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.relay.kill()
        self.assertTrue(os.path.exists(path))
        self.relay.start()
        self.wait_well()
        self.assertEqual(self.relay.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_commands_say_that_the_relay_does_not_run(self):
        self.make_relay(demo=True)
        self.relay.start()
        self.post("one")
        self.relay.kill()
        text = self.ask("status", code=NOT_RUNNING)
        self.assertIn("not running", text)
        self.assertRegex(text, re.compile(r"^last_seq 1$", re.MULTILINE))
        self.assertEqual(self.ask_json("status", code=NOT_RUNNING), {"running": False})
        for words in (["pause", "all", "--why", "x"], ["resume", "all"], ["events", "list"],
                      ["events", "tail"], ["parked", "list"], ["parked", "requeue", "1"], ["actions"]):
            self.assertIn("not running", self.ask(*words, code=NOT_RUNNING))
        self.ask("parked", "list", "--topic", "x", code=USAGE)
        self.ask("events", "show", "none", code=USAGE)
        self.ask("check", "--json", code=USAGE)

    def test_a_socket_can_be_elsewhere_or_off(self):
        self.make_relay(demo=True)
        self.relay.options["admin"]["socket"] = os.path.join(self.directory, "s" * 70)
        self.relay.write_conf()
        self.relay.start()
        self.wait_well()
        self.assertEqual(self.relay.stop(), 0)
        self.relay.options["admin"]["socket"] = "off"
        self.relay.write_conf()
        self.relay.start()
        self.assertIn("off", self.ask("status", code=FAILED))
        self.assertEqual(self.relay.stop(), 0)

    def test_a_tail_shows_what_comes_and_ends_with_the_relay(self):
        self.make_relay(demo=True)
        self.relay.start()
        self.post("first")
        path = os.path.join(self.directory, "tail")
        command = [harness.RELAY_BIN, "events", "tail", "--type", "CONTACT/STARTED", "-c",
                   self.relay.conf_path]
        with open(path, "wb") as out:
            tail = harness.spawn(command, stdout=out, stderr=out)

        def shown():
            with open(path, encoding="utf-8") as f:
                return re.findall(r"^ +(\d+) 2", f.read(), re.MULTILINE)

        harness.wait_until(lambda: shown() == ["1"], "the first event is shown")
        self.post("task", "TASK/CREATED")
        self.post("third")
        harness.wait_until(lambda: shown() == ["1", "3"], "the third event is shown")
        self.assertEqual(self.relay.stop(), 0)
        self.assertEqual(tail.wait(harness.PATIENCE_S), NOT_RUNNING)


if __name__ == "__main__":
    harness.main()
