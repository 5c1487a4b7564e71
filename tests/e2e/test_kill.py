# SPDX-License-Identifier: Apache-2.0
"""SIGKILL under load: every event that was answered 2xx is in Kafka, in order and without a hole.

A kill counts only when at that moment at least UNANSWERED_MIN requests had no answer, by the ledger of
loadgen, and at least BETWEEN_MIN records stood between journal and Kafka; otherwise it is repeated.
"""
import collections
import random
import time
import unittest

import broker
import feed_check
import harness
from feed_check import FeedRecord
from harness import LedgerLine

KILLS = 10
TRIES = 40
CONNECTIONS = 64
UNANSWERED_MIN = 32
BETWEEN_MIN = 100
# The journal learns late what Kafka has, so more than BETWEEN_MIN must be open by its own account.
# What Kafka really had is found out at the end.
OPEN_MIN = 3 * BETWEEN_MIN
# Records wait so long in the client for company: at any moment some hundred are under way.
LINGER_MS = 100
ANSWERS_BETWEEN_KILLS = (500, 6000)

Kill = collections.namedtuple("Kill", "unanswered open last_seq end_offsets")


def now_us():
    return time.time_ns() // 1000


class Run:
    """One load with kills in it."""

    def __init__(self, kafka):
        self.kafka = kafka
        self.directory = harness.make_directory()
        options = {"kafka": {"linger.ms": LINGER_MS}}
        self.relay = harness.Relay(self.directory, kafka.bootstrap, options=options).start()
        self.load = harness.Loadgen(
            self.directory,
            self.relay,
            *("--connections", str(CONNECTIONS), "--duration", "600", "--mix", "400:100"),
            *("--key-per-connection", "--reconnect", "--retry-unanswered"),
        )
        self.ledger = []
        self.kills = []  # those that count
        self.open_at_kills = 0  # of all, and so of what may be repeated
        self.tries = 0

    def end(self):
        self.load.end()
        self.relay.end()

    def unanswered_over(self, killed_us, started_us):
        self.ledger += self.load.new_ledger_lines()
        return sum(
            1 for line in self.ledger if line.send_us < killed_us and line.answer_us > started_us
        )

    def kill(self, while_dead):
        """One SIGKILL and restart under load. while_dead() is called in between; the end offsets of Kafka or None."""
        self.tries += 1
        self.load.wait_answered(random.randint(*ANSWERS_BETWEEN_KILLS))
        killed_us = now_us()
        self.relay.kill()
        with self.relay.journal() as journal:
            offsets = while_dead()
            started_us = now_us()
            self.relay.start()
            # Each connection has had its answer to what was under way, and some more.
            self.load.wait_answered(10 * CONNECTIONS)
            unanswered = self.unanswered_over(killed_us, started_us)
            kill = Kill(unanswered, journal.beyond_cursors, journal.last_seq, offsets)
        self.open_at_kills += kill.open
        counts = kill.unanswered >= UNANSWERED_MIN and kill.open >= OPEN_MIN
        harness.note(
            f"kill {self.tries}: {kill.unanswered} unanswered, {kill.open} open of "
            f"{kill.last_seq}{'' if counts else ': repeated'}"
        )
        if counts:
            self.kills.append(kill)

    def kill_until(self, count, while_dead=None):
        while len(self.kills) < count:
            assert self.tries < TRIES, f"only {len(self.kills)} of {self.tries} kills count"
            self.kill(while_dead or self.kafka.end_offsets)

    def kill_in_outage(self, count):
        """Stops the broker, kills so many times, and starts the broker again while the relay is dead, too."""
        first = len(self.kills)
        self.kafka.stop()
        self.kill_until(first + count - 1, while_dead=lambda: None)
        at_outage = []

        def restart():
            if not at_outage:
                self.kafka.restart()
                at_outage.append(self.kafka.end_offsets())
            return at_outage[0]

        self.kill(restart)
        for i, kill in enumerate(self.kills):
            if kill.end_offsets is None:
                self.kills[i] = kill._replace(end_offsets=at_outage[0])

    def finish(self):
        """Ends the load, waits until all is published, and reads it back."""
        report = self.load.stop()
        self.ledger += self.load.new_ledger_lines()
        with harness.Stopwatch("drain"):
            self.relay.wait_published()
        assert self.relay.stop() == 0
        with harness.Stopwatch("read back"):
            self.records = [feed_check.feed_record(r) for r in self.kafka.consume_all()]
        return report

    def between(self, kill):
        """Records that the journal had at the kill and Kafka did not."""
        return sum(
            1
            for record in self.verdict.firsts
            if record.seq <= kill.last_seq
            and record.offset >= kill.end_offsets.get((record.topic, record.partition), 0)
        )

    def judge(self, test):
        self.verdict = feed_check.check(self.ledger, self.records)
        harness.note(str(self.verdict).splitlines()[0])
        test.assertEqual(self.verdict.problems, [], self.verdict)
        test.assertEqual({line.status for line in self.ledger}, {"200"})
        between = [self.between(kill) for kill in self.kills]
        harness.note(f"between journal and Kafka at the kills: {between}")
        test.assertGreaterEqual(min(between), BETWEEN_MIN)
        with self.relay.journal() as journal:
            test.assertTrue(journal.is_intact())
            test.assertEqual(journal.parked, {})
            events = journal.number("SELECT count(*) FROM events")
            test.assertEqual(events, len(self.verdict.firsts))
        test.assertEqual(len(self.ledger), len(self.verdict.firsts))


class Kills(unittest.TestCase):
    def setUp(self):
        seed = random.randrange(1 << 32)
        random.seed(seed)
        harness.note(f"seed {seed}")
        self.kafka = broker.Kafka()
        self.addCleanup(self.kafka.end)
        self.run_ = Run(self.kafka)
        self.addCleanup(self.run_.end)

    def test_nothing_answered_is_lost_by_ten_kills_under_load(self):
        run = self.run_
        with harness.Stopwatch("kills"):
            run.kill_until(KILLS)
        run.finish()
        run.judge(self)
        # Only what the journal did not know to be published may be sent again.
        self.assertLessEqual(run.verdict.duplicates, run.open_at_kills)
        self.check_the_checker(run)

    def test_nothing_answered_is_lost_by_ten_kills_around_an_outage_of_the_broker(self):
        run = self.run_
        with harness.Stopwatch("kills"):
            run.kill_until(3)
            run.kill_in_outage(4)
            run.kill_until(KILLS)
        run.finish()
        run.judge(self)

    def test_a_journal_that_loses_commits_would_be_noticed(self):
        """The control: between two processes the journal is put back to an earlier state, as a disk would that forgets."""
        run = self.run_
        run.load.wait_answered(1000)
        self.kafka.pause()  # what is lost must not be in Kafka already
        run.load.wait_answered(1000)
        run.relay.kill()
        with run.relay.journal() as earlier:
            run.relay.start()
            run.load.wait_answered(1000)
            run.relay.kill()
            with run.relay.journal() as later:
                lost = later.last_seq - earlier.last_seq
            earlier.put_back()
        harness.note(f"events put away: {lost}")
        self.assertGreater(lost, CONNECTIONS)  # more than what nobody had an answer to
        run.relay.start()
        run.load.wait_answered(1000)
        self.kafka.resume()
        run.finish()
        verdict = feed_check.check(run.ledger, run.records)
        harness.note(f"found: {sorted(verdict.kinds())}")
        self.assertIn("missing", verdict.kinds())

    def check_the_checker(self, run):
        """The verdict over what was really read turns when one record is taken out or two change places."""
        records, ledger = run.records, run.ledger
        ends = {topic: max(r.seq for r in records if r.topic == topic) for topic in {r.topic for r in records}}
        inside = [r.seq for r in records if r.seq != ends[r.topic]]  # behind the last one of a lane there is no hole
        once = [seq for seq, n in collections.Counter(inside).items() if n == 1]
        lost = random.choice(once)
        fewer = [record for record in records if record.seq != lost]
        kinds = feed_check.check(ledger, fewer).kinds()
        self.assertLessEqual({"missing", "hole"}, kinds)
        self.assertEqual(feed_check.check(ledger, swapped(records)).kinds(), {"order"})


def swapped(records):
    """Two records of one key change their offsets; neither is repeated, since only an event's first record shows the order."""
    times = collections.Counter((record.topic, record.seq) for record in records)
    lanes = collections.defaultdict(list)
    for record in records:
        if times[record.topic, record.seq] == 1:
            lanes[record.topic, record.key].append(record)
    first, second = max(lanes.values(), key=len)[-2:]
    others = [record for record in records if record not in (first, second)]
    return others + [
        first._replace(offset=second.offset),
        second._replace(offset=first.offset),
    ]


class Checker(unittest.TestCase):
    """The checker finds each kind of fault in a feed that is doctored by hand."""

    def setUp(self):
        self.ledger = [
            LedgerLine(f"e{i}", "200", i, f"k{i % 2}", (i + 1) // 2, i, i + 1) for i in range(1, 9)
        ]
        self.records = [
            FeedRecord("t", i % 2, i, b"k%d" % (i % 2), f"e{i}", i, i - 1, True, False, b"body %d" % i)
            for i in range(1, 9)
        ]

    def kinds(self):
        return feed_check.check(self.ledger, self.records).kinds()

    def repeated(self, i, **changes):
        return self.records[i]._replace(offset=20 + i, is_labelled=True, **changes)

    def test_a_faultless_feed_passes(self):
        self.assertEqual(self.kinds(), set())

    def test_a_feed_with_repeated_records_passes_and_they_are_counted(self):
        self.records += [self.repeated(i) for i in (3, 5, 7)]
        self.assertEqual(self.kinds(), set())
        self.assertEqual(feed_check.check(self.ledger, self.records).duplicates, 3)

    def test_an_event_without_an_answer_may_be_there_or_not(self):
        self.ledger[7] = self.ledger[7]._replace(status="unanswered", seq=None, answer_us=0)
        self.assertEqual(self.kinds(), set())
        self.records.pop()
        self.assertEqual(self.kinds(), set())

    def test_a_record_that_is_missing_is_found(self):
        del self.records[3]
        self.assertEqual(self.kinds(), {"missing", "hole", "intake order"})

    def test_the_last_record_that_is_missing_is_found(self):
        self.records.pop()
        self.assertEqual(self.kinds(), {"missing"})

    def test_a_hole_without_a_known_event_is_found(self):
        self.ledger = self.ledger[:4]
        self.records = self.records[:4]
        self.records[3] = self.records[3]._replace(seq=6, prev=5)
        self.ledger[3] = self.ledger[3]._replace(seq=6)
        self.assertEqual(self.kinds(), {"hole"})

    def test_records_of_a_key_out_of_order_are_found(self):
        self.assertEqual(len(self.records), 8)
        self.records = swapped(self.records)
        self.assertEqual(self.kinds(), {"order"})

    def test_a_record_that_overtakes_and_comes_again_is_found(self):
        late = self.records[3]  # 2, 6, 4, 6 of one key
        self.records = [self.records[i]._replace(offset=i) for i in range(8) if i != 3]
        self.records += [late._replace(offset=20), self.repeated(4)]
        self.assertEqual(self.kinds(), {"order"})

    def test_an_event_that_is_journaled_twice_is_found(self):
        self.records.append(self.records[7]._replace(seq=9, prev=8, offset=9))
        self.assertIn("twice", self.kinds())

    def test_an_answer_with_another_number_is_found(self):
        self.ledger[4] = self.ledger[4]._replace(seq=77)
        self.assertEqual(self.kinds(), {"number"})

    def test_a_key_in_two_partitions_is_found(self):
        self.records[5] = self.records[5]._replace(partition=3)
        self.assertIn("partition", self.kinds())

    def test_a_repetition_with_other_bytes_is_found(self):
        self.records.append(self.repeated(5, value=b"other"))
        self.assertEqual(self.kinds(), {"changed"})

    def test_a_repetition_that_is_not_labelled_is_found(self):
        self.records.append(self.repeated(5)._replace(is_labelled=False))
        self.assertEqual(self.kinds(), {"unlabelled"})

    def test_exactly_once_a_faultless_feed_passes(self):
        self.assertEqual(feed_check.check(self.ledger, self.records, exactly_once=True).kinds(), set())

    def test_exactly_once_a_repetition_is_found_labelled_or_not(self):
        for is_labelled in (True, False):
            again = self.repeated(5)._replace(is_labelled=is_labelled)
            verdict = feed_check.check(self.ledger, self.records + [again], exactly_once=True)
            self.assertEqual(verdict.kinds(), {"repeated"})
            self.assertEqual(verdict.duplicates, 1)

    def test_exactly_once_a_repetition_out_of_order_or_with_other_bytes_is_found(self):
        again = self.repeated(5, value=b"other", partition=3)
        kinds = feed_check.check(self.ledger, self.records + [again], exactly_once=True).kinds()
        self.assertEqual(kinds, {"repeated", "changed"})

    def test_exactly_once_finds_what_is_found_otherwise(self):
        lost = self.records[:3] + self.records[4:]
        kinds = feed_check.check(self.ledger, lost, exactly_once=True).kinds()
        self.assertEqual(kinds, {"missing", "hole", "intake order"})
        kinds = feed_check.check(self.ledger, swapped(self.records), exactly_once=True).kinds()
        self.assertEqual(kinds, {"order"})

    def test_a_body_that_is_another_event_is_found(self):
        self.records[5] = self.records[5]._replace(is_intact=False)
        self.assertEqual(self.kinds(), {"broken"})

    def test_events_of_a_key_journaled_out_of_order_are_found(self):
        self.ledger[1], self.ledger[3] = (
            self.ledger[1]._replace(n=self.ledger[3].n),
            self.ledger[3]._replace(n=self.ledger[1].n),
        )
        self.assertEqual(self.kinds(), {"intake order"})


if __name__ == "__main__":
    harness.main()
