# SPDX-License-Identifier: Apache-2.0
"""Faults of the journal's own that no other test brings about, each with the metric that tells of it."""
import contextlib
import json
import os
import re
import sqlite3
import unittest

import broker
import harness
from broker import header


class FaultMetrics(unittest.TestCase):
    def make_relay(self, demo=False, **journal):
        directory = harness.make_directory()
        bootstrap = None if demo else f"127.0.0.1:{harness.free_port()}"
        options = {"journal": journal}
        self.relay = harness.Relay(directory, bootstrap, demo=demo, options=options)
        self.addCleanup(self.relay.end)
        return self.relay

    def post(self, number, size=0):
        event = {"id": f"e{number}", "type": "CONTACT/STARTED", "padding": "x" * size}
        answer = self.relay.post(event)
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"), answer)

    def test_a_reader_that_blocks_checkpoints_shows_in_the_size_of_the_log(self):
        pages = lambda: self.relay.scrape().sum("relay_wal_pages")
        self.make_relay(checkpoint_pages=100).start()
        self.post(0)
        uri = f"file:{self.relay.journal_path}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            for i in range(1, 60):
                self.post(i, size=30000)
            # Each takes eight pages; without the reader no more than a hundred would stay.
            harness.wait_until(lambda: pages() > 300, "the log grows")
            reader.execute("ROLLBACK")
        for i in range(60, 64):
            self.post(i)
        harness.wait_until(lambda: pages() < 200, "the log is moved into the file")

    def test_a_window_that_is_too_short_for_its_ids_is_shown(self):
        short = lambda: self.relay.scrape().sum("relay_dedupe_window_short")
        self.make_relay(dedupe_ids_max=1000).start()
        load = harness.Loadgen(self.relay.directory, self.relay, "--connections", "8", "--duration", "600",
                               "--mix", "400:100")
        self.addCleanup(load.end)
        self.assertEqual(short(), 0)
        harness.wait_until(lambda: load.is_running() and short() == 1, "the window is short")
        load.stop()
        self.assertGreater(self.relay.scrape().sum("relay_dedupe_ids"), 0)
        code, text, _ = harness.run_relay("status", "--json", "-c", self.relay.conf_path)
        self.assertEqual(code, 1)
        self.assertIn("dedupe_ids_max", text)

    def test_a_damaged_row_is_parked_and_counted(self):
        self.make_relay(demo=True).start()
        words = ("pause", "all", "--why", "a test", "-c", self.relay.conf_path)
        self.assertEqual(harness.run_relay(*words)[0], 0)
        for i in range(3):
            self.post(i)
        self.assertEqual(self.relay.stop(), 0)
        with contextlib.closing(sqlite3.connect(self.relay.journal_path)) as db:
            db.execute("UPDATE events SET body = replace(body, 'e1', 'e9') WHERE seq = 2")
            db.commit()
        self.relay.start()
        before = self.relay.scrape()
        self.assertEqual(before.sum("relay_published_total") + before.sum("relay_parked_total"), 0)
        words = ("resume", "all", "-c", self.relay.conf_path)
        self.assertEqual(harness.run_relay(*words)[0], 0)
        self.relay.wait_published()
        self.assertEqual(self.relay.scrape().sum("relay_published_total"), 2)
        self.assertEqual(self.relay.scrape().sum("relay_parked_total", topic="gladly.contact"), 1)
        self.assertIn("checksum", self.relay.wait_event("forwarder.parked", level="error", seq=2)["reason"])

    def test_a_kafka_that_is_away_shows_in_backlog_and_age(self):
        self.make_relay().start()
        for i in range(3):
            self.post(i)
        metrics = self.relay.scrape()
        labels = {"source": "gladly", "topic": "gladly.contact"}
        self.assertEqual(metrics.sum("relay_lane_backlog_events", **labels), 3)
        harness.wait_until(
            lambda: self.relay.scrape().sum("relay_lane_oldest_unpublished_seconds", **labels) > 0,
            "the oldest event has an age",
        )

    def test_records_that_were_in_flight_when_it_was_killed_are_counted_as_possible_duplicates(self):
        kafka = broker.Kafka()
        self.addCleanup(kafka.end)
        relay = self.relay = harness.Relay(harness.make_directory(), kafka.bootstrap)
        self.addCleanup(relay.end)
        relay.start()
        self.post(0)
        relay.wait_published()
        self.assertEqual(relay.scrape().sum("relay_possible_duplicates_total"), 0)
        kafka.pause()
        self.addCleanup(kafka.resume)
        for i in range(1, 6):
            self.post(i)

        def in_flight():
            _, text, _ = harness.run_relay("status", "--json", "-c", relay.conf_path)
            return [lane["in_flight"] for lane in json.loads(text)["lanes"]["worst"]]

        harness.wait_until(lambda: in_flight() == ["5"], lambda: f"five are in flight: {in_flight()}")
        relay.kill()
        kafka.resume()
        relay.start()
        relay.wait_published()
        labels = {"source": "gladly", "topic": "gladly.contact"}
        self.assertEqual(relay.scrape().sum("relay_possible_duplicates_total", **labels), 5)
        records = kafka.consume("gladly.contact")
        labelled = [r for r in records if ("relay-possible-duplicate", b"true") in r.headers]
        self.assertEqual({header(r, "ce_id") for r in labelled}, {f"e{i}" for i in range(1, 6)})
        self.assertEqual(relay.stop(), 0)

    def test_every_metric_is_described(self):
        self.make_relay(demo=True).start()
        self.post(1)
        text = harness.request(self.relay.admin_port, "GET", "/metrics").body.decode()
        families = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
        path = os.path.join(harness.SOURCE_DIR, "src", "api", "METRICS.md")
        with open(path, encoding="utf-8") as f:
            described = set(re.findall(r"`(relay_[a-z_]+)`", f.read()))
        self.assertEqual(families - described, set(), "not in METRICS.md")
        self.assertEqual(described - families, set(), "only in METRICS.md")


if __name__ == "__main__":
    harness.main()
