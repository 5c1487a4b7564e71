# SPDX-License-Identifier: Apache-2.0
"""serve --demo: the whole way from a webhook to a record without any Kafka installed; kcat reads the record."""
import glob
import json
import unittest

import broker
import harness
from broker import header


class Demo(unittest.TestCase):
    def setUp(self):
        self.relay = harness.Relay(harness.make_directory(), demo=True)
        self.addCleanup(self.relay.end)

    def start(self):
        self.relay.start()
        return self.relay.wait_event("demo.broker")["bootstrap"]

    def test_an_event_comes_out_of_the_embedded_broker(self):
        with harness.Stopwatch("start of the demo"):
            bootstrap = self.start()
        self.assertRegex(bootstrap, r"^127\.0\.0\.1:\d+$")
        with open(f"{harness.SOURCE_DIR}/tests/corpus/events/CONVERSATION__CLOSED.json", "rb") as f:
            body = f.read()
        answer = self.relay.post(body)
        self.assertEqual((answer.status, answer.json), (200, {"status": "stored", "seq": "1"}))
        with harness.Stopwatch("until kcat has it"):
            (record,) = broker.consume(bootstrap, "gladly.conversation", 1)
        event = json.loads(body)
        self.assertEqual(record.value, body)
        self.assertEqual(record.key.decode(), event["content"]["conversationId"])
        self.assertEqual(header(record, "ce_id"), event["id"])
        self.assertEqual(header(record, "relay-seq"), "1")
        self.assertEqual(self.relay.stop(), 0)

    def test_the_whole_corpus_comes_out(self):
        bootstrap = self.start()
        wanted = {}
        for path in glob.glob(f"{harness.SOURCE_DIR}/tests/corpus/events/*.json"):
            with open(path, "rb") as f:
                body = f.read()
            self.assertEqual(self.relay.post(body).status, 200)
            family = json.loads(body)["type"].split("/")[0].lower().replace("_", "-")
            if family != "ping":
                wanted.setdefault(f"gladly.{family}", set()).add(body)
        for topic, bodies in wanted.items():
            records = broker.consume(bootstrap, topic, len(bodies))
            self.assertEqual({record.value for record in records}, bodies)
        self.assertEqual(self.relay.stop(), 0)

    def test_check_says_before_a_start_that_exactly_once_needs_a_real_kafka(self):
        self.relay.options["kafka"] = {"delivery": "exactly_once"}
        self.relay.write_conf()
        for subcommand in ("check", "serve"):
            code, _, errors = harness.run_relay(*self.relay.command(subcommand)[1:])
            self.assertEqual(code, 1)
            self.assertIn("[kafka] delivery: exactly_once needs a real Kafka", errors)
        self.assertFalse(glob.glob(self.relay.journal_path + "*"))

    def test_its_journal_outlives_a_restart_and_its_broker_does_not(self):
        event = {"id": "one", "type": "TASK/CREATED"}
        first = self.start()
        self.assertEqual(self.relay.post(event).json["status"], "stored")
        broker.consume(first, "gladly.task", 1)
        self.relay.wait_published()
        self.assertEqual(self.relay.stop(), 0)
        second = self.start()
        self.assertEqual(self.relay.post(event).json["status"], "duplicate")
        self.assertEqual(self.relay.post(dict(event, id="two")).json["status"], "stored")
        (record,) = broker.consume(second, "gladly.task", 1)
        self.assertEqual(header(record, "ce_id"), "two")
        self.assertEqual(self.relay.stop(), 0)


if __name__ == "__main__":
    harness.main()
