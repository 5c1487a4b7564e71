# SPDX-License-Identifier: Apache-2.0
"""Replay through the commands, against a real Kafka: counted before, byte-identical, at its rate, over a SIGKILL, ended."""
import collections
import datetime
import json
import unittest

import broker
import feed_check
import harness
from broker import header

RATE = 300
LOAD = ("--connections", "8", "--rate", str(RATE), "--duration", "600", "--key-per-connection")
LOAD += ("--reconnect", "--retry-unanswered")
FAILED, USAGE = 1, 2
REPLAY_S = 120
OPTIONS = {
    "source gladly": {"topic": "load.{family}"},
    "source other": {"path": "/other", "token": harness.TOKEN, "topic": "kept.{family}"},
}

MISTYPED = (
    "start",
    "start --why x",
    "start all",
    "start all --key c --why x",
    "start all --dry-run --why x",
    "start --since yesterday --why x",
    "start --by event --why x",
    "show",
    "show x",
    "cancel 1",
)
REFUSED = (
    "start --source nobody --why x",
    "start --from-seq x --why x",
    "start all --topic a/b --why x",
    "start all --rate -1 --why x",
    "show 7",
    "pause 7",
)


def has_header(record, name):
    return any(has == name for has, _ in record.headers)


def replayed(records, id_):
    return [r for r in records if (b"relay-replay", id_) in as_pairs(r)]


def as_pairs(record):
    return [(name.encode(), (value or b"").decode()) for name, value in record.headers]


def content(record, without=("relay-replay", "relay-possible-duplicate")):
    """Everything of a record that a replay must not change."""
    headers = [pair for pair in record.headers if pair[0] not in without]
    return record.key, record.value, record.ts, headers


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Replays(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.addClassCleanup(cls.kafka.end)

    def setUp(self):
        self.directory = harness.make_directory()
        # Topics of its own: the tests share one Kafka.
        self.prefix = self._testMethodName[-12:].replace("_", "-") + "."
        options = {
            name: {k: self.prefix + v if k == "topic" else v for k, v in keys.items()}
            for name, keys in OPTIONS.items()
        }
        self.relay = harness.Relay(self.directory, self.kafka.bootstrap, options=options)
        self.addCleanup(self.relay.end)
        self.relay.start()

    def ask(self, *words, code=0):
        got, out, err = harness.run_relay(*words, "-c", self.relay.conf_path)
        self.assertEqual(got, code, f"{words}: {out}{err}")
        return out + err

    def ask_json(self, *words):
        return json.loads(self.ask(*words, "--json"))

    def start_replay(self, *selection):
        return self.ask_json("replay", "start", *selection, "--why", "a test")["id"]

    def show(self, id_):
        return self.ask_json("replay", "show", id_)

    def wait_state(self, id_, state):
        last = []

        def look():
            last[:] = [self.show(id_)]
            return last[0]["state"] == state

        harness.wait_until(look, lambda: f"replay {id_} is {state}: {last}", REPLAY_S)
        return last[0]

    def wait_some(self, id_, count):
        harness.wait_until(
            lambda: int(self.show(id_)["published"]) >= count,
            lambda: f"replay {id_} has sent {count}: {self.show(id_)}",
            REPLAY_S,
        )

    def post(self, n, type_="CONTACT/STARTED", key="c", path="/other"):
        event = {"id": f"{type_}-{key}-{n}", "type": type_, "content": {"customerId": key, "n": n}}
        answer = self.relay.post(event, path=path)
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))
        return int(answer.json["seq"])

    def check_identical(self, originals, copies):
        """Each copy is its original but for the labels; originals by seq."""
        by_seq = {header(r, "relay-seq"): r for r in originals}
        for copy in copies:
            self.assertEqual(content(copy), content(by_seq[header(copy, "relay-seq")]))
            self.assertEqual(header(copy, "relay-origin"), "webhook")

    def test_a_key_goes_again_to_its_topic_and_a_type_to_another_during_live_traffic(self):
        topic, copy = self.prefix + "kept.contact", self.prefix + "copy"
        for n in range(20):
            self.post(n)
            self.post(n, key="d")
            self.post(n, "TASK/CREATED")
        load = harness.Loadgen(self.directory, self.relay, *LOAD)
        self.addCleanup(load.end)
        load.wait_answered(RATE)
        self.check_dry_run(topic)

        first = self.start_replay("--source", "other", "--key", "c", "--family", "contact")
        done = self.wait_state(first, "done")
        counts = [done[name] for name in ("published", "failed", "gone", "reason")]
        self.assertEqual(counts, ["20", "0", "0", ""])
        second = self.start_replay(
            "--source", "other", "--type", "TASK/CREATED", "--topic", copy, "--rate", "0"
        )
        self.wait_state(second, "done")
        load.wait_answered(RATE)
        load.stop()
        self.relay.wait_published()
        self.assertEqual(self.relay.stop(), 0)

        records = self.kafka.consume(topic)
        copies = replayed(records, first)
        originals = [r for r in records if not has_header(r, "relay-replay")]
        self.assertEqual((len(originals), len(copies)), (40, 20))
        self.check_identical(originals, copies)
        self.assertEqual({r.key for r in copies}, {b"c"})
        seqs = [int(header(r, "relay-seq")) for r in sorted(copies, key=lambda r: r.offset)]
        self.assertEqual(seqs, sorted(seqs))

        copies = self.kafka.consume(copy)
        self.assertEqual(replayed(copies, second), copies)
        self.assertEqual(len(copies), 20)
        self.check_identical(self.kafka.consume(self.prefix + "kept.task"), copies)
        self.check_live(load)

    def check_dry_run(self, topic):
        selection = ("--source", "other", "--key", "c", "--family", "CONTACT", "--dry-run")
        counted = self.ask_json("replay", "start", *selection)
        self.assertEqual(counted["events"], "20")
        self.assertEqual([(t["topic"], t["events"]) for t in counted["topics"]], [(topic, "20")])
        self.assertIn("20 events would be published", self.ask("replay", "start", *selection))
        self.assertEqual(self.ask_json("replay", "list"), {"replays": []})

    def test_a_dry_run_counts_what_each_topic_would_not_keep(self):
        name = lambda family: self.prefix + "kept." + family
        self.kafka.make_topic(name("contact"), retention_ms=3600000, retention_bytes=1 << 30)
        self.kafka.make_topic(name("task"), retention_ms=86400000)
        self.kafka.make_topic(name("customer"), cleanup_policy="compact")
        self.kafka.make_topic(name("agent"), retention_ms=3600000, message_timestamp_type="LogAppendTime")
        self.kafka.make_topic(name("payment"), retention_ms=-1)
        now = datetime.datetime.now(datetime.timezone.utc)
        for family in ("CONTACT", "TASK", "CUSTOMER", "AGENT_STATUS", "PAYMENT_REQUEST"):
            for hours in (0, 2, 3, 48):
                self.post_of(now - datetime.timedelta(hours=hours), f"{family}/CREATED", hours)
        self.relay.wait_published()
        words = ("replay", "start", "all", "--dry-run")
        found = {t["topic"]: t for t in self.ask_json(*words)["topics"]}
        older = {topic: (t["retention_ms"], t["older_than_retention"]) for topic, t in found.items()}
        self.assertEqual(older[name("contact")], ("3600000", "3"))
        self.assertEqual(older[name("task")], ("86400000", "1"))
        self.assertEqual(older[name("customer")], (None, "0"))
        text = self.ask(*words)
        self.assertIn(f"warning: {name('contact')}: 3 of 4 events are older than its retention.ms (1h00m)", text)
        self.assertIn(f"warning: {name('contact')}: its retention.bytes is 1.0 GiB a partition", text)
        self.assertIn(f"warning: {name('task')}: 1 of 4 events are older than its retention.ms (1d00h)", text)
        self.assertIn(f"warning: {name('customer')}: it is compacted", text)

        # One target: all that is older counts there, however many topics it came from.
        for target, wanted in (("agent", "0"), ("payment", "0"), ("contact", "15")):
            (one,) = self.ask_json(*words, "--topic", name(target))["topics"]
            self.assertEqual((one["topic"], one["events"], one["older_than_retention"]), (name(target), "20", wanted))
        (one,) = self.ask_json(*words, "--topic", self.prefix + "nowhere")["topics"]
        self.assertEqual((one["older_than_retention"], one["retention_ms"]), (None, None))
        self.assertIn("not there yet", one["warnings"][0]["warning"])
        self.check_without_kafka(words)

    def post_of(self, when, type_, n):
        event = {"id": f"{type_}-{n}", "type": type_, "timestamp": when.isoformat(timespec="milliseconds")}
        event["timestamp"] = event["timestamp"].replace("+00:00", "Z")
        event["content"] = {"customerId": "c"}
        answer = self.relay.post(event, path="/other")
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))

    def check_without_kafka(self, words):
        """Somebody who has not all that the file needs still gets the counts."""
        self.relay.options["source other"]["token"] = "${NOBODY_HAS_SET_THIS}"
        self.relay.write_conf()
        answer = self.ask_json(*words)
        self.assertEqual(answer["events"], "20")
        self.assertEqual({t["older_than_retention"] for t in answer["topics"]}, {None})
        self.assertIn("compare it with the oldest record", self.ask(*words))

    def check_live(self, load):
        """The replays changed nothing for the live events."""
        records = self.kafka.consume_all(self.prefix + "load.")
        self.assertFalse([r for r in records if has_header(r, "relay-replay")])
        verdict = feed_check.check(
            load.new_ledger_lines(), [feed_check.feed_record(r) for r in records]
        )
        self.assertEqual(verdict.problems, [], verdict)

    def test_a_replay_keeps_its_rate_and_outlives_a_sigkill(self):
        count, rate = 600, 60
        seqs = [self.post(n) for n in range(count)]
        self.relay.wait_published()
        id_ = self.start_replay("all", "--rate", str(rate))
        self.wait_some(id_, count // 10)
        self.assertEqual(self.show(id_)["state"], "running")
        self.relay.kill()
        self.relay.start()
        done = self.wait_state(id_, "done")
        self.assertEqual((done["published"], done["gone"]), (str(count), "0"))
        # Never much faster than asked for; a busy machine may be slower.
        span = seconds(done["changed"]) - seconds(done["created"])
        harness.note(f"{count} events at {rate}/s took {span:.2f} s, a restart among it")
        self.assertGreater(span, 0.8 * count / rate)
        counted = {name: self.relay.scrape().sum(f"relay_replay_{name}_total")
                   for name in ("published", "failed", "possible_duplicates")}
        self.assertEqual(self.relay.stop(), 0)

        records = self.kafka.consume(self.prefix + "kept.contact")
        copies = sorted(replayed(records, id_), key=lambda r: (r.partition, r.offset))
        found = collections.Counter(int(header(r, "relay-seq")) for r in copies)
        self.assertEqual(set(found), set(seqs))
        seen = set()
        for record in copies:
            seq = header(record, "relay-seq")
            if seq in seen:
                self.assertEqual(header(record, "relay-possible-duplicate"), "true")
            seen.add(seq)
        # What the kill left between position and mark is labelled, whether or not it came twice.
        labelled = [r for r in copies if has_header(r, "relay-possible-duplicate")]
        self.assertGreater(len(labelled), 0)
        self.assertLess(len(labelled), len(copies))
        self.assertEqual(counted["possible_duplicates"], len(labelled))
        self.assertEqual(counted["failed"], 0)
        self.assertTrue(0 < counted["published"] <= count, counted)
        harness.note(f"{len(copies) - count} records came twice, {len(labelled)} are labelled")
        self.check_identical([r for r in records if not has_header(r, "relay-replay")], copies)

    def test_a_replay_can_be_paused_and_cancelled_and_pauses_of_lanes_hold_it(self):
        for n in range(300):
            self.post(n)
        self.relay.wait_published()
        id_ = self.start_replay("all", "--rate", "10")
        waiting = self.start_replay("all", "--topic", self.prefix + "second")
        self.wait_some(id_, 5)
        self.assertEqual(self.show(waiting)["reason"], f"replay {id_} goes first")
        self.ask("pause", "all", "--why", "a consumer is ill")
        harness.wait_until(lambda: "a pause holds" in self.show(id_)["reason"], "it is held")
        held = self.show(id_)["published"]
        self.assertEqual(self.show(id_)["state"], "running")
        self.ask("resume", "all")
        self.wait_some(id_, int(held) + 5)

        self.ask("replay", "pause", id_)
        self.wait_state(waiting, "done")  # a paused one lets the next one run
        self.assertEqual(len(self.kafka.consume(self.prefix + "second")), 300)
        self.ask("replay", "pause", id_, code=FAILED)
        self.ask("replay", "resume", id_)
        self.wait_some(id_, int(self.show(id_)["published"]) + 5)
        self.ask("replay", "cancel", id_, "--why", "enough")
        self.ask("replay", "cancel", id_, "--why", "enough", code=FAILED)
        self.assertEqual(self.show(id_)["state"], "cancelled")
        self.assertEqual(self.relay.stop(), 0)
        self.relay.start()
        last = self.show(id_)
        self.assertEqual(last["state"], "cancelled")
        self.assertLess(int(last["published"]), 300)
        self.assertEqual(self.relay.stop(), 0)
        copies = replayed(self.kafka.consume(self.prefix + "kept.contact"), id_)
        self.assertEqual(len(copies), int(last["published"]))

    def test_mistyped_replays_are_refused(self):
        self.post(1)
        for line in MISTYPED:
            self.ask("replay", *line.split(), code=USAGE)
        for line in REFUSED:
            self.ask("replay", *line.split(), code=FAILED)
        self.assertEqual(self.ask_json("replay", "list"), {"replays": []})


if __name__ == "__main__":
    harness.main()
