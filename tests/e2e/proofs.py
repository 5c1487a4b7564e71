# SPDX-License-Identifier: Apache-2.0
"""What the proofs against a real Kafka share: the two modes of delivery, a load under trouble, and the verdict over it.

A class of tests names its mode in DELIVERY and is run once in each:

    class Trouble(proofs.Proof): ...            the tests
    class AtLeastOnce(Trouble, unittest.TestCase): DELIVERY = proofs.AT_LEAST_ONCE
    class ExactlyOnce(Trouble, unittest.TestCase): DELIVERY = proofs.EXACTLY_ONCE

The verdict is feed_check's, over the load's ledger and what kcat reads with isolation.level=read_committed: nothing of it
is the relay's own account. In exactly-once mode every event must be there exactly once.
"""
import random
import time
import unittest

import feed_check
import harness

AT_LEAST_ONCE = "at_least_once"
EXACTLY_ONCE = "exactly_once"

DRAIN_S = 240
RATE = 300
# Records wait so long in the client for company, so that at any moment some are under way.
LINGER_MS = 100
UNDER_WAY = RATE * LINGER_MS // 1000 // 3
# Without retries: an answer that is not 2xx, or a broken connection, fails the test.
STEADY_LOAD = ("--connections", "8", "--rate", str(RATE), "--duration", "3600", "--key-per-connection")
CONNECTIONS = 64
# For a relay that is killed: every event is sent until it is answered.
STUBBORN_LOAD = ("--connections", str(CONNECTIONS), "--duration", "3600", "--mix", "400:100")
STUBBORN_LOAD += ("--key-per-connection", "--reconnect", "--retry-unanswered")


def now_us():
    return time.time_ns() // 1000


class Run:
    """A relay with topics of its own, a load on it, and what came of both."""

    def __init__(self, test, kafka, bootstrap=None, options=None):
        """options: as of harness.Relay. bootstrap: if the relay is not to use kafka's own."""
        self.test = test
        self.kafka = kafka
        self.exactly_once = test.DELIVERY == EXACTLY_ONCE
        self.directory = harness.make_directory()
        self.prefix = f"p{random.randrange(1 << 32):08x}."
        self.relay = harness.Relay(self.directory, bootstrap or kafka.bootstrap, options=options)
        self.relay.options["source gladly"]["topic"] = self.prefix + "{family}"
        self.relay.options["kafka"].setdefault("linger.ms", LINGER_MS)
        if self.exactly_once:
            self.relay.options["kafka"]["delivery"] = EXACTLY_ONCE
        self.relay.write_conf()
        self.load = None
        self.ledger = []
        self.records = []
        test.addCleanup(self.relay.end)

    def start(self):
        self.relay.start()
        return self

    def start_load(self, load=STEADY_LOAD):
        self.load = harness.Loadgen(self.directory, self.relay, *load)
        self.test.addCleanup(self.load.end)

    def topic(self, family):
        return self.prefix + family

    def published(self, **labels):
        """How many events the relay that runs now knows to be in Kafka."""
        return self.relay.scrape().sum("relay_published_total", **labels)

    def wait_flow(self, more=1, **labels):
        """Until so many events more are in Kafka, by the relay's own account."""
        goal = self.published(**labels) + more
        harness.wait_until(
            lambda: self.published(**labels) >= goal,
            lambda: f"records flow {labels}; the log:\n{self.relay.log_tail()}",
            DRAIN_S,
        )

    def wait_backlog(self, more=UNDER_WAY):
        """Until Kafka lacks so many events; without a number: until some are under way, as at any time of this load."""
        harness.wait_until(lambda: self.relay.backlog() >= more, f"{more} events wait for Kafka")

    def check_intake_goes_on(self, answers=RATE):
        self.load.wait_answered(answers)
        self.test.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)

    def unanswered_over(self, moment_us):
        """How many requests were under way at a moment at which no relay ran, by the ledger as it is now."""
        self.ledger += self.load.new_ledger_lines()
        return sum(1 for line in self.ledger if line.send_us < moment_us < line.answer_us)

    def status(self):
        """What an operator sees: the exit code and the text of gladly-relay status."""
        code, out, err = harness.run_relay("status", "-c", self.relay.conf_path)
        return code, out + err

    def drain(self):
        """Ends the load and waits until all is published."""
        self.load.stop()
        self.ledger += self.load.new_ledger_lines()
        with harness.Stopwatch("drain"):
            self.relay.wait_published(DRAIN_S)
        self.test.assertEqual(self.relay.stop(), 0)

    def read_back(self, isolation="read_committed"):
        found = self.kafka.consume_all(self.prefix, isolation)
        return [feed_check.feed_record(record) for record in found]

    def finish(self):
        """Everything to its end, and the verdict, which must be clean."""
        self.drain()
        with harness.Stopwatch("read back"):
            self.records = self.read_back()
        verdict = feed_check.check(self.ledger, self.records, self.exactly_once)
        harness.note(f"{self.test.DELIVERY}: {str(verdict).splitlines()[0]}")
        self.test.assertEqual(verdict.problems, [], verdict)
        self.test.assertEqual({line.status for line in self.ledger}, {"200"})
        self.test.assertEqual(len(verdict.firsts), len(self.ledger))
        with self.relay.journal() as journal:
            self.test.assertTrue(journal.is_intact())
            self.test.assertEqual(journal.parked, {})
        self.check_the_checker()
        return verdict

    def check_the_checker(self):
        """The control: the same verdict turns when one record is taken out of what was read, or put in twice."""
        newest = {}
        for record in self.records:
            newest[record.topic] = max(newest.get(record.topic, 0), record.seq)
        times = {}
        for record in self.records:
            times[record.seq] = times.get(record.seq, 0) + 1
        # Behind the newest record of a lane there is no hole.
        victims = [r for r in self.records if times[r.seq] == 1 and r.seq != newest[r.topic]]
        victim = random.choice(victims)
        fewer = [record for record in self.records if record is not victim]
        kinds = feed_check.check(self.ledger, fewer, self.exactly_once).kinds()
        self.test.assertLessEqual({"missing", "hole"}, kinds)
        again = victim._replace(offset=victim.offset + (1 << 40), is_labelled=self.exactly_once)
        kinds = feed_check.check(self.ledger, self.records + [again], self.exactly_once).kinds()
        self.test.assertEqual(kinds, {"repeated" if self.exactly_once else "unlabelled"})


class Proof:
    """
    The parent of a class of tests that is run in both modes. IS_SPARED: in the short tier the at-least-once half is
    left out, as test_kill and test_kafka_absent show much the same in that mode.
    """

    DELIVERY = AT_LEAST_ONCE
    IS_SPARED = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.DELIVERY == EXACTLY_ONCE and not harness.has_exactly_once():
            raise unittest.SkipTest("this build has no exactly-once delivery")
        is_spared = cls.IS_SPARED and harness.has_exactly_once() and not harness.IS_LONG
        if cls.DELIVERY == AT_LEAST_ONCE and is_spared:
            raise unittest.SkipTest("belongs to the long tier")

    def setUp(self):
        seed = random.randrange(1 << 32)
        random.seed(seed)
        harness.note(f"{self.id()}: seed {seed}")
        stopwatch = harness.Stopwatch(self.id())
        stopwatch.__enter__()
        self.addCleanup(stopwatch.__exit__)
