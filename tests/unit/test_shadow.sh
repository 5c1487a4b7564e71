#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: test_shadow.sh <build directory>
#
# Shows that libshadow.so keeps what a disk must keep (SQLite with synchronous=FULL loses no acknowledged row) and only
# that (with NORMAL it loses some), and that its faults and its settings do what shadow.h says.
set -euo pipefail

readonly READ_TIMEOUT_S=30
build=${1:?usage: test_shadow.sh <build directory>}

# Binaries are beside each other or where the build tree has put them.
locate() {
    local found
    for found in "$build/$1" "$build/tests/support/shadow/$1"; do
        if [[ -f $found ]]; then
            realpath "$found"
            return
        fi
    done
    echo "not built: $1" >&2
    exit 1
}

library=$(locate libshadow.so)
commit_driver=$(locate shadow_commit_driver)
files_driver=$(locate shadow_files_driver)
work=$(mktemp -d)
driver_pid=
checks=0

stop_driver() {
    if [[ -n $driver_pid ]]; then
        kill -KILL "$driver_pid" 2>/dev/null || true
        wait "$driver_pid" 2>/dev/null || true
        driver_pid=
    fi
}

clean_up() {
    stop_driver
    rm -rf "$work"
}
trap clean_up EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

passed() {
    checks=$((checks + 1))
    echo "ok: $*"
}

# fresh <name>: an empty pair of directories, in $src and $dst.
fresh() {
    src=$work/$1/src
    dst=$work/$1/dst
    mkdir -p "$src"
}

# Starts the driver on $src and kills it once it has acknowledged <rows> rows; sets $acknowledged to the last id that it
# printed. insert_and_kill <rows> <synchronous> <checkpoint_every>
insert_and_kill() {
    local rows=$1 line pipe=$work/acknowledged
    rm -f "$pipe"
    mkfifo "$pipe"
    env LD_PRELOAD="$library" SHADOW_SRC="$src" SHADOW_DST="$dst" \
        "$commit_driver" insert "$src/journal.db" "$2" "$3" >"$pipe" &
    driver_pid=$!
    exec 3<"$pipe"
    acknowledged=0
    while ((rows > 0)); do
        read -r -t "$READ_TIMEOUT_S" -u 3 acknowledged || fail "the driver stopped after row $acknowledged"
        rows=$((rows - 1))
    done
    stop_driver
    # What it had acknowledged before the signal came counts as well.
    while read -r -t "$READ_TIMEOUT_S" -u 3 line; do
        acknowledged=$line
    done
    exec 3<&-
}

# check <directory>: sets $count and $max, and asserts an intact database without gaps.
check() {
    local result
    count=0
    max=0
    [[ -f $1/journal.db ]] || return 0
    read -r count max result < <("$commit_driver" check "$1/journal.db") || fail "no check of $1"
    [[ $result == ok ]] || fail "integrity_check of $1: $result"
    [[ $count == "$max" ]] || fail "gaps in $1: $count rows, last id $max"
}

full_loses_nothing() {
    local name=$1 rows=$2 checkpoint_every=$3
    fresh "$name"
    insert_and_kill "$rows" FULL "$checkpoint_every"
    check "$dst"
    ((max >= acknowledged)) || fail "FULL lost rows: $acknowledged acknowledged, $max durable"
    # The next life starts on what the power cut has left, under a new shadow.
    mkdir "$work/$name-next"
    mv "$dst" "$work/$name-next/src"
    src=$work/$name-next/src
    dst=$work/$name-next/dst
    local before=$max
    insert_and_kill "$rows" FULL "$checkpoint_every"
    check "$dst"
    ((acknowledged > before)) || fail "the second life did not go on: $acknowledged after $before"
    ((max >= acknowledged)) || fail "FULL lost rows: $acknowledged acknowledged, $max durable"
    passed "FULL, $rows rows, checkpoint every $checkpoint_every: lost 0 of $acknowledged in two lives"
}

normal_loses_some() {
    local name=$1 rows=$2
    fresh "$name"
    insert_and_kill "$rows" NORMAL 0
    check "$dst"
    local durable=$max
    ((durable < acknowledged)) || fail "NORMAL lost nothing of $acknowledged: the shadow keeps too much"
    check "$src"
    ((max >= acknowledged)) || fail "a killed process alone lost rows: $acknowledged acknowledged, $max there"
    passed "NORMAL, $rows rows: the power cut lost $((acknowledged - durable)) of $acknowledged, the kill none"
}

# A restart without a power cut goes on with the same pair. The rows that NORMAL has left in the page cache become durable
# with the first sync of the next process, and not before.
same_pair_goes_on() {
    fresh same-pair
    insert_and_kill 50 NORMAL 0
    insert_and_kill 5 FULL 0
    check "$dst"
    ((max >= acknowledged && acknowledged >= 55)) || fail "same pair: $acknowledged acknowledged, $max durable"
    passed "a second process on the same pair: lost 0 of $acknowledged"
}

files_check() {
    fresh "files-$1"
    printf old >"$src/old"
    mkdir -p "$dst"
    env LD_PRELOAD="$library" SHADOW_SRC="$src" SHADOW_DST="$dst" SHADOW_FAIL="${2-}" "$files_driver" "$1" ||
        fail "files driver: $1"
    passed "files driver: $1"
}

# fault <SHADOW_FAIL> <extended code that the driver must end with>
fault() {
    local status=0 said=$work/said
    fresh "fault-$checks"
    env LD_PRELOAD="$library" SHADOW_SRC="$src" SHADOW_FAIL="$1" \
        timeout "$READ_TIMEOUT_S" "$commit_driver" insert "$src/journal.db" FULL 20 >"$said.out" 2>"$said" || status=$?
    [[ $status == 3 ]] || fail "$1: status $status, $(cat "$said")"
    grep -q "^error $2 " "$said" || fail "$1: wanted error $2, got $(cat "$said")"
    passed "$1 gives $2 after $(wc -l <"$said.out") rows"
}

# refused <SHADOW_FAIL> <words of the message>
refused() {
    local status=0 said=$work/said
    fresh "refused-$checks"
    env LD_PRELOAD="$library" SHADOW_SRC="$src" SHADOW_FAIL="$1" "$commit_driver" check /dev/null 2>"$said" || status=$?
    [[ $status == 2 ]] || fail "'$1' was taken: status $status"
    grep -qF "$2" "$said" || fail "'$1': $(cat "$said")"
    passed "refuses '$1'"
}

files_check names
files_check bytes
files_check threads
files_check failed_sync fdatasync:1:EIO

full_loses_nothing full-small 3 0
full_loses_nothing full-wal 150 0
full_loses_nothing full-checkpoints 200 7
normal_loses_some normal-1 40
normal_loses_some normal-2 200
same_pair_goes_on

fault fdatasync:30:EIO 1034
fault pwrite:40:EIO 778
fault pwrite:40:ENOSPC:sticky 13
fault ftruncate:999:EIO,fdatasync:12:EIO 1034
refused fdatasync:0:EIO "is not a count from 1"
refused fdatasync:3 "is not <op>:<n>:<ERRNO>"
refused sneeze:3:EIO "unknown operation 'sneeze'"
refused fsync:3:EWHAT "unknown errno 'EWHAT'"
refused fsync:3:EIO:often "is not 'sticky'"

echo "$checks checks passed"
