# SPDX-License-Identifier: Apache-2.0
"""A file system that really fills up: 503 with Retry-After, nothing acknowledged is lost, and it comes back by itself.

The journal is on a tmpfs of some MiB, mounted for this test alone; that takes root (or CAP_SYS_ADMIN). Kafka is
away, so nothing can be deleted. Once with a free-space floor and a ballast, where the relay stops in time, and once
without, where SQLite itself finds the disk full.
"""
import os
import random
import subprocess
import unittest

import harness
import shadowed

MIB = 1 << 20
DISK_BYTES = 24 * MIB
FLOOR_BYTES = 2 * MIB
BALLAST_BYTES = 4 * MIB
EVENT_BYTES = 32 * 1024
# The relay looks at the disk once a second. Nearer to the floor than this, deliveries wait for a look now and then,
# so that the floor speaks before SQLite does.
CAREFUL_BYTES = 3 * MIB
LOOK_EVERY = 16
PLENTY, TIGHT, FULL = 0, 1, 2


class Disk:
    """A tmpfs of its own, unmounted when the test ends, however it ends."""

    def __init__(self):
        self.directory = harness.make_directory(["umount", "-l", "@DIR@/disk"])
        self.path = os.path.join(self.directory, "disk")
        os.mkdir(self.path)
        self.mount("-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "relay-test", self.path)
        self.is_mounted = True

    def mount(self, *options):
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"this test has to mount a tmpfs, as root: {done.stderr}")

    def resize(self, size):
        self.mount("-o", f"remount,size={size}", self.path)

    def free(self):
        fs = os.statvfs(self.path)
        return fs.f_bavail * fs.f_frsize

    def fill(self, leave):
        """A file that takes all but so many bytes; its path."""
        path = os.path.join(self.path, "filler")
        with open(path, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, self.free() - leave)
        return path

    def unmount(self):
        if self.is_mounted:
            subprocess.run(["umount", self.path], check=True)
        self.is_mounted = False


class DiskFull(unittest.TestCase):
    floor = FLOOR_BYTES
    ballast = BALLAST_BYTES

    def setUp(self):
        seed = random.randrange(1 << 32)
        random.seed(seed)
        harness.note(f"seed {seed}")
        self.disk = Disk()
        self.addCleanup(self.disk.unmount)
        journal = {
            "free_space_floor": self.floor,
            "ballast": self.ballast,
            "checkpoint_pages": 100,
            "wal_max": "1MiB",
        }
        self.relay = shadowed.Relay(self.disk.directory, {"journal": journal})
        self.addCleanup(self.relay.end)
        self.relay.place(os.path.join(self.disk.path, "data")).start()
        self.ballast_path = self.relay.journal_path + "-ballast"
        self.deliveries = shadowed.Deliveries(self.relay)

    def deliver(self, size=EVENT_BYTES):
        """A new event; the status of its answer, which is 200 or a proper 503. It is sent once, or by resend()."""
        answer = self.deliveries.send_one(*self.deliveries.new(1, size))
        self.assertIsNotNone(answer, self.relay.log_tail())
        self.assertIn(answer.status, (200, 503))
        if answer.status == 503:
            self.assertGreater(int(answer.headers["retry-after"]), 0)
        return answer.status

    def wait_look(self):
        """Until the relay knows how much is free now; its own writes (a cursor, a note) may come in between."""
        harness.wait_until(
            lambda: self.relay.metric("relay_disk_free_bytes") == self.disk.free(), "the relay looks"
        )

    def state(self):
        return self.relay.metric("relay_disk_state")

    def fill_by_events(self):
        """Deliveries until one is refused; how many were taken."""
        for count in range(2 * DISK_BYTES // EVENT_BYTES):
            if self.floor and self.disk.free() < self.floor + CAREFUL_BYTES and count % LOOK_EVERY == 0:
                self.wait_look()
            if self.deliver() == 503:
                return count
        self.fail("the disk does not fill up")

    def check_journal(self):
        """Everything that was answered 200 is there once, and nothing else of what was sent."""
        rows, _ = shadowed.read_events(self.relay.journal_path)
        problems = shadowed.journal_problems(
            self.relay.journal_path, self.deliveries.acknowledged(), self.deliveries.bodies
        )
        self.assertEqual(problems, [])
        self.assertEqual(len(rows), self.deliveries.count(200))
        self.assertEqual(self.relay.verify(), len(rows))

    def check_counts(self):
        """The metrics of a relay that has run from the beginning."""
        metric = self.relay.metric
        self.assertEqual(
            metric("relay_intake_total", status="unavailable"), self.deliveries.count(503)
        )
        stored = metric("relay_intake_total", status="stored")
        self.assertEqual(stored, self.deliveries.count(200))

    def resend(self):
        """The senders come again with what was refused."""
        for answer in self.deliveries.send(self.deliveries.unanswered()):
            self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))


class Floor(DiskFull):
    def check_full(self):
        self.relay.wait_event("keeper.disk_full")
        self.assertEqual(self.state(), FULL)
        self.assertEqual(self.relay.readyz(), 503)
        refused = self.relay.metric("relay_intake_total", status="unavailable")
        self.assertEqual(self.deliver(), 503)
        self.assertEqual(
            self.relay.metric("relay_intake_total", status="unavailable"), refused + 1
        )
        self.assertGreater(self.relay.metric("relay_disk_free_bytes"), 0)

    def check_plenty(self):
        harness.wait_until(lambda: self.state() == PLENTY, "there is room again")
        harness.wait_until(self.relay.is_ready_now, "it is ready again")
        self.assertEqual(self.deliver(), 200)

    def has_ballast(self):
        return (
            os.path.exists(self.ballast_path)
            and os.stat(self.ballast_path).st_blocks * 512 == BALLAST_BYTES
        )

    def test_below_the_floor_it_refuses_and_comes_back_with_the_room(self):
        harness.wait_until(self.has_ballast, "the ballast is there")
        taken = self.fill_by_events()
        self.check_full()
        self.assertTrue(self.relay.events("keeper.disk_tight"))
        self.assertTrue(self.relay.events("keeper.ballast_released"))
        self.assertFalse(os.path.exists(self.ballast_path))
        # The floor kept SQLite away from the end of the disk.
        self.assertEqual(self.relay.events("committer.commit_failed"), [])
        self.assertEqual(self.relay.metric("relay_commit_failures_total"), 0)
        harness.note(f"{taken} events of 32 KiB fit, {self.disk.free()} bytes are free")
        self.disk.resize(2 * DISK_BYTES)
        self.check_plenty()
        harness.wait_until(self.has_ballast, "the ballast is there again")
        self.relay.wait_event("keeper.disk_ok")
        self.check_counts()
        self.resend()
        self.assertEqual(self.relay.stop(), 0)
        self.check_journal()

    def test_a_kill_and_a_restart_on_a_full_disk_lose_nothing(self):
        filler = self.disk.fill(leave=8 * MIB)
        self.fill_by_events()
        self.check_full()
        self.relay.kill()
        self.relay.start()
        # A new process has to look first; what it takes until then has its place below the floor.
        harness.wait_until(lambda: self.state() == FULL, "it sees that the disk is full")
        self.check_full()
        os.unlink(filler)
        self.check_plenty()
        harness.wait_until(self.has_ballast, "the ballast is there again")
        self.resend()
        self.relay.kill()
        self.check_journal()


class NoFloor(DiskFull):
    floor = 0
    ballast = 0

    def fill_to_the_end(self):
        filler = self.disk.fill(leave=6 * MIB)
        taken = self.fill_by_events()
        harness.note(f"{taken} events of 32 KiB fit, {self.disk.free()} bytes are free")
        failure = self.relay.wait_event("committer.commit_failed")
        self.assertEqual(failure["status"], "full")
        self.assertGreater(self.relay.metric("relay_commit_failures_total"), 0)
        return filler

    def check_stays_full(self):
        """Small events may fit for a while; then none does, and the process stays."""
        for _ in range(1000):
            if self.deliver(size=3000) == 503 and self.disk.free() == 0:
                break
        self.assertEqual([self.deliver() for _ in range(20)], [503] * 20)
        self.assertEqual(self.relay.readyz(), 503)
        self.assertEqual(self.disk.free(), 0)
        self.assertTrue(self.relay.is_running())

    def check_recovers(self):
        """By itself: no delivery comes while it waits."""
        harness.wait_until(self.relay.is_ready_now, "it recovers by itself")
        self.assertTrue(self.relay.events("committer.recovered"))
        self.assertEqual(self.deliver(), 200)

    def test_where_sqlite_finds_the_disk_full_it_rolls_back_and_recovers(self):
        filler = self.fill_to_the_end()
        self.check_stays_full()
        os.unlink(filler)
        self.check_recovers()
        self.check_counts()
        self.resend()
        self.assertEqual(self.relay.stop(), 0)
        self.check_journal()

    def test_a_kill_on_a_disk_without_a_free_byte_loses_nothing(self):
        filler = self.fill_to_the_end()
        self.check_stays_full()
        self.relay.kill()
        self.check_journal()
        code = self.relay.try_start()
        harness.note(f"start on the full disk: {'ready' if code is None else code}")
        if code is None:
            self.relay.kill()
        else:
            self.assertTrue(self.relay.events("relay.start_failed"))
        os.unlink(filler)
        self.relay.start()
        self.resend()
        self.relay.kill()
        self.check_journal()


del DiskFull  # it has no tests


if __name__ == "__main__":
    harness.main()
