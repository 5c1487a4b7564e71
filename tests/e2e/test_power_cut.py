# SPDX-License-Identifier: Apache-2.0
"""Power cuts under load: no event that was answered 2xx is lost, and the same cut with synchronous=NORMAL loses some.

The relay runs over libshadow.so, which keeps beside its data directory what a power cut would leave: only bytes that a
successful sync covers, and only names whose directory was synced. A cut is SIGKILL at a random moment under load; the
next process starts on the copy, while the clients go on sending what has no answer. Kafka is away all the time.

The control is the same relay, load, cut and reader; only the syncs of its commits are left out (control_normal.c).
Its own directory, which a mere kill leaves, still has everything: it is the power cut that the shadow makes.
"""
import os
import random
import unittest

import harness
import shadowed

SEEDS = 100 if shadowed.IS_LONG else 8
CONTROL_SEEDS = 20 if shadowed.IS_LONG else 6
LIVES = 3
# How many starts in a hundred are cut short, in the middle of recovery if the moment is hit.
CUT_STARTS_PERCENT = 30
START_PATIENCE_S = 10
NEVER = 100000  # pages in the WAL before a checkpoint: more than a life writes


class Run:
    """One load and the lives of a relay under it, each ended by a power cut."""

    def __init__(self, seed, preload=(), checkpoint_pages=None):
        self.random = random.Random(seed)
        self.preload = preload
        self.directory = harness.make_directory()
        self.places = 0
        self.acknowledged = {}  # id: seq
        self.cut_starts = 0
        self.cut_recoveries = 0
        journal = {
            "checkpoint_pages": checkpoint_pages or self.random.choice([100, 300, 1000, NEVER]),
            "commit_rows_max": self.random.choice([1, 8, 1024]),
            "wal_max": self.random.choice(["1MiB", "64MiB"]),
        }
        self.relay = shadowed.Relay(self.directory, {"journal": journal})
        self.load = None

    def new_place(self):
        """Fresh names for a data directory and its shadow."""
        self.places += 1
        base = os.path.join(self.directory, f"life{self.places}")
        return base, base + "-shadow"

    def begin(self):
        data, shadow = self.new_place()
        self.relay.place(data, shadow, preload=self.preload).start()
        self.load = harness.Loadgen(
            self.directory,
            self.relay,
            *("--connections", str(self.random.choice([1, 4, 16, 64])), "--duration", "600"),
            *("--retry-unanswered", "--seed", str(self.random.randrange(1 << 32))),
        )

    def read_ledger(self):
        for line in self.load.new_ledger_lines():
            assert line.status == "200", line
            assert line.id not in self.acknowledged, line
            self.acknowledged[line.id] = line.seq

    def cut(self):
        """The power goes; returns the journal as the disk has it."""
        self.load.wait_answered(self.random.choice([1, self.random.randint(1, 2000)]))
        self.relay.kill()
        return os.path.join(self.relay.shadow, "relay.db")

    def restart(self):
        """On what the cut has left, perhaps with another cut before the process is ready."""
        while self.random.randrange(100) < CUT_STARTS_PERCENT:
            self.move_on()
            self.cut_start()
        self.move_on()
        self.relay.start()

    def move_on(self):
        """What is in the shadow becomes the next data directory."""
        left = self.relay.shadow
        data, shadow = self.new_place()
        os.rename(left, data)
        self.relay.place(data, shadow, preload=self.preload)

    def cut_start(self):
        """A start that a power cut ends: when SQLite has the file open, or when recovery writes to it."""
        wal, shm = self.relay.journal_path + "-wal", self.relay.journal_path + "-shm"
        before = self.recovery_marks()
        signs = [lambda: os.path.exists(shm), lambda: self.recovery_marks() != before]
        sign = self.random.choice(signs)
        self.relay.launch()
        came = shadowed.poll_until(lambda: sign() or self.relay.log_text(), START_PATIENCE_S)
        assert came, "the relay does not start"
        self.relay.kill()
        self.cut_starts += 1
        wal_stays = before is not None and os.path.getsize(wal) == before[1] > 0
        self.cut_recoveries += wal_stays and self.recovery_marks() != before

    def recovery_marks(self):
        """Change when the WAL is being moved into the file; None without a journal."""
        path = self.relay.journal_path
        if not os.path.exists(path + "-wal"):
            return None
        return os.stat(path).st_mtime_ns, os.path.getsize(path + "-wal")

    def end(self):
        self.relay.end()
        if self.load:
            self.load.end()


class PowerCut(unittest.TestCase):
    def setUp(self):
        self.first_seed = random.randrange(1 << 32)
        harness.note(f"seeds from {self.first_seed}")

    def start(self, seed, **options):
        run = Run(seed, **options)
        self.addCleanup(run.end)
        run.begin()
        return run

    def live(self, seed):
        """All lives of one seed; the run, whose journal is now the one that the last cut has left."""
        run = self.start(seed)
        for life in range(1, LIVES + 1):
            journal = run.cut()
            run.read_ledger()
            problems = shadowed.journal_problems(journal, run.acknowledged)
            self.assertEqual(problems, [], f"seed {seed}, life {life}")
            run.restart()
        # What has no answer yet is sent again until the relay on the last copy has answered it.
        run.load.wait_answered(1)
        report = run.load.stop()
        run.read_ledger()
        self.assertEqual(report["unanswered"], 0, report)
        self.assertEqual(run.relay.stop(), 0)
        problems = shadowed.journal_problems(run.relay.journal_path, run.acknowledged)
        self.assertEqual(problems, [], f"seed {seed}, after the last life")
        self.assertEqual(run.relay.verify(), len(run.acknowledged))
        run.end()
        return run

    def test_no_acknowledged_event_is_lost_by_power_cuts_in_a_chain_of_lives(self):
        total = cut_starts = cut_recoveries = 0
        for seed in range(self.first_seed, self.first_seed + SEEDS):
            run = self.live(seed)
            total += len(run.acknowledged)
            cut_starts += run.cut_starts
            cut_recoveries += run.cut_recoveries
        harness.note(
            f"FULL: {SEEDS} seeds, {SEEDS * LIVES} cuts under load, {cut_starts} at a start "
            f"({cut_recoveries} while the WAL was being moved), lost 0 of {total} acknowledged"
        )

    def test_the_same_cut_with_synchronous_normal_loses_acknowledged_events(self):
        total, losses = 0, []
        for seed in range(self.first_seed, self.first_seed + CONTROL_SEEDS):
            # A checkpoint syncs the WAL, and a kill often hits one. Every second run has none.
            pages = NEVER if seed % 2 else None
            run = self.start(seed, preload=[shadowed.CONTROL_LIB], checkpoint_pages=pages)
            self.assertIn("control: synchronous=NORMAL", run.relay.log_text())
            journal = run.cut()
            run.read_ledger()
            killed = shadowed.journal_problems(run.relay.journal_path, run.acknowledged)
            self.assertEqual(killed, [], f"seed {seed}: SIGKILL alone")
            problems = shadowed.journal_problems(journal, run.acknowledged)
            lost = [problem for problem in problems if problem.startswith("missing: ")]
            self.assertEqual(problems, lost, f"seed {seed}: something else than a loss")
            losses.append(len(lost))
            total += len(run.acknowledged)
            run.end()
        harness.note(f"NORMAL: {CONTROL_SEEDS} seeds, lost {losses} of {total} acknowledged")
        self.assertGreater(max(losses), 0, "the control lost nothing: the shadow keeps too much")


if __name__ == "__main__":
    harness.main()
