# SPDX-License-Identifier: Apache-2.0
"""Every example body of the corpus, posted over HTTP, arrives in a real Kafka as README.md promises.

What is expected is worked out here from the bodies alone, and kcat reads the records.
"""
import datetime
import glob
import json
import os
import re
import time
import unittest

import broker
import harness
from broker import header

KEYS = ["conversationId", "customerId", "destinationCustomerId", "taskId", "agentId", "jobId"]
PARTITIONS = 6
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACESTATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"


def murmur2(data):
    """Kafka's hash of a key: org.apache.kafka.common.utils.Utils.murmur2, as an unsigned number."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    for i in range(0, len(data) & ~3, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    rest = data[len(data) & ~3 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key, partitions):
    """org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def now_ms():
    return time.time_ns() // 1000000


def time_ms(text):
    """Of the corpus's timestamps and of the relay's: UTC, with or without a fraction."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(at.timestamp()) * 1000 + int((fraction + "000")[:3])


def time_text(ms):
    at = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def topic_of(event):
    return "gladly." + event["type"].split("/")[0].lower().replace("_", "-")


def key_of(event):
    content = event.get("content", {})
    return next((content[name] for name in KEYS if content.get(name)), event["id"]).encode()


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker.Kafka()
        cls.bodies = {}
        for path in sorted(glob.glob(f"{harness.SOURCE_DIR}/tests/corpus/events/*.json")):
            with open(path, "rb") as f:
                cls.bodies[os.path.basename(path)] = f.read()
        assert len(cls.bodies) > 50, "the corpus is not there"
        options = {"org acme": {}, "source gladly": {"org": "acme"}}
        cls.relay = harness.Relay(harness.make_directory(), cls.kafka.bootstrap, options=options)
        cls.relay.start()
        cls.addClassCleanup(cls.relay.end)
        cls.posted = {}  # topic: [(file or name, answer, body)], in the order of the journal
        cls.posted_after = now_ms()
        with harness.Stopwatch(f"{len(cls.bodies)} bodies posted and published"):
            for name, body in cls.bodies.items():
                answer = cls.relay.post(body)
                assert answer.status == 200, f"{name}: {answer}"
                event = json.loads(body)
                if event["type"] == "PING":
                    cls.ping_answer = answer
                else:
                    cls.note_posted(topic_of(event), name, answer, body)
            cls.records = {topic: cls.read(topic) for topic in cls.posted}
        cls.topics = cls.kafka.topics()

    @classmethod
    def note_posted(cls, topic, name, answer, body):
        cls.posted.setdefault(topic, []).append((name, answer, body))

    @classmethod
    def read(cls, topic):
        """{seq: record} of as many records as were posted for the topic, and not one more."""
        records = cls.kafka.consume(topic, len(cls.posted[topic]))
        by_seq = {int(header(record, "relay-seq")): record for record in records}
        assert len(by_seq) == len(records), f"{topic}: a seq occurs twice"
        held = sum(cls.kafka.end_offsets(topic).values())
        assert held == len(records), f"{topic} holds {held} records, {len(records)} were posted"
        return by_seq

    def post(self, event, headers=(), topic=None):
        """A further event that is published; its answer and its record."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = self.relay.post(body, headers)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["status"], "stored")
        topic = topic or topic_of(json.loads(body))
        self.note_posted(topic, "own", answer, body)
        return self.read(topic)[int(answer.json["seq"])]

    def corpus_records(self):
        for topic, posted in self.posted.items():
            for name, answer, body in posted:
                if name in self.bodies:
                    yield name, body, self.records[topic][int(answer.json["seq"])]

    def test_each_body_arrives_byte_for_byte_in_the_topic_of_its_family(self):
        count = 0
        for name, body, record in self.corpus_records():
            with self.subTest(name):
                self.assertEqual(record.value, body)
                self.assertEqual(record.topic, topic_of(json.loads(body)))
                count += 1
        self.assertEqual(count, len(self.bodies) - 1)  # all but PING
        harness.note(f"{count} bodies in {len(self.records)} topics")

    def test_each_record_carries_its_key_and_its_own_time(self):
        for name, body, record in self.corpus_records():
            with self.subTest(name):
                event = json.loads(body)
                self.assertEqual(record.key, key_of(event))
                self.assertEqual(record.ts, time_ms(event["timestamp"]))

    def test_each_record_carries_the_documented_headers_and_no_others(self):
        journals = set()
        for name, body, record in self.corpus_records():
            with self.subTest(name):
                event = json.loads(body)
                expected = {
                    "ce_specversion": "1.0",
                    "ce_id": event["id"],
                    "ce_type": event["type"],
                    "ce_source": "/gladly/acme/gladly",
                    "ce_time": time_text(time_ms(event["timestamp"])),
                    "ce_subject": key_of(event).decode(),
                    "content-type": "application/json",
                    "relay-origin": "webhook",
                }
                for header_name, value in expected.items():
                    self.assertEqual(header(record, header_name), value)
                more = {"relay-journal", "relay-seq", "relay-prev-seq", "relay-received-at"}
                names = [header_name for header_name, _ in record.headers]
                self.assertEqual(sorted(names), sorted(expected.keys() | more))
                received = time_ms(header(record, "relay-received-at"))
                self.assertGreaterEqual(received, self.posted_after)
                self.assertLessEqual(received, now_ms())
                journals.add(header(record, "relay-journal"))
        self.assertEqual(len(journals), 1)
        self.assertRegex(journals.pop(), r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

    def test_each_answer_names_the_number_under_which_the_record_arrives(self):
        numbers = [int(self.ping_answer.json["seq"])]
        for posted in self.posted.values():
            numbers += [int(answer.json["seq"]) for name, answer, _ in posted if name in self.bodies]
        self.assertEqual(sorted(numbers), list(range(1, len(self.bodies) + 1)))

    def test_the_previous_numbers_of_each_topic_make_a_chain(self):
        for topic, records in self.records.items():
            last = 0
            for seq in sorted(records):
                self.assertEqual(int(header(records[seq], "relay-prev-seq")), last, topic)
                last = seq

    def test_each_key_is_placed_where_a_java_producer_places_it(self):
        self.assertEqual(murmur2(b"21"), -973932308 & 0xFFFFFFFF)  # Kafka's UtilsTest.testMurmur2
        self.assertEqual(murmur2(b"a-little-bit-long-string"), -985981536 & 0xFFFFFFFF)
        placed = set()
        for name, _, record in self.corpus_records():
            with self.subTest(name):
                partitions = self.topics[record.topic]
                self.assertEqual(partitions, PARTITIONS)
                self.assertEqual(record.partition, partition_of(record.key, partitions))
                placed.add(record.partition)
        self.assertGreater(len(placed), 1)

    def test_a_ping_is_answered_200_and_stays_out_of_kafka(self):
        self.assertEqual(self.ping_answer.status, 200)
        self.assertEqual(self.ping_answer.json["status"], "ping")
        again = self.relay.post({"type": "PING"})  # documented by its type alone
        self.assertEqual((again.status, again.json["status"]), (200, "ping"))
        self.assertNotIn("gladly.ping", self.kafka.topics())
        self.assertNotIn("PING", {header(r, "ce_type") for r in self.kafka.consume_all()})

    def test_a_repeated_delivery_is_answered_with_the_first_number_and_published_once(self):
        topic = "gladly.contact"
        before = self.kafka.end_offsets()
        for name, answer, body in self.posted[topic]:
            if name in self.bodies:
                again = self.relay.post(body)
                self.assertEqual(again.status, 200)
                self.assertEqual(again.json, {"status": "duplicate", "seq": answer.json["seq"]})
        # One more event behind them: whatever they had caused would stand before it.
        self.post({"id": "after-the-duplicates", "type": "CONTACT/ENDED"})
        after = self.kafka.end_offsets()
        self.assertEqual(sum(after.values()), sum(before.values()) + 1)

    def test_the_same_id_with_other_bytes_is_published_and_marked(self):
        first = self.post({"id": "conflicting", "type": "TASK/CREATED", "content": {"a": 1}})
        second = self.post({"id": "conflicting", "type": "TASK/CREATED", "content": {"a": 2}})
        self.assertNotIn("relay-conflicting-id", dict(first.headers))
        self.assertEqual(header(second, "relay-conflicting-id"), "true")
        self.assertEqual(self.relay.events("intake.conflicting_id", id="conflicting")[0]["seq"],
                         header(second, "relay-seq"))

    def test_what_is_no_event_is_quarantined_and_stays_out_of_kafka(self):
        before = self.kafka.end_offsets()
        for body in (b"{", b"", b"[]", b'{"id":"x"}', b'{"type":7}', b'{"type":"A/B"} x'):
            with self.subTest(body):
                answer = self.relay.post(body)
                self.assertEqual((answer.status, answer.json["status"]), (200, "quarantined"))
                self.relay.wait_event("intake.parked", seq=answer.json["seq"])
        self.post({"id": "after-the-quarantined", "type": "TASK/CLOSED"})
        self.assertEqual(sum(self.kafka.end_offsets().values()), sum(before.values()) + 1)

    def test_a_time_that_is_missing_malformed_or_ahead_gives_way_to_the_received_time(self):
        ahead = time_text(now_ms() + 3600 * 1000)
        unusable = [None, "", "yesterday", "2019-07-03", "2019-02-30T00:00:00Z", 17, ahead]
        unusable += ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]
        for i, timestamp in enumerate(unusable):
            with self.subTest(timestamp):
                event = {"id": f"time-{i}", "type": "MESSAGE/RECEIVED", "timestamp": timestamp}
                if timestamp is None:
                    del event["timestamp"]
                before = now_ms()
                record = self.post(event)
                self.assertEqual(header(record, "ce_time"), header(record, "relay-received-at"))
                self.assertEqual(record.ts, time_ms(header(record, "relay-received-at")))
                self.assertTrue(before <= record.ts <= now_ms(), record.ts)

    def test_a_time_with_an_offset_or_fine_fraction_is_understood(self):
        usable = {
            "2019-07-03T06:30:12.07+02:00": time_ms("2019-07-03T04:30:12.07Z"),
            "2019-07-03T04:30:12.123456789Z": time_ms("2019-07-03T04:30:12.123Z"),
            "2019-07-03t04:30:12z": time_ms("2019-07-03T04:30:12Z"),
        }
        for i, (timestamp, ms) in enumerate(usable.items()):
            with self.subTest(timestamp):
                event = {"id": f"usable-{i}", "type": "MESSAGE/RECEIVED", "timestamp": timestamp}
                record = self.post(event)
                self.assertEqual(record.ts, ms)
                self.assertEqual(header(record, "ce_time"), time_text(ms))

    def test_a_trace_context_is_carried_along(self):
        headers = [("traceparent", TRACEPARENT), ("tracestate", TRACESTATE)]
        record = self.post({"id": "traced", "type": "CUSTOMER/MERGED"}, headers)
        self.assertEqual(header(record, "traceparent"), TRACEPARENT)
        self.assertEqual(header(record, "tracestate"), TRACESTATE)
        alone = self.post({"id": "traced-2", "type": "CUSTOMER/MERGED"}, headers[:1])
        self.assertEqual(header(alone, "traceparent"), TRACEPARENT)
        self.assertNotIn("tracestate", dict(alone.headers))
        broken = self.post({"id": "traced-3", "type": "CUSTOMER/MERGED"}, [("traceparent", "00-x")])
        self.assertNotIn("traceparent", dict(broken.headers))

    def test_an_event_of_an_unknown_family_goes_to_the_topic_other(self):
        for event_type in ("BRAND_NEW/THING", "NOSLASH", "../etc/passwd", "CONTACT"):
            with self.subTest(event_type):
                event = {"id": f"other-{event_type}", "type": event_type}
                record = self.post(event, topic="gladly.other")
                self.assertEqual(header(record, "ce_type"), event_type)

    def test_an_event_without_any_id_has_no_key_and_a_name_of_its_own(self):
        body = {"type": "AUTOMATION/MESSAGE_RECEIVED"}
        first, second = self.post(body), self.post(body)  # never a duplicate
        for record in (first, second):
            self.assertIsNone(record.key)
            self.assertNotIn("ce_subject", dict(record.headers))
            own = f"{header(record, 'relay-journal')}:{header(record, 'relay-seq')}"
            self.assertEqual(header(record, "ce_id"), own)

    def test_the_key_is_the_first_usable_id_and_is_decoded(self):
        content = {"conversationId": "", "customerId": 7, "taskId": "t\u00e4sk/\u2603\"", "agentId": "a"}
        event = {"content": content, "id": "decoded", "type": "TASK/REOPENED"}
        record = self.post(json.dumps(event, ensure_ascii=True).encode())
        self.assertEqual(record.key, content["taskId"].encode())
        self.assertEqual(header(record, "ce_subject"), content["taskId"])
        self.assertEqual(record.partition, partition_of(record.key, PARTITIONS))

    def test_bytes_are_kept_as_they_came(self):
        body = b' \r\n{ "type" :\t"EXPORT_JOB/COMPLETED", "n": 1.0e+02, "n": -0, "s": "\\u0041\xc3\xa9",\n"id":"kept"} \n'
        self.assertEqual(self.post(body).value, body)

    def test_the_metrics_count_what_was_published(self):
        published = lambda: self.relay.scrape().sum("relay_published_total", source="gladly")
        offsets = sum(self.kafka.end_offsets().values())
        harness.wait_until(lambda: published() >= offsets, "all is counted")
        self.assertEqual(published(), offsets)
        self.assertIsNotNone(re.search(r"gladly\.contact", str(self.relay.scrape().samples)))


if __name__ == "__main__":
    harness.main()
