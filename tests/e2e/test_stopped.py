# SPDX-License-Identifier: Apache-2.0
"""Publishing that stopped for good: status names it with what helps, its metric is 1, and the runbook's way out works."""
import contextlib
import os
import shutil
import sqlite3
import unittest

import broker
import harness
from broker import header

FAILED = 1
ONCE = {"delivery": "exactly_once"}
STOPPED = "relay_publishing_stopped"


def plain(text):
    """Without the line breaks that status makes."""
    return " ".join(text.split())


class Stopped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.addClassCleanup(cls.kafka.end)

    def make_relay(self, topic, **kafka):
        options = {"kafka": dict(ONCE, **kafka), "source gladly": {"topic": topic + ".{family}"}}
        relay = harness.Relay(harness.make_directory(), self.kafka.bootstrap, options=options)
        self.addCleanup(relay.end)
        return relay

    def post(self, relay, id_):
        answer = relay.post({"id": id_, "type": "CONTACT/STARTED", "content": {"customerId": "c"}})
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"), answer)

    def ask(self, relay, *words, code=0):
        got, out, err = harness.run_relay(*words, "-c", relay.conf_path)
        self.assertEqual(got, code, f"{words}: {out}{err}")
        return out

    def check_stopped(self, relay, reason, heading, what, helps):
        relay.wait_event(f"forwarder.{reason}", level="error")
        samples = relay.scrape().samples
        stopped = [(labels["reason"], value) for name, labels, value in samples if name == STOPPED and value]
        self.assertEqual(stopped, [(reason, 1)])
        command = ("status", "--json", "-c", relay.conf_path)
        harness.wait_until(lambda: f'"{reason}":true' in harness.run_relay(*command)[1], "status knows it")
        text = self.ask(relay, "status", code=FAILED)
        kafka = next(line for line in text.splitlines() if line.startswith("kafka"))
        self.assertIn("PUBLISHING IS STOPPED, " + heading, kafka)
        self.assertIn(what, plain(text))
        self.assertIn(helps, plain(text))
        self.assertLessEqual(len(text.splitlines()), 24, text)
        self.assertEqual(harness.request(relay.port, "GET", "/readyz").status, 200)

    def ids(self, topic):
        return [header(record, "ce_id") for record in self.kafka.consume(topic)]

    def test_an_older_relay_is_fenced_by_a_younger_one(self):
        older, younger = (self.make_relay("twins") for _ in range(2))
        older.start()
        self.post(older, "first")
        older.wait_published()
        self.ask(older, "journal", "backup", younger.journal_path)
        younger.start()
        self.post(younger, "second")
        younger.wait_published()
        self.post(older, "never")
        self.check_stopped(
            older, "fenced", "fenced", "uses the same transactional_id; publishing is stopped: ",
            "stop one, restart the other",
        )
        self.assertEqual(younger.stop(), 0)
        self.assertEqual(self.ids("twins.contact"), ["first", "second"])

    def test_two_journals_with_one_transactional_id(self):
        first, second = (self.make_relay(name, transactional_id="shared") for name in ("one", "two"))
        first.start()
        self.post(first, "first")
        first.wait_published()
        second.start()
        self.post(second, "never")
        self.check_stopped(
            second, "fenced", "fenced", "holds the checkpoint of journal", "the same transactional_id twice"
        )
        self.assertEqual(self.kafka.topics("two."), {})

    def test_a_journal_that_is_behind_its_checkpoint(self):
        relay = self.make_relay("behind").start()
        self.post(relay, "first")
        relay.wait_published()
        self.assertEqual(relay.stop(), 0)
        backup = os.path.join(relay.directory, "backup.db")
        self.ask(relay, "journal", "backup", backup)
        relay.start()
        self.post(relay, "second")
        relay.wait_published()
        self.assertEqual(relay.stop(), 0)
        shutil.copyfile(backup, relay.journal_path)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(relay.journal_path + suffix)
        relay.start()
        self.check_stopped(
            relay, "journal_behind", "the journal is behind",
            "the journal is older than what Kafka has of it: nothing is published",
            "gladly-relay journal renew --why TEXT -c FILE",
        )
        self.post(relay, "third")
        self.assertEqual(relay.stop(), 0)
        self.ask(relay, "journal", "renew", "--why", "a backup was put back")
        relay.start()
        relay.wait_published()
        self.assertEqual(relay.scrape().sum(STOPPED), 0)
        self.assertEqual(relay.stop(), 0)
        self.assertEqual(sorted(set(self.ids("behind.contact"))), ["first", "second", "third"])

    def test_another_cluster(self):
        relay = self.make_relay("cluster", delivery="at_least_once").start()
        self.post(relay, "first")
        relay.wait_published()
        self.assertEqual(relay.stop(), 0)
        db = sqlite3.connect(relay.journal_path)
        db.execute("UPDATE meta SET value = 'elsewhere' WHERE name = 'kafka_cluster_id'")
        db.commit()
        db.close()
        relay.start()
        self.post(relay, "second")
        self.check_stopped(
            relay, "wrong_cluster", "wrong cluster",
            "another Kafka cluster answers: nothing is published (expected elsewhere)",
            "gladly-relay journal rebind --why TEXT -c FILE",
        )
        self.assertEqual(relay.stop(), 0)
        self.ask(relay, "journal", "rebind", "--why", "we moved")
        relay.start()
        relay.wait_published()
        self.assertEqual(relay.scrape().sum(STOPPED), 0)
        self.assertEqual(relay.stop(), 0)
        self.assertEqual(self.ids("cluster.contact")[-1], "second")


class LongReasons(unittest.TestCase):
    def test_status_tells_a_long_reason_whole_and_stays_one_screen(self):
        names = "broker.a-long-name-of-a-data-center.invalid:9092"
        relay = harness.Relay(harness.make_directory(), names)
        self.addCleanup(relay.end)
        relay.start()
        for i in range(12):
            answer = relay.post({"id": f"e{i}", "type": f"{('CONTACT', 'TASK', 'AGENT')[i % 3]}/CREATED"})
            self.assertEqual(answer.status, 200)
        relay.post(b"not json")
        pause = "the reason of a pause that somebody explains at length, " * 3
        self.assertEqual(harness.run_relay("pause", "all", "--why", pause, "-c", relay.conf_path)[0], 0)
        status = harness.run_relay("status", "-c", relay.conf_path)
        self.assertEqual(status[0], FAILED)
        self.assertLessEqual(len(status[1].splitlines()), 24, status[1])
        self.assertIn(plain("all is paused by"), plain(status[1]))
        self.assertIn(plain(pause), plain(status[1]))
        wide = [line for line in status[1].splitlines() if len(line) > 80 and " -> gladly-relay " not in line]
        self.assertEqual(wide, [])


if __name__ == "__main__":
    harness.main()
