# SPDX-License-Identifier: Apache-2.0
"""Writes, syncs and other calls that fail wherever the relay makes one: the promises hold after each restart.

libshadow.so lets the Nth call of one kind fail, below the data directory only. For each N the relay is started and
given a small load; then everything that may happen is checked:

  - it does not start: a line says why, the exit code is not 0;
  - an outcome is unknown (EIO, or any failed sync): waiters get 503, the process ends with 74 and leaves a marker;
  - the disk is full (ENOSPC of a write): waiters get 503 with Retry-After, the process stays, and takes deliveries
    again by itself when writing works again;
  - nobody notices.

After that the relay starts on what is left, and the disk that a power cut at the end of the faulty process would
have left is looked at, too: what was answered 200 is there once, and what was not is taken once when it is sent
again. The long tier goes on with N until the calls of a whole run are exhausted, the short tier takes samples.
"""
import os
import random
import shutil
import unittest

import harness
import shadowed
from shadowed import EXIT_DISK_FAILED, EXIT_FAILED

EVENTS = 40
# So many runs in a row that nobody noticed: the load makes no further call of that kind.
CLEAN_RUNS = 6
N_MAX = 5000
SOME = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233)

NOT_STARTED, DIED, REFUSED, UNNOTICED = "not started", "died", "refused", "unnoticed"


class Faulty:
    """One relay with a fault, its load, and what came of both."""

    def __init__(self, test, fail, connections=4):
        self.test = test
        self.connections = connections
        self.fail = fail
        self.sticky = fail.endswith(":sticky")
        self.directory = harness.make_directory()
        journal = {"checkpoint_pages": 100, "ballast": "64KiB", "free_space_floor": "64KiB"}
        self.relay = shadowed.Relay(self.directory, {"journal": journal})
        test.addCleanup(self.relay.end)
        self.data = os.path.join(self.directory, "data")
        self.shadow = os.path.join(self.directory, "shadow")
        self.deliveries = shadowed.Deliveries(self.relay)

    def run(self):
        """One of the outcomes above."""
        self.relay.place(self.data, self.shadow, self.fail)
        code = self.relay.try_start()
        if code is not None:
            outcome = self.check_no_start(code)
        else:
            ids = self.deliveries.new(EVENTS)
            self.deliveries.send(ids, self.connections)
            # Committed after all that the load has caused, a checkpoint for example.
            self.deliveries.send_one(*self.deliveries.new(1))
            outcome = self.check_load()
        self.check_what_is_left()
        self.check_restart()
        shutil.rmtree(self.directory)
        return outcome

    def check_no_start(self, code):
        reasons = [event["reason"] for event in self.relay.events("relay.start_failed")]
        self.test.assertIn(code, (EXIT_FAILED, EXIT_DISK_FAILED))
        self.test.assertEqual(len(reasons), 1)
        self.test.assertRegex(reasons[0], "relay.db")
        return NOT_STARTED

    def check_load(self):
        for answer in self.deliveries.answers.values():
            if answer:
                self.test.assertIn(answer.status, (200, 503))
            if answer and answer.status == 503:
                self.test.assertGreater(int(answer.headers["retry-after"]), 0)
        failures = self.relay.events("committer.commit_failed")
        if not failures:
            # Every delivery was answered, and nothing else has ended the process.
            self.test.assertEqual(self.deliveries.unanswered(), [], self.relay.log_tail())
            self.test.assertEqual(self.relay.metric("relay_commit_failures_total"), 0)
            self.relay.kill()
            return UNNOTICED
        if failures[-1]["status"] == "full":
            return self.check_full()
        self.test.assertEqual([event["status"] for event in failures], ["io"])
        return self.check_death()

    def check_death(self):
        """P6: the process ends by itself, with a code and a marker that say why."""
        self.test.assertEqual(self.relay.wait_exit(), EXIT_DISK_FAILED)
        self.test.assertEqual(len(self.relay.events("relay.failed")), 1)
        self.test.assertTrue(os.path.exists(self.relay.journal_path + "-failed") or self.sticky)
        return DIED

    def check_full(self):
        relay, deliveries = self.relay, self.deliveries
        refused = deliveries.count(503)
        self.test.assertTrue(relay.is_running(), relay.log_tail())
        self.test.assertEqual(deliveries.count(200) + refused, len(deliveries.answers))
        self.test.assertEqual(relay.metric("relay_intake_total", status="unavailable"), refused)
        self.test.assertEqual(
            relay.metric("relay_intake_total", status="stored"), deliveries.count(200)
        )
        failures = relay.metric("relay_commit_failures_total")
        self.test.assertGreater(failures, 0)
        if self.sticky:
            self.test.assertEqual(relay.readyz(), 503)
            # It tries by itself, with no delivery that would make it.
            harness.wait_until(
                lambda: relay.metric("relay_commit_failures_total") > failures, "it tries again"
            )
            self.test.assertEqual(relay.readyz(), 503)
            self.test.assertEqual(relay.stop(), 0)
            return REFUSED
        harness.wait_until(relay.is_ready_now, "it recovers by itself")
        self.test.assertGreater(len(relay.events("committer.recovered")), 0)
        answers = deliveries.send(deliveries.new(4))
        self.test.assertEqual([answer.status for answer in answers], [200] * 4)
        relay.kill()
        return REFUSED

    def check_what_is_left(self):
        """The files as they are, and as a power cut now would leave them."""
        for directory in (self.data, self.shadow):
            path = os.path.join(directory, "relay.db")
            acknowledged = self.deliveries.acknowledged()
            problems = shadowed.journal_problems(path, acknowledged, self.deliveries.bodies)
            self.test.assertEqual(problems, [], directory)

    def check_restart(self):
        """Without a fault, on the same files: the senders come again, and each event is there once."""
        relay, deliveries = self.relay, self.deliveries
        relay.place(self.data, self.shadow).start()
        self.test.assertFalse(os.path.exists(relay.journal_path + "-failed"))
        again = deliveries.unanswered() or deliveries.new(1)
        answers = deliveries.send(again)
        self.test.assertEqual({answer and answer.status for answer in answers}, {200})
        relay.kill()
        self.check_what_is_left()
        rows, _ = shadowed.read_events(relay.journal_path)
        self.test.assertEqual(len(rows), len(deliveries.bodies))
        self.test.assertEqual(relay.verify(), len(rows))


class DiskFaults(unittest.TestCase):
    def setUp(self):
        seed = random.randrange(1 << 32)
        random.seed(seed)
        harness.note(f"seed {seed}")

    def sweep(self, op, error, some, expected, *, long_all=True, connections=4):
        """
        A run for each N in `some`, in the long tier for all of them until CLEAN_RUNS in a row are clean. expected:
        the outcomes that must have come up, so that the faults are known to have hit; no others may.
        """
        outcomes = {}
        clean = 0
        numbers = range(1, N_MAX) if shadowed.IS_LONG and long_all else some
        for n in numbers:
            name, *sticky = error.split(":")
            fail = ":".join([op, str(n), name, *sticky])
            with self.subTest(fail=fail):
                outcome = Faulty(self, fail, connections).run()
                outcomes.setdefault(outcome, []).append(n)
                clean = clean + 1 if outcome == UNNOTICED else 0
            if clean == CLEAN_RUNS:
                break
        counts = ", ".join(
            f"{outcome}: {len(ns)} (N {ns[0]}..{ns[-1]})" for outcome, ns in outcomes.items()
        )
        harness.note(f"{op} {error}: {counts}")
        self.assertLessEqual(set(expected), set(outcomes))
        self.assertLessEqual(set(outcomes), {*expected, UNNOTICED})

    def test_a_failed_sync_is_final(self):
        self.sweep("fdatasync", "EIO", (*range(1, 13), 15, 18, 21, 24, 27, 30), [NOT_STARTED, DIED])

    def test_a_full_disk_that_only_the_sync_notices_is_final(self):
        self.sweep("fdatasync", "ENOSPC", (3, 12, 19, 24), [NOT_STARTED, DIED])

    def test_syncs_that_fail_from_now_on_are_final(self):
        self.sweep("fdatasync", "EIO:sticky", (4, 10, 15), [NOT_STARTED, DIED], long_all=False)

    def test_a_directory_that_cannot_be_synced_stops_the_start(self):
        self.sweep("fsync", "EIO", (1, 2), [NOT_STARTED])

    def test_a_failed_write_is_final(self):
        self.sweep("pwrite", "EIO", SOME, [NOT_STARTED, DIED])

    def test_a_full_disk_is_survived(self):
        self.sweep("pwrite", "ENOSPC", SOME, [NOT_STARTED, REFUSED])

    def test_a_disk_that_stays_full_refuses_until_the_restart(self):
        some = (4, 40, 60, 80, 150)
        self.sweep("pwrite", "ENOSPC:sticky", some, [NOT_STARTED, REFUSED], long_all=False)

    def test_a_failed_truncation_is_final(self):
        # The end of a checkpoint truncates. One connection makes most commits, and so enough pages for some.
        self.sweep("ftruncate", "EIO", (1, 2, 3), [NOT_STARTED, DIED], connections=1)

    def test_a_file_that_cannot_be_opened_stops_the_start(self):
        self.sweep("open", "EIO", range(1, 11), [NOT_STARTED])

    def test_too_many_open_files_stop_the_start(self):
        self.sweep("open", "EMFILE", range(1, 11), [NOT_STARTED])

    def test_a_name_that_cannot_be_removed_stops_the_start(self):
        self.sweep("unlink", "EIO", (1, 2, 3), [NOT_STARTED])

    def test_a_ballast_that_cannot_be_had_is_gone_without(self):
        self.sweep("fallocate", "ENOSPC", (1, 2), [UNNOTICED])
        self.sweep("fallocate", "EIO:sticky", (1,), [UNNOTICED], long_all=False)


class Marker(unittest.TestCase):
    """After a failure the next start checks the whole file, and does not serve from a damaged one."""

    def setUp(self):
        directory = harness.make_directory()
        self.relay = shadowed.Relay(directory)
        self.addCleanup(self.relay.end)
        self.relay.place(os.path.join(directory, "data")).start()
        deliveries = shadowed.Deliveries(self.relay)
        ids = deliveries.new(EVENTS, size=1500)
        for answer in deliveries.send(ids, connections=1):
            self.assertEqual(answer.status, 200)
        self.assertEqual(self.relay.stop(), 0)
        # The next start moves the WAL into the file; what the WAL holds would mend the page.
        self.relay.start()
        self.assertEqual(self.relay.stop(), 0)
        self.marker = self.relay.journal_path + "-failed"
        self.damage(deliveries.bodies[ids[EVENTS // 2]])

    def damage(self, body):
        """Breaks the page that holds an event which no start looks at."""
        with open(self.relay.journal_path, "r+b") as f:
            at = f.read().index(body)
            f.seek(at - at % 4096)
            f.write(b"\xff")

    def test_a_marked_journal_that_is_damaged_is_not_served(self):
        with open(self.marker, "wb"):
            pass
        self.assertEqual(self.relay.try_start(), EXIT_DISK_FAILED)
        reason = self.relay.events("relay.start_failed")[0]["reason"]
        self.assertIn("quick_check", reason)
        self.assertTrue(os.path.exists(self.marker))

    def test_without_the_marker_the_start_does_not_read_the_whole_file(self):
        self.assertIsNone(self.relay.try_start())


if __name__ == "__main__":
    harness.main()
