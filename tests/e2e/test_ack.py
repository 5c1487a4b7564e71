# SPDX-License-Identifier: Apache-2.0
"""ack = kafka: an answer waits for Kafka, too, and leaves without it in time; intake never suffers from that."""
import json
import random
import socket
import unittest

import broker
import harness
from harness import TOKEN

SOURCES = {
    "source gladly": {"ack": "kafka"},
    "source plain": {"path": "/plain", "token": TOKEN, "topic": "plain.{family}"},
}
PATIENT = {"ack_timeout": "13s", "answer_timeout": "14s"}
HASTY = {"ack_timeout": "300ms"}


class Acknowledged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.addClassCleanup(cls.kafka.end)

    def start(self, **http):
        directory = harness.make_directory()
        options = {"http": http, **SOURCES}
        # A topic of its own, so that a test can count what it finds there.
        self.topic = f"t{random.randrange(1 << 40)}"
        options["source gladly"] = dict(options["source gladly"], topic=self.topic)
        self.relay = harness.Relay(directory, self.kafka.bootstrap, options=options)
        self.addCleanup(self.relay.end)
        self.relay.start()
        self.posted = 0

    def post(self, path="/gladly"):
        """A new event; its answer, which is 200."""
        self.posted += 1
        event = {"id": f"e{self.posted}", "type": "CONTACT/STARTED", "content": {"customerId": "c"}}
        answer = self.relay.post(event, path=path)
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"), answer)
        return answer.json

    def wait_acknowledged(self):
        """Kafka is reached a moment after the start, and after an outage."""
        harness.wait_until(
            lambda: self.post()["acknowledged"] == "kafka",
            lambda: "Kafka acknowledges; the log:\n" + self.relay.log_tail(),
        )

    def fallbacks(self, **labels):
        return self.relay.scrape().sum("relay_ack_fallback_total", source="gladly", **labels)

    def test_an_answer_that_says_kafka_is_there_when_the_record_is(self):
        self.start(**PATIENT)
        self.wait_acknowledged()
        before = self.relay.scrape()
        for _ in range(5):
            if self.post()["acknowledged"] == "kafka":
                self.assertEqual(sum(self.kafka.end_offsets(self.topic).values()), self.posted)
        after = self.relay.scrape()
        waited = "relay_ack_wait_seconds_count"
        self.assertEqual(after.sum(waited, source="gladly") - before.sum(waited, source="gladly"), 5)
        self.assertEqual(after.sum("relay_ack_waiting"), 0)

    def test_what_kafka_does_not_get_is_acknowledged_by_the_journal(self):
        self.start(**PATIENT)
        self.wait_acknowledged()
        before = self.fallbacks()
        again = {"id": "e1", "type": "CONTACT/STARTED", "content": {"customerId": "c"}}
        duplicate = self.relay.post(again).json
        self.assertEqual((duplicate["status"], duplicate["acknowledged"]), ("duplicate", "journal"))
        for body, status in ((b"not json", "quarantined"), ({"type": "PING"}, "ping")):
            answer = self.relay.post(body).json
            self.assertEqual((answer["status"], answer["acknowledged"]), (status, "journal"))
        self.assertNotIn("acknowledged", self.post(path="/plain"))
        self.assertEqual(self.fallbacks(), before)
        self.assertEqual(self.relay.scrape().sum("relay_ack_wait_seconds_count", source="plain"), 0)

    def check_outage(self):
        """Kafka has just gone away."""
        self.relay.wait_published()
        before = self.fallbacks()
        answers = [self.post() for _ in range(30)]
        self.assertEqual({answer["acknowledged"] for answer in answers}, {"journal"})
        self.assertEqual(self.fallbacks(), before + 30)
        self.assertGreater(self.fallbacks(reason="timeout"), 0)
        # The first one waited in vain; the others need not.
        self.assertGreater(self.fallbacks(reason="away"), 0)
        self.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)

    def test_intake_goes_on_through_an_outage_and_afterwards_kafka_acknowledges_again(self):
        self.start(**HASTY)
        self.wait_acknowledged()
        self.relay.wait_published()
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        self.check_outage()
        self.kafka.resume()
        self.wait_acknowledged()

        self.relay.wait_published()
        self.kafka.stop()
        self.check_outage()
        self.kafka.restart()
        self.wait_acknowledged()
        self.relay.wait_published()
        records = self.kafka.consume(self.topic, self.posted)
        self.assertEqual({json.loads(r.value)["id"] for r in records},
                         {f"e{n + 1}" for n in range(self.posted)})
        self.assertEqual(self.relay.stop(), 0)

    def test_a_pause_is_waited_out(self):
        self.start(**HASTY)
        self.wait_acknowledged()
        self.relay.wait_published()
        words = ("pause", "all", "--why", "a test", "-c", self.relay.conf_path)
        self.assertEqual(harness.run_relay(*words)[0], 0)
        harness.wait_until(lambda: self.post()["acknowledged"] == "journal", "the pause is felt")
        words = ("resume", "all", "-c", self.relay.conf_path)
        self.assertEqual(harness.run_relay(*words)[0], 0)
        self.wait_acknowledged()

    def connect_and_post(self, count):
        sockets = []
        for _ in range(count):
            self.posted += 1
            body = b'{"id":"e%d","type":"CONTACT/STARTED"}' % self.posted
            head = f"POST /gladly HTTP/1.1\r\nHost: x\r\nx-api-key: {TOKEN}\r\nConnection: close\r\n"
            head += f"content-type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            s = socket.create_connection(("127.0.0.1", self.relay.port), harness.HTTP_TIMEOUT_S)
            self.addCleanup(s.close)
            s.sendall(head.encode() + body)
            sockets.append(s)
        return sockets

    def read_answer(self, s):
        """What is acknowledged."""
        received = b""
        while chunk := s.recv(65536):
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), received)
        return json.loads(body)["acknowledged"]

    def test_no_more_wait_for_kafka_than_intake_can_bear(self):
        self.start(waiting_max=16, **PATIENT)
        self.wait_acknowledged()
        self.relay.wait_published()
        before = self.fallbacks()
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        sockets = self.connect_and_post(12)
        harness.wait_until(lambda: self.fallbacks() == before + 4, "half of waiting_max wait")
        metrics = self.relay.scrape()
        self.assertEqual(metrics.sum("relay_ack_waiting"), 8)
        self.assertEqual(self.fallbacks(reason="full"), 4)
        self.assertEqual(self.post()["acknowledged"], "journal")
        self.kafka.resume()
        answers = [self.read_answer(s) for s in sockets]
        self.assertEqual(answers.count("journal"), self.fallbacks() - before - 1)

    def test_a_stop_answers_those_who_wait(self):
        self.start(**PATIENT)
        self.wait_acknowledged()
        self.relay.wait_published()
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        sockets = self.connect_and_post(3)
        harness.wait_until(
            lambda: self.relay.scrape().sum("relay_ack_waiting") == 3, "three wait for Kafka"
        )
        self.relay.process.terminate()
        self.assertEqual([self.read_answer(s) for s in sockets], ["journal"] * 3)
        self.assertEqual(self.relay.wait_exit(), 0)


if __name__ == "__main__":
    harness.main()
