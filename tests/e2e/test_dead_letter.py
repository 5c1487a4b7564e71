# SPDX-License-Identifier: Apache-2.0
"""Dead letters: whatever is parked also arrives in the dead-letter topic, with its bytes and the reason, in both ways of delivery."""
import base64
import json
import random
import unittest

import broker
import harness
from broker import header

RECORD_MAX = 20000  # message.max.bytes; bodies over 11808 bytes are parked at birth
REFUSED_OVER = 4000  # what the topics of one family take at most
REFUSED_SIZE = 6000  # of the random bytes in such a body, before base64
UNREADABLE = b"\xff\x00 \x1b[2J no json\r\n"
REASON = "relay-park-reason"


def has(record, name):
    return any(name == other for other, _ in record.headers)


class DeadLetters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.addClassCleanup(cls.kafka.end)

    def make_relay(self, name, delivery):
        """Two sources: the dead-letter topic of the second takes no large records either."""
        self.name = name
        self.dead, self.small = f"{name}.dead", f"{name}.small"
        self.kafka.make_topic(f"{name}.gladly.task", max_message_bytes=REFUSED_OVER)
        self.kafka.make_topic(f"{name}.tight.task", max_message_bytes=REFUSED_OVER)
        self.kafka.make_topic(self.small, max_message_bytes=REFUSED_OVER)
        self.relay = harness.Relay(
            harness.make_directory(),
            self.kafka.bootstrap,
            options={
                "source gladly": {
                    "topic": name + ".{source}.{family}",
                    "dead_letter_topic": self.dead,
                },
                "source tight": {
                    "path": "/tight",
                    "token": harness.TOKEN,
                    "topic": name + ".{source}.{family}",
                    "dead_letter_topic": self.small,
                },
                "kafka": {"delivery": delivery, "message.max.bytes": str(RECORD_MAX)},
            },
        )
        self.addCleanup(self.relay.end)
        self.relay.start()

    def post(self, id_, size=0, type_="CONTACT/STARTED", path="/gladly"):
        text = base64.b64encode(random.Random(size).randbytes(size)).decode()  # not to be compressed
        event = {"id": id_, "type": type_, "content": {"customerId": "c", "text": text}}
        body = json.dumps(event).encode()
        answer = self.relay.post(body, path=path)
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))
        return answer.json["seq"], body

    def ask_json(self, *words):
        code, out, err = harness.run_relay(*words, "--json", "-c", self.relay.conf_path)
        self.assertEqual(code, 0, out + err)
        return json.loads(out)

    def letter(self, seq, topic=None, count=1):
        """The newest copy of the event parked under seq, once its topic has so many records."""
        records = self.kafka.consume(topic or self.dead, count)
        found = [r for r in records if header(r, "relay-dead-letter-of") == seq]
        self.assertEqual(len(found), 1, records)
        self.assertEqual(header(found[0], "relay-origin"), "dead_letter")
        return found[0]

    def check_parked(self):
        self.post("fine")
        unreadable = self.relay.post(UNREADABLE, content_type="text/odd").json
        self.assertEqual(unreadable["status"], "quarantined")
        letter = self.letter(unreadable["seq"])
        self.assertEqual((letter.key, letter.value), (None, UNREADABLE))
        self.assertEqual(header(letter, "content-type"), "text/odd")
        self.assertEqual(header(letter, "ce_type"), "unreadable")
        self.assertIn("Content-Type", header(letter, REASON))

        oversize, body = self.post("oversize", RECORD_MAX)
        letter = self.letter(oversize, count=2)
        self.assertEqual((letter.key, letter.value or b""), (b"c", b""))
        self.assertEqual(header(letter, "relay-body-omitted"), str(len(body)))
        self.assertEqual(header(letter, "ce_id"), "oversize")
        self.assertIn("message.max.bytes", header(letter, REASON))

        # Nothing else comes in that would make the forwarder look for the new row.
        refused, body = self.post("refused", REFUSED_SIZE, "TASK/CREATED")
        letter = self.letter(refused, count=3)
        self.assertEqual((letter.key, letter.value), (b"c", body))
        self.assertFalse(has(letter, "relay-body-omitted"))
        self.assertIn("size", header(letter, REASON).lower())
        self.check_lists(unreadable["seq"], oversize, refused, header(letter, "relay-seq"))
        return [unreadable["seq"], oversize, refused]

    def check_lists(self, unreadable, oversize, refused, copy):
        parked = self.ask_json("parked", "list")["parked"]
        self.assertEqual([p["seq"] for p in parked], [unreadable, oversize, refused])
        shown = self.ask_json("events", "show", copy)
        self.assertEqual((shown["origin"], shown["topic"]), ("dead_letter", self.dead))
        self.assertEqual(shown["dead_letter_of"], refused)
        self.assertEqual(self.ask_json("events", "show", oversize)["origin"], "webhook")
        metrics = self.relay.scrape()
        self.assertEqual(metrics.sum("relay_dead_letters_total", source="gladly"), 3)
        self.assertEqual(metrics.sum("relay_intake_total"), 4)

    def check_refused_copy(self):
        """Refused by both topics for its size: the second copy goes without it."""
        refused, body = self.post("tight", REFUSED_SIZE, "TASK/CREATED", "/tight")
        letter = self.letter(refused, self.small)
        self.assertEqual(letter.value or b"", b"")
        self.assertEqual(header(letter, "relay-body-omitted"), str(len(body)))
        parked = self.ask_json("parked", "list")["parked"]
        self.assertEqual([p["seq"] for p in parked][3:], [refused])

    def check_kill(self, parked):
        """In the middle: some copies may be in Kafka and not known to be, one is in the journal only."""
        self.ask_json("pause", "source:gladly", "--why", "a test")
        last = self.relay.post(b"[]").json["seq"]
        self.relay.kill()
        self.relay.start()
        self.ask_json("resume", "source:gladly")
        self.relay.wait_published()
        letters = self.kafka.consume(self.dead)
        firsts = [r for r in letters if not has(r, "relay-possible-duplicate")]
        of = {header(r, "relay-dead-letter-of") for r in letters}
        self.assertEqual(of, set(parked) | {last})
        seqs = [header(r, "relay-seq") for r in firsts]
        self.assertEqual(len(seqs), len(set(seqs)))
        self.assertEqual(len({header(r, "relay-seq") for r in letters}), len(of))
        return letters

    def check_requeue(self, seq):
        """What is published after all leaves no copy; a dead letter is no event for a replay."""
        self.ask_json("parked", "requeue", seq, "--topic", f"{self.name}.rescued")
        self.kafka.consume(f"{self.name}.rescued", 1)
        self.relay.wait_published()
        found = self.ask_json("replay", "start", "all", "--dry-run")
        counted = {topic["topic"]: topic["events"] for topic in found["topics"]}
        self.assertEqual(counted, {f"{self.name}.gladly.contact": "1", f"{self.name}.rescued": "1"})

    def check_audit(self):
        self.assertEqual(self.relay.stop(), 0)
        code, out, err = harness.run_relay("audit", "--json", "-c", self.relay.conf_path)
        self.assertEqual(code, 0, out + err)
        lanes = {lane["topic"]: lane for lane in json.loads(out)["lanes"]}
        self.assertEqual((lanes[self.dead]["complete"], lanes[self.dead]["parked"]), ("4", "0"))
        self.assertEqual((lanes[self.small]["complete"], lanes[self.small]["requeued"]), ("1", "1"))
        code, out, err = harness.run_relay("journal", "verify", "-c", self.relay.conf_path)
        self.assertEqual(code, 0, out + err)

    def check_all(self, name, delivery):
        self.make_relay(name, delivery)
        parked = self.check_parked()
        self.check_refused_copy()
        letters = self.check_kill(parked)
        self.check_requeue(parked[0])
        self.check_audit()
        return letters

    def test_all_that_is_parked_arrives_with_its_bytes_and_the_reason(self):
        self.check_all("least", "at_least_once")

    @unittest.skipUnless(harness.has_exactly_once(), "this build has no exactly_once")
    def test_exactly_once_each_arrives_once(self):
        letters = self.check_all("once", "exactly_once")
        self.assertEqual(len(letters), 4)


if __name__ == "__main__":
    harness.main()
