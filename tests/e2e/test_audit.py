# SPDX-License-Identifier: Apache-2.0
"""gladly-relay audit: clean feeds, beside a running relay and after it, and every fault that a feed can have.

The faults are planted by other means than the relay: the topic is made anew and its records are written again by a
program of the tests, with one thing changed; or the journal of the stopped relay is edited.
"""
import collections
import datetime
import json
import os
import sqlite3
import subprocess
import unittest

import broker
import harness
from broker import header

WRITE_RECORDS_BIN = harness.setting("WRITE_RECORDS_BIN")
EVENTS = 60
KEYS = 5
TYPE = "CONTACT/STARTED"
LOAD = ("--connections", "8", "--rate", "400", "--duration", "600", "--key-per-connection")
CLEAN, FOUND, USAGE = 0, 1, 2
KINDS = ("missing", "hole", "unlabelled", "disordered", "altered", "unknown", "damaged")


def audit(relay, *words):
    """Exit code and answer of one audit."""
    code, out, err = harness.run_relay("audit", "-c", relay.conf_path, "--json", *words)
    if code == USAGE or not out:
        raise AssertionError(f"audit ended with {code}: {err}")
    return code, json.loads(out)


def figures(answer):
    """The sum of each figure over all lanes, without those that are 0."""
    total = collections.Counter()
    for lane in answer["lanes"]:
        for name, value in lane.items():
            if name not in ("lane", "source", "topic", "clean"):
                total[name] += int(value)
    return +total


def findings(answer):
    return [(f["kind"], int(f["seq"]), f["detail"]) for f in answer["findings"]]


class Audited(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.addClassCleanup(cls.kafka.end)

    def make_relay(self, prefix, **options):
        self.directory = harness.make_directory()
        options.setdefault("source gladly", {})["topic"] = prefix + ".{family}"
        self.relay = harness.Relay(self.directory, self.kafka.bootstrap, options=options)
        self.addCleanup(self.relay.end)
        self.relay.start()

    def post(self, number, type_=TYPE):
        event = {"id": f"event-{number}", "type": type_, "content": {"customerId": f"c{number % KEYS}"}}
        answer = self.relay.post(event)
        self.assertEqual(answer.status, 200)
        return int(answer.json["seq"])

    def expect(self, code, *words):
        got, answer = audit(self.relay, *words)
        self.assertEqual(got, code, answer)
        self.assertEqual(answer["clean"], code == CLEAN)
        return answer


class Clean(Audited):
    def test_a_feed_is_clean_beside_the_running_relay_and_after_it(self):
        self.make_relay("clean")
        load = harness.Loadgen(self.directory, self.relay, *LOAD)
        self.addCleanup(load.end)
        for _ in range(3):
            load.wait_answered(200)
            answer = self.expect(CLEAN)
        load.stop()
        self.relay.wait_published()
        self.expect(CLEAN)
        self.assertEqual(self.relay.stop(), 0)
        with self.relay.journal() as journal:
            events = journal.number("SELECT count(*) FROM events WHERE lane > 0")
        answer = self.expect(CLEAN)
        self.assertEqual(figures(answer), {"complete": events})
        self.assertEqual(int(answer["records"]), events)
        several = self.expect(CLEAN, "--memory", "4KiB")
        self.assertGreater(several["passes"], 1)
        self.assertEqual((several["lanes"], several["records"]), (answer["lanes"], answer["records"]))

    def test_what_waits_and_what_is_kept_is_no_finding(self):
        self.make_relay("waiting")
        for number in range(10):
            self.post(number)
        self.relay.wait_published()
        code, _, err = harness.run_relay("pause", "all", "--why", "test", "-c", self.relay.conf_path)
        self.assertEqual(code, 0, err)
        self.kafka_end = self.kafka.end_offsets("waiting.contact")
        for number in range(10, 15):
            self.post(number)
        self.relay.post({"type": "PING", "id": "ping"})
        answer = self.expect(CLEAN)
        total = figures(answer)
        self.assertEqual(total["complete"] + total["waiting"], 15)
        self.assertEqual(self.kafka.end_offsets("waiting.contact"), self.kafka_end)
        self.assertEqual(total["waiting"], 5)
        self.assertEqual(answer["kept"], "1")

    def test_a_killed_relay_leaves_repeats_that_are_labelled_and_counted(self):
        self.make_relay("killed", kafka={"linger.ms": 50})
        load = harness.Loadgen(
            self.directory, self.relay, *LOAD, "--reconnect", "--retry-unanswered"
        )
        self.addCleanup(load.end)
        for _ in range(3):
            load.wait_answered(300)
            self.relay.kill()
            self.expect(CLEAN)
            self.relay.start()
        load.wait_answered(300)
        load.stop()
        self.relay.wait_published()
        self.assertEqual(self.relay.stop(), 0)
        total = figures(self.expect(CLEAN))
        records = sum(n for (topic, _), n in self.kafka.end_offsets().items() if topic.startswith("killed."))
        self.assertEqual(total["complete"] + total["repeated"], records)

    def test_since_reads_no_more_than_an_hour_before_the_earliest_timestamp(self):
        self.make_relay("since")
        now = datetime.datetime.now(datetime.timezone.utc)
        at = lambda hours: (now - datetime.timedelta(hours=hours)).isoformat(timespec="milliseconds")[:-6] + "Z"
        hours = [9, 8, 7, 6, 5, 0, 0, 4, 0, 0]
        for number, ago in enumerate(hours):
            # One key, so one partition.
            event = {"id": f"e{number}", "type": TYPE, "timestamp": at(ago), "content": {"customerId": "c"}}
            self.assertEqual(self.relay.post(event).status, 200)
        self.relay.wait_published()
        self.assertEqual(self.relay.stop(), 0)
        with self.relay.journal() as journal:
            received = [journal.number("SELECT received_us FROM events WHERE seq = ?", n + 1) for n in range(len(hours))]
        for first, wanted in ((8, 5), (5, 6), (4, 7), (0, 10)):
            answer = self.expect(CLEAN, "--since", rfc3339(received[first]))
            self.assertEqual(int(answer["records"]), wanted, first)
            self.assertEqual(figures(answer), {"complete": len(hours) - first})
        answer = self.expect(CLEAN, "--since", rfc3339(received[-1] + 1000))
        self.assertEqual((int(answer["records"]), figures(answer)), (0, {}))

    def test_what_went_before_a_renewal_is_elsewhere_and_what_came_after_is_judged(self):
        self.make_relay("renewed")
        for number in range(10):
            self.post(number)
        self.relay.wait_published()
        for words, count in ((("renew", "--why", "a test"), 10), (("rebind", "--why", "another"), 15)):
            self.assertEqual(self.relay.stop(), 0)
            got, out, err = harness.run_relay("journal", *words, "-c", self.relay.conf_path)
            self.assertEqual(got, 0, out + err)
            self.relay.start()
            for number in range(count, count + 5):
                self.post(number)
            self.relay.wait_published()
        # The rebind met the same cluster again: what is there is judged all the same.
        answer = self.expect(CLEAN)
        self.assertEqual(figures(answer), {"complete": 10, "elsewhere": 10})
        self.assertEqual(answer["foreign"], "10")
        code, out, _ = harness.run_relay("audit", "-c", self.relay.conf_path)
        self.assertEqual((code, "elsewhere 10" in out), (CLEAN, True), out)

    def test_wrong_usage_is_refused(self):
        self.make_relay("usage")
        for words in (["--since", "yesterday"], ["--lane", "x"], ["--memory", "1"], ["more"]):
            code, _, err = harness.run_relay("audit", "-c", self.relay.conf_path, *words)
            self.assertEqual(code, USAGE, err)
        code, _, err = harness.run_relay("audit", "-c", self.relay.conf_path, "--lane", "77")
        self.assertEqual((code, "there is no lane 77" in err), (FOUND, True), err)

    def test_a_kafka_that_is_another_cluster_is_refused(self):
        self.make_relay("cluster")
        self.post(1)
        self.relay.wait_published()
        self.assertEqual(self.relay.stop(), 0)
        edit(self.relay, "UPDATE meta SET value = 'elsewhere' WHERE name = 'kafka_cluster_id'")
        code, _, err = harness.run_relay("audit", "-c", self.relay.conf_path)
        self.assertEqual((code, "bound to the Kafka cluster elsewhere" in err), (FOUND, True), err)


def edit(relay, *statements):
    """By somebody else, while the relay does not run."""
    db = sqlite3.connect(relay.journal_path)
    for sql in statements:
        db.execute(sql)
    db.commit()
    db.close()


def hex_of(value):
    return "-" if value is None else value.hex()


class Planted(Audited):
    """Each test makes the topic anew from the same records, with one fault."""

    TOPIC = "planted.contact"

    def setUp(self):
        cls = type(self)
        if not hasattr(cls, "records"):
            # The first test makes the feed, the others doctor it.
            cls.directory = harness.make_directory()
            options = {"source gladly": {"topic": "planted.{family}"}}
            cls.relay = harness.Relay(cls.directory, cls.kafka.bootstrap, options=options)
            cls.addClassCleanup(cls.relay.end)
            cls.relay.start()
            for number in range(EVENTS):
                self.post(number)
            self.post(1000, "TASK/CREATED")  # another lane
            cls.relay.wait_published()
            self.assertEqual(cls.relay.stop(), 0)
            cls.records = cls.kafka.consume(self.TOPIC)
            cls.partitions = cls.kafka.topics()[self.TOPIC]
            self.assertEqual(len(cls.records), EVENTS)
        self.feed = list(self.records)
        self.deletes = []

    def at(self, seq):
        """Where the record of this seq is."""
        return next(i for i, r in enumerate(self.feed) if int(header(r, "relay-seq")) == seq)

    def change(self, seq, **fields):
        at = self.at(seq)
        self.feed[at] = self.feed[at]._replace(**fields)

    def with_header(self, record, name, value):
        """In place of the one that it has, or as a new one."""
        headers = [(n, value if n == name else v) for n, v in record.headers]
        if name not in [n for n, _ in record.headers]:
            headers.append((name, value))
        return record._replace(headers=headers)

    def change_header(self, seq, name, value):
        at = self.at(seq)
        self.feed[at] = self.with_header(self.feed[at], name, value)

    def write(self):
        script = os.path.join(broker.SUPPORT, "topic")
        broker.run([script, "delete", self.kafka.bootstrap, self.TOPIC])
        self.kafka.make_topic(self.TOPIC, self.partitions)
        self.tell_writer(self.lines(self.feed) + self.deletes)

    def lines(self, records):
        lines = []
        for r in records:
            headers = "".join(f" {name} {hex_of(value)}" for name, value in r.headers)
            lines.append(f"record {r.partition} {r.ts} {hex_of(r.key)} {hex_of(r.value)}{headers}")
        return lines

    def tell_writer(self, lines, *transactional_id):
        subprocess.run(
            [WRITE_RECORDS_BIN, self.kafka.bootstrap, self.TOPIC, *transactional_id],
            input="\n".join(lines) + "\n",
            text=True,
            timeout=broker.COMMAND_S,
            check=True,
        )

    def judge(self, *wanted, counts=None):
        """Writes the feed and audits it: exactly these findings, as (kind, seq, detail), in JSON and as text."""
        self.write()
        answer = self.expect(FOUND if wanted else CLEAN)
        found = sorted(findings(answer))
        self.assertEqual([f[:2] for f in found], [w[:2] for w in sorted(wanted)])
        for (_, _, told), (_, _, detail) in zip(found, sorted(wanted)):
            self.assertIn(detail, told)
        total = figures(answer)
        kinds = collections.Counter(kind for kind, _, _ in wanted)
        self.assertEqual({kind: total[kind] for kind in KINDS if total[kind]}, dict(kinds))
        for name, value in (counts or {}).items():
            self.assertEqual(total[name], value, (name, total))
        code, out, err = harness.run_relay("audit", "-c", self.relay.conf_path)
        self.assertEqual(code, FOUND if wanted else CLEAN, err)
        for kind, seq, detail in wanted:
            line = next(l for l in out.splitlines() if l.startswith(f"{kind}: ") and f" seq {seq}" in l)
            self.assertIn(detail, line)
        self.assertIn(f"{len(wanted)} findings", out)

    def same_key(self):
        """The seqs of one key that stand in the middle of the feed, in order."""
        key = self.feed[EVENTS // 2].key
        return [int(header(r, "relay-seq")) for r in self.feed if r.key == key]

    def test_the_copy_itself_is_clean(self):
        self.judge(counts={"complete": EVENTS + 1})

    def test_a_missing_record(self):
        seq = self.same_key()[3]
        del self.feed[self.at(seq)]
        self.judge(("missing", seq, "published"), counts={"complete": EVENTS})

    def test_a_labelled_repeat_is_counted_and_no_finding(self):
        record = self.feed[self.at(10)]
        self.feed.append(self.with_header(record, "relay-possible-duplicate", b"true"))
        self.judge(counts={"repeated": 1})

    def test_an_unlabelled_repeat(self):
        self.feed.append(self.feed[self.at(10)])
        self.judge(
            ("unlabelled", 10, "a repeat without relay-possible-duplicate"), counts={"repeated": 1}
        )

    def test_two_records_of_a_key_that_changed_places(self):
        first, second = self.same_key()[3:5]
        a, b = self.at(first), self.at(second)
        self.feed[a], self.feed[b] = self.feed[b], self.feed[a]
        self.judge(("disordered", first, f"behind seq {second} of the same key"))

    def test_an_altered_value(self):
        self.change(20, value=b"{}")
        self.judge(("altered", 20, "value"), counts={"complete": EVENTS})

    def test_an_altered_key(self):
        self.change(20, key=b"another")
        self.judge(("altered", 20, "key"))

    def test_a_key_that_is_gone(self):
        self.change(20, key=None)
        self.judge(("altered", 20, "key"))

    def test_altered_headers(self):
        self.change_header(20, "ce_id", b"another")
        self.change_header(30, "ce_type", b"CONTACT/ENDED")
        self.judge(("altered", 20, "ce_id"), ("altered", 30, "ce_type"))

    def test_records_that_the_journal_never_had(self):
        record = self.feed[self.at(20)]
        self.feed.append(self.with_header(record, "relay-seq", b"%d" % (EVENTS + 1)))  # of TASK/CREATED
        self.feed.append(self.with_header(record, "relay-seq", b"1000000"))
        self.judge(
            ("unknown", EVENTS + 1, "the lane never had this seq"),
            ("unknown", 1000000, "the journal has not come to this seq"),
        )

    def test_records_of_others_are_passed_over(self):
        record = self.feed[self.at(20)]
        self.feed.append(record._replace(headers=[]))
        self.feed.append(self.with_header(record, "relay-journal", b"another"))
        self.judge()
        self.assertEqual(self.expect(CLEAN)["foreign"], "2")

    def test_replays_are_counted_and_must_be_identical(self):
        replayed = [self.with_header(self.feed[self.at(seq)], "relay-replay", b"1") for seq in (3, 5)]
        self.feed += replayed
        self.judge(counts={"replayed": 2, "complete": EVENTS + 1})
        self.feed.append(replayed[0]._replace(value=b"{}"))
        self.judge(("altered", 3, "value"), counts={"replayed": 3})

    def test_what_a_transaction_did_not_commit_is_not_there(self):
        record = self.feed[self.at(20)]
        repeats = self.lines([record._replace(partition=p) for p in range(self.partitions)])
        self.write()
        self.tell_writer(["begin", *repeats, "abort"], "audited")
        self.assertEqual(figures(self.expect(CLEAN)), {"complete": EVENTS + 1})
        self.tell_writer(["begin", *repeats, "commit"], "audited")
        self.assertEqual(figures(self.expect(FOUND))["unlabelled"], len(repeats))

    def test_what_kafka_has_deleted_is_expired_and_not_missing(self):
        partition = self.feed[self.at(20)].partition
        there = [r for r in self.feed if r.partition == partition]
        self.deletes = [f"delete {partition} {len(there) // 2}"]
        self.judge(counts={"expired": len(there) // 2, "complete": EVENTS + 1 - len(there) // 2})
        gone = int(header(there[-1], "relay-seq"))  # above the line
        del self.feed[self.at(gone)]
        self.judge(("missing", gone, "published"), counts={"expired": len(there) // 2})

    def test_rows_that_retention_deleted_are_judged_by_the_chain_of_the_headers(self):
        with self.relay.journal() as journal:
            edit(self.relay, "DELETE FROM events WHERE seq <= 40")
            try:
                self.judge(counts={"pruned": 40, "complete": EVENTS + 1 - 40})
                del self.feed[self.at(20)]
                del self.feed[self.at(50)]
                self.judge(
                    ("hole", 20, "the next record names it"),
                    ("missing", 50, "published"),
                    counts={"pruned": 39},
                )
            finally:
                journal.put_back()

    def test_a_damaged_row(self):
        with self.relay.journal() as journal:
            edit(self.relay, "UPDATE events SET key = 'another' WHERE seq = 20")
            try:
                self.judge(("damaged", 20, "checksum"))
            finally:
                journal.put_back()

    def test_only_the_lane_and_the_time_that_are_asked_for(self):
        del self.feed[self.at(20)]
        self.write()
        with self.relay.journal() as journal:
            received = journal.number("SELECT received_us FROM events WHERE seq = 20")
            lane = journal.number("SELECT lane FROM events WHERE seq = 20")
            other = journal.number("SELECT id FROM lanes WHERE id <> ?", lane)
        self.expect(FOUND, "--lane", str(lane))
        self.expect(CLEAN, "--lane", str(other))
        self.expect(CLEAN, "--since", rfc3339(received + 1000))
        self.expect(CLEAN, "--until", rfc3339(received - 1000))
        self.expect(FOUND, "--since", rfc3339(received - 1000), "--until", rfc3339(received + 1000))


def rfc3339(us):
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    return at.isoformat(timespec="microseconds") + "Z"


if __name__ == "__main__":
    harness.main()
