#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_kafka_publisher_e2e.sh TEST-BINARY: runs the publisher's tests against an own real Kafka, which it
# starts before and ends after.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=${1:?usage: test_kafka_publisher_e2e.sh TEST-BINARY}
kafka=$here/../support/kafka/kafka
dir=$(mktemp -d)
trap '"$kafka" stop --dir "$dir" >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT

bootstrap=$("$kafka" start --dir "$dir" --max-lifetime 600)
RELAY_TEST_BOOTSTRAP=$bootstrap RELAY_TEST_KAFKA=$kafka RELAY_TEST_KAFKA_DIR=$dir \
    timeout 300 "$binary"
