# SPDX-License-Identifier: Apache-2.0
"""Intake does not depend on Kafka: it may be unreachable, frozen, restarting or without topics; the events arrive later."""
import unittest

import broker
import feed_check
import harness
from broker import header

RATE = 300
LOAD = ("--connections", "8", "--rate", str(RATE), "--duration", "600", "--key-per-connection")
DRAIN_S = 120


class KafkaAbsent(unittest.TestCase):
    def setUp(self):
        self.kafka = broker.Kafka()
        self.addCleanup(self.kafka.end)
        self.directory = harness.make_directory()

    def start_relay(self, **kafka_options):
        options = {"kafka": kafka_options}
        self.relay = harness.Relay(self.directory, self.kafka.bootstrap, options=options)
        self.addCleanup(self.relay.end)
        with harness.Stopwatch("start of the relay"):
            self.relay.start()

    def ask(self, *words, code=0, says=""):
        got, out, err = harness.run_relay(*words, "-c", self.relay.conf_path)
        self.assertEqual(got, code, out + err)
        self.assertIn(says, out + err)

    def start_load(self):
        """Without retries: an answer that is not 2xx, or a broken connection, fails the test."""
        self.load = harness.Loadgen(self.directory, self.relay, *LOAD)
        self.addCleanup(self.load.end)

    def check_intake_goes_on(self, seconds):
        answered = seconds * RATE
        with harness.Stopwatch(f"{answered} answers, due in {seconds} s"):
            self.load.wait_answered(answered)
        self.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)

    def finish(self):
        report = self.load.stop()
        with harness.Stopwatch("drain"):
            self.relay.wait_published(DRAIN_S)
        self.assertEqual(self.relay.stop(), 0)
        ledger = self.load.new_ledger_lines()
        records = [feed_check.feed_record(record) for record in self.kafka.consume_all()]
        verdict = feed_check.check(ledger, records)
        harness.note(str(verdict).splitlines()[0])
        self.assertEqual(verdict.problems, [], verdict)
        self.assertEqual({line.status for line in ledger}, {"200"})
        self.assertEqual(len(verdict.firsts), len(ledger))
        latencies = sorted(line.answer_us - line.send_us for line in ledger)
        worst, p99 = latencies[-1] / 1000, latencies[len(latencies) * 99 // 100] / 1000
        harness.note(f"{len(ledger)} answers: p99 {p99:.1f} ms, worst {worst:.1f} ms")
        return report

    def test_events_flow_when_a_broker_comes_that_was_unreachable_at_the_start(self):
        self.kafka.stop()
        self.start_relay()
        self.start_load()
        self.check_intake_goes_on(3)
        self.assertEqual(self.relay.scrape().sum("relay_published_total"), 0)
        with harness.Stopwatch("restart of Kafka"):
            self.kafka.restart()
        with harness.Stopwatch("until the first record"):
            harness.wait_until(
                lambda: self.relay.scrape().sum("relay_published_total") > 0, "records flow"
            )
        self.finish()

    def test_intake_goes_on_while_the_broker_is_frozen_and_while_it_restarts(self):
        self.start_relay()
        self.start_load()
        self.check_intake_goes_on(1)
        harness.wait_until(
            lambda: self.relay.scrape().sum("relay_published_total") > 0, "records flow"
        )
        self.kafka.pause()
        self.check_intake_goes_on(3)
        self.kafka.resume()
        self.check_intake_goes_on(1)
        self.kafka.stop()
        self.check_intake_goes_on(3)
        self.kafka.restart()
        self.check_intake_goes_on(1)
        self.finish()

    def test_a_lane_whose_topic_is_missing_waits_alone(self):
        self.kafka.make_topic("gladly.contact")
        self.start_relay(create_topics="false")
        for i in range(20):
            event_type = ("TASK/CREATED", "CONTACT/STARTED")[i % 2]
            answer = self.relay.post({"id": f"e{i}", "type": event_type, "content": {"taskId": "t"}})
            self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))
        contacts = self.kafka.consume("gladly.contact", 10)
        self.assertEqual([header(r, "ce_id") for r in sorted_by_seq(contacts)], ids(1))
        waits = self.relay.wait_event("forwarder.lane_waits", topic="gladly.task")
        self.assertTrue(waits["reason"])
        self.assertEqual(self.relay.events("forwarder.lane_waits", topic="gladly.contact"), [])
        self.assertEqual(set(self.kafka.topics()), {"gladly.contact"})
        self.assertEqual(self.relay.backlog(), 10)
        self.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)

        self.kafka.make_topic("gladly.task", partitions=3)
        with harness.Stopwatch("until the new topic's lane is empty"):
            tasks = self.kafka.consume("gladly.task", 10)
        self.assertEqual([header(record, "ce_id") for record in tasks], ids(0))  # one key, in order
        self.relay.wait_published()
        self.assertEqual(self.relay.events("forwarder.lane_open", topic="gladly.task")[0]["source"],
                         "gladly")
        self.assertEqual(self.relay.stop(), 0)

    def move_to_another_cluster(self):
        """One event is published; then the address is another cluster's, and the next event stays."""
        self.start_relay()
        event = {"id": "first", "type": "CONTACT/STARTED"}
        self.assertEqual(self.relay.post(event).status, 200)
        self.relay.wait_published()
        self.assertEqual(self.relay.stop(), 0)
        other = broker.Kafka()
        self.addCleanup(other.end)
        self.relay.options["kafka"]["bootstrap.servers"] = other.bootstrap
        self.relay.write_conf()
        self.relay.start()
        self.assertEqual(self.relay.post(dict(event, id="second")).status, 200)
        self.relay.wait_event("forwarder.wrong_cluster", level="error")
        self.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)
        self.assertEqual(self.relay.stop(), 0)
        self.assertEqual(other.topics(), {})
        return other

    def test_another_cluster_at_the_address_gets_nothing(self):
        self.move_to_another_cluster()
        self.relay.options["kafka"]["bootstrap.servers"] = self.kafka.bootstrap
        self.relay.write_conf()
        self.relay.start()
        records = self.kafka.consume("gladly.contact", 2)
        self.assertEqual({header(record, "ce_id") for record in records}, {"first", "second"})
        self.assertEqual(self.relay.stop(), 0)

    def test_a_journal_that_an_operator_binds_anew_goes_on_at_the_other_cluster(self):
        other = self.move_to_another_cluster()
        self.ask("journal", "rebind", code=1, says="why is missing")
        self.ask("journal", "rebind", "--why", "we moved")
        self.relay.start()
        (second,) = other.consume("gladly.contact", 1)
        self.assertEqual(header(second, "ce_id"), "second")
        self.ask("journal", "rebind", "--why", "it runs", code=1)
        self.ask("actions", says="we moved")
        self.assertEqual(self.relay.stop(), 0)

        self.ask("journal", "renew", "--why", "restored")
        self.relay.start()
        self.assertEqual(self.relay.post({"id": "third", "type": "CONTACT/STARTED"}).status, 200)
        records = {header(record, "ce_id"): record for record in other.consume("gladly.contact", 2)}
        third = records["third"]
        self.assertNotEqual(header(third, "relay-journal"), header(second, "relay-journal"))
        self.assertEqual(self.relay.stop(), 0)


def ids(remainder):
    return [f"e{i}" for i in range(20) if i % 2 == remainder]


def sorted_by_seq(records):
    return sorted(records, key=lambda record: int(header(record, "relay-seq")))


if __name__ == "__main__":
    harness.main()
