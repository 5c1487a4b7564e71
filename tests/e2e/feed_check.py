# SPDX-License-Identifier: Apache-2.0
"""Judges a feed: what loadgen was promised (its ledger) against what stands in Kafka.

Load with one key a connection and retries until answered, so that every key's events come in one
order and each exactly once. Promised are: nothing answered is missing, no event is in the journal
twice, the order of each key, and no hole in the chain of relay-prev-seq.

In at-least-once mode it is not promised that a record is in Kafka only once: repetitions are counted,
and each must say that it may be one. In exactly-once mode a repetition is a fault, labelled or not; the
records must then come from a reader with isolation.level=read_committed.
"""
import collections
import json

from broker import header

PROBLEMS_SHOWN = 20

FeedRecord = collections.namedtuple(
    "FeedRecord", "topic partition offset key id seq prev is_intact is_labelled value"
)


def feed_record(record):
    """From a Kafka record. is_intact: the body is the event that the headers tell of; is_labelled: it may be a repetition."""
    id_ = header(record, "ce_id")
    body = json.loads(record.value)
    return FeedRecord(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        id_,
        int(header(record, "relay-seq")),
        int(header(record, "relay-prev-seq")),
        body["id"] == id_ and body["type"] == header(record, "ce_type"),
        ("relay-possible-duplicate", b"true") in record.headers,
        record.value,
    )


class Verdict:
    def __init__(self):
        self.problems = []
        self.firsts = []  # each event's first record, in Kafka's order
        self.duplicates = 0  # records beyond those
        self.answered = 0
        self.keys = 0

    def blame(self, kind, text):
        self.problems.append(f"{kind}: {text}")

    def kinds(self):
        return {problem.split(":")[0] for problem in self.problems}

    def __str__(self):
        shown = self.problems[:PROBLEMS_SHOWN]
        return "\n".join(
            [
                f"{len(self.problems)} problems; {self.answered} events answered 2xx, "
                f"{len(self.firsts)} in Kafka, {self.duplicates} records repeated, {self.keys} keys",
                *shown,
            ]
        )


def split_repetitions(records, verdict, exactly_once):
    seen = {}
    for record in sorted(records, key=lambda r: (r.topic, r.partition, r.offset)):
        first = seen.setdefault(record.seq, record)
        if first is record:
            verdict.firsts.append(record)
            continue
        verdict.duplicates += 1
        if exactly_once:
            verdict.blame("repeated", f"{record.topic}: seq {record.seq} is there again")
        same = ("topic", "partition", "key", "id", "prev", "value")
        if any(getattr(first, field) != getattr(record, field) for field in same):
            verdict.blame("changed", f"seq {record.seq} was repeated as another record")
        if not record.is_labelled and not exactly_once:
            verdict.blame("unlabelled", f"{record.topic}: seq {record.seq} is a repetition")


def check_answers(ledger, verdict):
    """What was answered is there, under the number of the answer, and only once in the journal."""
    seq_of = {}
    for record in verdict.firsts:
        if not record.is_intact:
            verdict.blame("broken", f"seq {record.seq}: the body is not event {record.id}")
        if seq_of.setdefault(record.id, record.seq) != record.seq:
            verdict.blame("twice", f"event {record.id} is seq {seq_of[record.id]} and {record.seq}")
    known = set()
    for line in ledger:
        known.add(line.id)
        if not line.status.startswith("2"):
            continue
        verdict.answered += 1
        seq = seq_of.get(line.id)
        if seq is None:
            verdict.blame("missing", f"event {line.id}, answered with seq {line.seq}")
        elif seq != line.seq:
            verdict.blame("number", f"event {line.id}: answered {line.seq}, in Kafka {seq}")
    for id_ in seq_of.keys() - known:
        verdict.blame("unknown", f"event {id_} was never sent")


def check_journal_order(ledger, verdict):
    """The journal took the events of each of loadgen's keys in the order in which they were sent, without a gap."""
    line_of = {line.id: line for line in ledger}
    last_n = {}
    for record in sorted(verdict.firsts, key=lambda r: r.seq):
        line = line_of.get(record.id)
        if line is None:
            continue
        wanted = last_n.get(line.key, 0) + 1
        if line.n != wanted:
            verdict.blame("intake order", f"key {line.key}: number {line.n} where {wanted} was due")
        last_n[line.key] = line.n
    verdict.keys = len(last_n)


def check_record_order(verdict):
    """The records of one key stand in one partition and in the order of the journal."""
    place = {}
    last = {}
    for record in verdict.firsts:
        lane_key = (record.topic, record.key)
        if place.setdefault(lane_key, record.partition) != record.partition:
            verdict.blame("partition", f"{record.topic}: key {record.key} is in two partitions")
        if last.get(lane_key, 0) > record.seq:
            verdict.blame("order", f"{record.topic}: seq {record.seq} after {last[lane_key]}")
        last[lane_key] = record.seq


def check_chain(verdict):
    last = {}
    for record in sorted(verdict.firsts, key=lambda r: r.seq):
        wanted = last.get(record.topic, 0)
        if record.prev != wanted:
            text = f"{record.topic}: seq {record.seq} comes after {record.prev}, but {wanted} is here"
            verdict.blame("hole", text)
        last[record.topic] = record.seq


def check(ledger, records, exactly_once=False):
    """ledger: lines of loadgen; records: FeedRecords of one journal in any order."""
    verdict = Verdict()
    split_repetitions(records, verdict, exactly_once)
    check_answers(ledger, verdict)
    check_journal_order(ledger, verdict)
    check_record_order(verdict)
    check_chain(verdict)
    return verdict
