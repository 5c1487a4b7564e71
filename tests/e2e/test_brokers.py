# SPDX-License-Identifier: Apache-2.0
"""One real broker in trouble under load, in both modes of delivery: nothing answered is lost, and intake never notices.

Killed by SIGKILL and restarted, frozen by SIGSTOP, shut down cleanly, behind a slow line (slow_proxy.py); one that
refuses a batch and takes the next (refusing_proxy.py); another cluster behind its address (publishing stops with an
alarm, intake goes on, and nothing gets there); a topic that is missing, that of the checkpoints too; a backup of the journal that was put back while Kafka was away. The verdict is that of proofs.py, whose control is shown over what was really read.

A trouble counts only with work under way: before it records flow, and while it lasts events pile up.
"""
import functools
import os
import shutil
import unittest

import broker
import harness
import proofs
from refusing_proxy import RefusingProxy
from slow_proxy import SlowProxy

# A listener for those that come through the proxy: its advertised address is the proxy's.
PROXY_PORT = harness.free_port()
PROPERTIES = (
    "listeners=PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:@CONTROLLER_PORT@,SLOW://127.0.0.1:@EXTRA_PORT@",
    f"advertised.listeners=PLAINTEXT://127.0.0.1:@PORT@,SLOW://127.0.0.1:{PROXY_PORT}",
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SLOW:PLAINTEXT",
)
# About what the load sends when nothing is compressed, so that the line is the bottleneck.
SLOW_BYTES_PER_S = 150_000
SLOW_DELAY_S = 0.03


@functools.cache
def kafka():
    options = [word for p in PROPERTIES for word in ("--property", p)]
    return broker.Kafka(options=options)


class Brokers(proofs.Proof):
    IS_SPARED = True

    def start(self, bootstrap=None, **kafka_options):
        run = proofs.Run(self, kafka(), bootstrap, {"kafka": kafka_options} if kafka_options else None)
        run.start()
        run.start_load()
        run.wait_flow(proofs.RATE)
        run.wait_backlog()
        return run

    def test_a_broker_that_is_killed_and_comes_back(self):
        run = self.start()
        kafka().kill()
        run.check_intake_goes_on()
        run.wait_backlog(proofs.RATE // 2)
        with harness.Stopwatch("restart of Kafka"):
            kafka().restart()
        run.wait_flow()
        run.check_intake_goes_on()
        run.finish()

    def test_a_broker_that_is_frozen_then_shut_down_and_restarted(self):
        run = self.start()
        kafka().pause()
        try:
            run.check_intake_goes_on()
            run.wait_backlog(proofs.RATE // 2)
        finally:
            kafka().resume()
        run.wait_flow(proofs.RATE)
        run.wait_backlog()
        kafka().stop()
        run.check_intake_goes_on()
        run.wait_backlog(proofs.RATE // 2)
        kafka().restart()
        run.wait_flow()
        run.finish()

    def test_a_broker_behind_a_slow_line(self):
        proxy = SlowProxy(PROXY_PORT, kafka().extra_port())
        self.addCleanup(proxy.end)
        # Without compression the line is the limit.
        options = {"compression.type": "none"}
        run = self.start(f"127.0.0.1:{PROXY_PORT}", **options)
        proxy.be_slow(SLOW_DELAY_S, SLOW_BYTES_PER_S)
        run.check_intake_goes_on()
        run.wait_backlog(proofs.RATE // 2)  # more comes in than goes out
        run.wait_flow()
        proxy.be_fast()
        run.finish()
        self.assertGreater(proxy.passed, sum(len(record.value) for record in run.records))


    def test_a_broker_that_refuses_a_batch_and_takes_the_next(self):
        """librdkafka then says that both are stored (kafka_conf.c); each record is a batch here, so many are under way."""
        run = proofs.Run(self, kafka(), f"127.0.0.1:{PROXY_PORT}", {"kafka": {"batch.num.messages": "1"}})
        run.start()
        run.start_load()
        run.wait_backlog(proofs.RATE)
        proxy = RefusingProxy(PROXY_PORT, kafka().extra_port(), run.prefix)
        self.addCleanup(proxy.end)
        run.wait_flow(proofs.RATE)
        self.assertTrue(proxy.refused)
        run.finish()
        if run.exactly_once:  # at least once, one batch at a time goes wrong without harm
            self.assertIn("event=kafka.transaction_failed", run.relay.log_text())


class AtLeastOnce(Brokers, unittest.TestCase):
    DELIVERY = proofs.AT_LEAST_ONCE


class ExactlyOnce(Brokers, unittest.TestCase):
    DELIVERY = proofs.EXACTLY_ONCE


class Strangers(proofs.Proof):
    """Another cluster, empty, at the address to which the cursors belong."""

    IS_SPARED = True

    def start(self):
        self.own = broker.Kafka()
        self.addCleanup(self.own.end)
        run = proofs.Run(self, self.own).start()
        run.start_load()
        run.wait_flow(proofs.RATE)
        return run

    def replace_cluster(self):
        first = self.own.cluster_id()
        self.own.stop()
        self.own.renew()
        self.own.restart()
        self.assertNotEqual(self.own.cluster_id(), first)
        return first

    def check_alarm(self, run, first):
        alarm = run.relay.wait_event("forwarder.wrong_cluster", level="error")
        self.assertEqual((alarm["bound_to"], alarm["found"]), (first, self.own.cluster_id()))
        run.check_intake_goes_on()
        code, text = run.status()
        self.assertEqual(code, 1, text)
        self.assertIn("another Kafka cluster answers", text)
        self.assertEqual(self.own.topics(run.prefix), {})

    def test_a_relay_that_starts_publishes_nothing_there(self):
        run = self.start()
        run.load.stop()
        self.assertEqual(run.relay.stop(), 0)
        first = self.replace_cluster()
        run.start()
        run.start_load()
        self.check_alarm(run, first)
        self.assertEqual(run.relay.stop(), 0)
        self.assertEqual(self.own.topics(run.prefix), {})

    def test_a_relay_that_runs_stops_publishing(self):
        run = self.start()
        first = self.replace_cluster()
        harness.wait_until(
            lambda: run.relay.events("forwarder.wrong_cluster") or self.own.topics(run.prefix),
            "the other cluster is noticed, or gets something",
        )
        self.assertEqual(self.own.topics(run.prefix), {})
        self.check_alarm(run, first)
        self.assertEqual(run.relay.stop(), 0)
        self.assertEqual(self.own.topics(run.prefix), {})


class StrangersAtLeastOnce(Strangers, unittest.TestCase):
    DELIVERY = proofs.AT_LEAST_ONCE


class StrangersExactlyOnce(StrangersAtLeastOnce):
    DELIVERY = proofs.EXACTLY_ONCE


class Lanes(proofs.Proof):
    def test_a_missing_topic_holds_back_only_its_lane(self):
        """In the other mode test_kafka_absent.py shows it with a closer look at the log."""
        run = proofs.Run(self, kafka())
        kafka().make_topic(run.topic("contact"))
        # A first life makes what exactly-once needs for itself, the topic of the checkpoints.
        run.start()
        self.assertEqual(run.relay.post({"id": "first", "type": "CONTACT/STARTED"}).status, 200)
        run.relay.wait_published()
        self.assertEqual(run.relay.stop(), 0)
        run.relay.options["kafka"]["create_topics"] = "false"
        run.relay.write_conf()
        run.start()
        for i in range(20):
            kind = ("TASK/CREATED", "CONTACT/STARTED")[i % 2]
            event = {"id": f"e{i}", "type": kind, "content": {"taskId": "t"}}
            self.assertEqual(run.relay.post(event).status, 200)
        self.assertEqual(len(kafka().consume(run.topic("contact"), 11)), 11)
        run.relay.wait_event("forwarder.lane_waits", topic=run.topic("task"))
        harness.wait_until(lambda: run.relay.backlog() == 10, "only the tasks wait")
        self.assertEqual(set(kafka().topics(run.prefix)), {run.topic("contact")})
        kafka().make_topic(run.topic("task"))
        records = kafka().consume(run.topic("task"), 10)
        self.assertEqual([broker.header(r, "ce_id") for r in records], [f"e{i}" for i in range(0, 20, 2)])
        run.relay.wait_published()
        self.assertEqual(run.relay.stop(), 0)


class LanesExactlyOnce(Lanes, unittest.TestCase):
    DELIVERY = proofs.EXACTLY_ONCE

    def test_a_missing_checkpoint_topic_is_an_alarm_until_somebody_makes_it(self):
        run = proofs.Run(self, kafka(), options={"kafka": {"create_topics": "false"}})
        checkpoint = run.prefix + "checkpoint"
        run.relay.options["kafka"]["checkpoint_topic"] = checkpoint
        run.relay.write_conf()
        kafka().make_topic(run.topic("contact"))
        run.start()
        self.assertEqual(run.relay.post({"id": "first", "type": "CONTACT/STARTED"}).status, 200)
        alarm = run.relay.wait_event("forwarder.checkpoint_missing", level="error")
        self.assertIn(f"checkpoint topic {checkpoint}: ", alarm["reason"])
        stopped = lambda: run.relay.scrape().sum("relay_publishing_stopped", reason="checkpoint_missing")
        self.assertEqual(stopped(), 1)
        harness.wait_until(lambda: "the checkpoint topic is missing" in run.status()[1], "status knows it")
        code, text = run.status()
        self.assertEqual(code, 1, text)
        words = " ".join(text.split())
        for part in (checkpoint, "1 partition", "cleanup.policy=compact", "goes on by itself"):
            self.assertIn(part, words)
        kafka().make_topic(checkpoint, partitions=1)
        run.relay.wait_published()
        self.assertEqual(len(kafka().consume(run.topic("contact"), 1)), 1)
        self.assertEqual(stopped(), 0)
        self.assertEqual(len(run.relay.events("forwarder.checkpoint_missing")), 1)
        self.assertEqual(run.relay.stop(), 0)


class Restored(proofs.Proof, unittest.TestCase):
    DELIVERY = proofs.EXACTLY_ONCE

    def test_new_events_of_a_restored_journal_are_not_taken_for_those_that_kafka_has(self):
        """Kafka is away at the first start with the backup, and new events take the seqs of lost ones."""
        run = proofs.Run(self, kafka())
        self.publish(run, "kept", 3)
        backup = os.path.join(run.directory, "backup.db")
        shutil.copyfile(run.relay.journal_path, backup)
        self.publish(run, "lost", 3)
        shutil.copyfile(backup, run.relay.journal_path)
        for suffix in ("-wal", "-shm"):
            if os.path.exists(run.relay.journal_path + suffix):
                os.unlink(run.relay.journal_path + suffix)
        kafka().stop()
        try:
            run.start()
            self.post(run, "new", 5)
            self.assertEqual(run.relay.stop(), 0)
        finally:
            kafka().restart()
        run.start()
        run.relay.wait_event("forwarder.journal_behind", level="error")
        self.assertEqual(run.relay.backlog(), 5)
        self.assertEqual(run.relay.stop(), 0)
        code, _, err = harness.run_relay("journal", "renew", "--why", "restored", "-c", run.relay.conf_path)
        self.assertEqual(code, 0, err)
        run.start()
        run.relay.wait_published()
        self.assertEqual(run.relay.stop(), 0)
        wanted = [f"{name}{i}" for name, count in (("kept", 3), ("lost", 3), ("new", 5)) for i in range(count)]
        records = kafka().consume(run.topic("contact"), len(wanted))
        self.assertEqual(sorted(broker.header(r, "ce_id") for r in records), sorted(wanted))

    def post(self, run, name, count):
        for i in range(count):
            self.assertEqual(run.relay.post({"id": f"{name}{i}", "type": "CONTACT/STARTED"}).status, 200)

    def publish(self, run, name, count):
        run.start()
        self.post(run, name, count)
        run.relay.wait_published()
        self.assertEqual(run.relay.stop(), 0)


if __name__ == "__main__":
    harness.main()
