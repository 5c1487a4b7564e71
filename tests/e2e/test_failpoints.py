# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at named points of the program, and at random ones, under load, against a real Kafka, in both modes of delivery.

FAILPOINT("name") in src/ names the points; gladly-relay-failpoints is the program that has them (src/base/failpoint.h), and the
shipped one has none. Every point that exists must fire, so a new one cannot be forgotten here. A kill counts only
when at that moment at least UNANSWERED_MIN requests had no answer, by the load's ledger; otherwise it is repeated. The
verdict over the whole load is that of proofs.py: at-least-once loses nothing and labels every repetition; exactly-once
shows a read_committed reader every event once. Its control is shown over what was really read, and
in exactly-once mode a read_uncommitted reader must see the repetitions that the aborted transactions left.

RELAY_LONG=1: hundreds of kills in each mode on each version of Kafka; only there the point fires that needs most of a
quarter of a minute (SLOW).
"""
import glob
import os
import random
import re
import unittest

import broker
import feed_check
import harness
import proofs

FAILPOINTS_BIN = harness.setting("FAILPOINTS_BIN")
POINT = re.compile(r'\bFAILPOINT\("([a-z_.]+)"\)')
# Points that lie on the way of one mode only, by what their name begins with.
ONE_MODE = {"transaction.": proofs.EXACTLY_ONCE, "publisher.": proofs.AT_LEAST_ONCE}
# How often a process passes a point before it is killed there, at most. The others are passed often.
PASSES = {"journal.lane_made": 2, "journal.pruned": 1, "transaction.recover": 1}  # a start recovers once
PASSES_OFTEN = 40
# Until a new lane exists the point has been passed; so it comes first, while the journal is empty.
FIRST = "journal.lane_made"
# Retention looks for the first time 11 s after a start (ROUND_MS and LOOK_MS in src/relay/keeper.c).
SLOW = "journal.pruned"

# The long tier, of one mode on one version: so many loads, each with a journal and topics of its own, with so many kills,
# about a third of them at a random moment. It is what lets the whole long tier end within two hours.
LOADS = 2
KILLS = 40
UNANSWERED_MIN = 16
UNANSWERED_MIN_FIRST = 1  # the very first batch may hold a single request, and there is no second try
TRIES = 5  # of one kill until it counts
RANDOM_ANSWERS = (100, 2000)
LIFETIME_S = 3600
OPTIONS = {
    # Small enough that checkpoints and deletes happen all the time.
    "journal": {"checkpoint_pages": 100, "retention_bytes": "1MiB"},
    "kafka": {"linger.ms": 20},
}


def points():
    """Every point that is in the source, in the order of their names, FIRST first."""
    found = set()
    for path in glob.glob(os.path.join(harness.SOURCE_DIR, "src", "*", "*.c")):
        with open(path, encoding="utf-8") as f:
            found |= set(POINT.findall(f.read()))
    return sorted(found, key=lambda name: (name != FIRST, name))


def of_prefix(table, name, default):
    """The value of the table's key with which the name begins."""
    return next((value for key, value in table.items() if name.startswith(key)), default)


class Killer:
    """One load whose relay dies again and again."""

    def __init__(self, test, kafka):
        self.test = test
        self.kafka = kafka
        self.run = proofs.Run(test, kafka, options=OPTIONS)
        self.relay = self.run.relay
        self.relay.program = FAILPOINTS_BIN
        self.plain_env = dict(self.relay.env)
        self.unanswered = []  # at each kill that counts
        self.open = []
        self.fired = {}

    def launch(self, armed=None):
        self.relay.env = dict(self.plain_env, **({"RELAY_FAILPOINT": armed} if armed else {}))
        self.relay.launch()

    def start_load(self):
        """The load comes before its relay, which is to die with the first requests, too."""
        self.run.start_load(proofs.STUBBORN_LOAD)

    def note_death(self, what, unanswered_min=UNANSWERED_MIN):
        """Whether the kill that just was counts."""
        died_us = proofs.now_us()
        with self.relay.journal() as journal:
            unpublished = journal.beyond_cursors
        self.launch()
        self.relay.wait_ready()
        self.run.load.wait_answered(4 * proofs.CONNECTIONS)
        unanswered = self.run.unanswered_over(died_us)
        counts = unanswered >= unanswered_min
        again = "" if counts else ": repeated"
        harness.note(f"{what}: {unanswered} unanswered, {unpublished} beyond the cursors{again}")
        if counts:
            self.unanswered.append(unanswered)
            self.open.append(unpublished)
        return counts

    def die_at(self, point):
        for _ in range(TRIES):
            nth = random.randint(1, of_prefix(PASSES, point, PASSES_OFTEN))
            if self.relay.is_running():
                self.relay.kill()
            self.launch(f"{point}:{nth}")
            self.relay.wait_killed()
            unanswered_min = UNANSWERED_MIN_FIRST if point == FIRST else UNANSWERED_MIN
            if self.note_death(f"{point}:{nth}", unanswered_min):
                self.fired[point] = self.fired.get(point, 0) + 1
                return
        self.test.fail(f"{point}: no kill of {TRIES} had requests under way")

    def die_anywhere(self):
        for _ in range(TRIES):
            if not self.relay.is_running():
                self.launch()
            self.run.load.wait_answered(random.randint(*RANDOM_ANSWERS))
            self.relay.kill()
            if self.note_death("random"):
                return
        self.test.fail(f"no random kill of {TRIES} had requests under way")

    def finish(self):
        """The last process, without a failpoint, publishes what is left."""
        if self.relay.is_running():
            self.relay.kill()
        self.launch()
        self.relay.wait_ready()
        verdict = self.run.finish()
        harness.note(
            f"{self.test.DELIVERY}, Kafka {self.test.VERSION}: {len(self.open)} kills, {len(self.fired)} points, "
            f"unanswered at a kill {min(self.unanswered)} to {max(self.unanswered)}, "
            f"beyond the cursors {min(self.open)} to {max(self.open)}; "
            f"{len(self.run.ledger)} answered, {verdict.duplicates} repeated"
        )
        return verdict


class Points(proofs.Proof):
    VERSION = broker.VERSION

    def setUp(self):
        super().setUp()
        self.kafka = broker.Kafka(version=self.VERSION, lifetime_s=LIFETIME_S)
        self.addCleanup(self.kafka.end)

    def own_points(self):
        own = [p for p in points() if of_prefix(ONE_MODE, p, self.DELIVERY) == self.DELIVERY]
        own.remove(SLOW)
        self.assertGreater(len(own), 5)
        return own

    def test_nothing_is_lost_by_a_kill_at_any_point(self):
        own = self.own_points()
        if not harness.IS_LONG:
            self.kill_under_load(own)
            return
        more = [point for point in own if point != FIRST]
        for i in range(LOADS):
            plan = own + ([SLOW] if i == 0 else [])
            plan += [random.choice((None, *random.choices(more, k=2))) for _ in range(KILLS - len(plan))]
            self.kill_under_load(plan)

    def kill_under_load(self, plan):
        """One load; plan: at which points the relay dies one after the other, None for any moment."""
        killer = Killer(self, self.kafka)
        killer.start_load()
        with harness.Stopwatch("kills"):
            for point in plan:
                if point is None:
                    killer.die_anywhere()
                else:
                    killer.die_at(point)
        verdict = killer.finish()
        self.assertEqual(set(killer.fired), {point for point in plan if point})
        if self.DELIVERY == proofs.EXACTLY_ONCE:
            self.check_blind_reader(killer.run)
        else:
            self.assertGreater(verdict.duplicates, 0, "no kill came between Kafka and the cursor")

    def check_blind_reader(self, run):
        """The control: who reads aborted transactions, too, sees events twice."""
        blind = feed_check.check(run.ledger, run.read_back("read_uncommitted"), exactly_once=True)
        harness.note(f"read_uncommitted: {blind.duplicates} records repeated")
        self.assertIn("repeated", blind.kinds())


class AtLeastOnce(Points, unittest.TestCase):
    DELIVERY = proofs.AT_LEAST_ONCE


class ExactlyOnce(Points, unittest.TestCase):
    DELIVERY = proofs.EXACTLY_ONCE


@unittest.skipUnless(harness.IS_LONG, "belongs to the long tier")
class AtLeastOnceOther(AtLeastOnce):
    VERSION = broker.OTHER_VERSION


@unittest.skipUnless(harness.IS_LONG, "belongs to the long tier")
class ExactlyOnceOther(ExactlyOnce):
    VERSION = broker.OTHER_VERSION


class Program(unittest.TestCase):
    def test_the_shipped_program_has_no_point(self):
        with open(harness.RELAY_BIN, "rb") as f:
            shipped = f.read()
        with open(FAILPOINTS_BIN, "rb") as f:
            armed = f.read()
        for name in [*points(), "RELAY_FAILPOINT"]:
            text = name.encode() + b"\0"
            self.assertIn(text, armed)  # so the search finds what is there
            self.assertNotIn(text, shipped)
        self.assertIn(b"failpoint_pass", armed)
        self.assertNotIn(b"failpoint_pass", shipped)


if __name__ == "__main__":
    harness.main()
