# SPDX-License-Identifier: Apache-2.0
"""Kafka 4.1.1 in the short tier: one load over a SIGKILL of the relay and a restart of the broker.

The long tier runs whole scripts against it (the entries of ctest that end with _kafka41, and e2e_test_failpoints_long). The verdict is that
of proofs.py, whose control is shown over what was really read.
"""
import functools
import unittest

import broker
import harness
import proofs

ANSWERS = 1000


@functools.cache
def kafka():
    return broker.Kafka(version=broker.OTHER_VERSION)


class Kafka41(proofs.Proof):
    IS_SPARED = True

    def test_nothing_is_lost_by_a_kill_of_the_relay_and_a_restart_of_the_broker(self):
        run = proofs.Run(self, kafka()).start()
        run.start_load(proofs.STUBBORN_LOAD + ("--rate", str(ANSWERS)))
        run.wait_flow(ANSWERS)
        run.wait_backlog()
        run.relay.kill()
        run.start()
        run.wait_flow(ANSWERS)
        kafka().stop()
        run.check_intake_goes_on(ANSWERS)
        run.wait_backlog(ANSWERS // 2)
        kafka().restart()
        run.wait_flow()
        run.finish()


class AtLeastOnce(Kafka41, unittest.TestCase):
    DELIVERY = proofs.AT_LEAST_ONCE


class ExactlyOnce(Kafka41, unittest.TestCase):
    DELIVERY = proofs.EXACTLY_ONCE


if __name__ == "__main__":
    harness.main()
