#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Self test of the bench programs. Usage: test_bench.sh BUILD_DIR. The directory holds loadgen,
# bare_server and sync_cost, or bench/ with them. Loopback only; about 10 seconds; ends by itself.
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: test_bench.sh BUILD_DIR" >&2
    exit 2
fi
bin=$1
if [ ! -x "$bin/loadgen" ]; then
    bin=$1/bench
fi

work=$(mktemp -d)
# Nobody ever writes to $work/never: a read from it with a time limit is a bounded wait.
server_pid=
load_pid=

stop_pid() {
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

clean_up() {
    if [ -n "$load_pid" ]; then stop_pid "$load_pid"; fi
    if [ -n "$server_pid" ]; then stop_pid "$server_pid"; fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# Starts bare_server on port $1 (0: a free one) and sets server_pid and port. The port arrives
# through a FIFO: the read waits until the server listens.
start_server() {
    rm -f "$work/port"
    mkfifo "$work/port"
    "$bin/bare_server" "$1" 2 >"$work/port" &
    server_pid=$!
    read -r -t 10 port <"$work/port" || fail "bare_server told no port"
}

# Prints member $2 (a counter at the top level) of the JSON line in file $1.
member() {
    sed -n "s/.*[{,]\"$2\":\([0-9]*\)[,}].*/\1/p" "$1"
}

# Checks the ledger $1: one whole line per id, times in order, and the counter of every key in
# steps of one from 1.
check_ledger() {
    awk '
        NF != 7 { print "line " NR " has " NF " fields"; bad = 1 }
        length($1) != 22 || seen[$1]++ { print "line " NR ": id " $1; bad = 1 }
        $2 == 200 && ($3 !~ /^[0-9]+$/ || seq[$3]++) { print "line " NR ": seq " $3; bad = 1 }
        $2 != "unanswered" && $7 < $6 { print "line " NR ": answered before sent"; bad = 1 }
        $5 != ++n[$4] { print "line " NR ": n " $5 ", not " n[$4]; bad = 1; n[$4] = $5 }
        END { exit bad }' "$1" || fail "the ledger $1 is wrong"
}

closed_loop() {
    "$bin/loadgen" --url "http://127.0.0.1:$port/events" --connections 16 --duration 2 --keys 50 \
        --key-per-connection --ledger "$work/closed" --status-file "$work/status" --json \
        >"$work/closed.json" || fail "closed loop: exit status $?"
    local answered
    answered=$(member "$work/closed.json" answered_2xx)
    [ "$answered" -gt 100 ] || fail "closed loop: only $answered answers"
    [ "$(wc -l <"$work/closed")" -eq "$answered" ] || fail "closed loop: ledger lines"
    [ "$(cut -d' ' -f4 "$work/closed" | sort -u | wc -l)" -eq 50 ] || fail "closed loop: keys"
    [ "$(cat "$work/status")" = "$answered $answered 0 0" ] || fail "closed loop: status file"
    check_ledger "$work/closed"
    echo "ok closed loop, $answered answers"
}

open_loop() {
    "$bin/loadgen" --url "http://localhost:$port/events" --connections 16 --rate 1000 --duration 2 \
        --key-per-connection --ledger "$work/open" --json >"$work/open.json" ||
        fail "open loop: exit status $?"
    [ "$(member "$work/open.json" sent)" -eq 2000 ] || fail "open loop: not 2000 requests"
    [ "$(member "$work/open.json" answered_2xx)" -eq 2000 ] || fail "open loop: not 2000 answers"
    [ "$(wc -l <"$work/open")" -eq 2000 ] || fail "open loop: not 2000 ledger lines"
    check_ledger "$work/open"
    echo "ok open loop"
}

# Stops the server for a quarter of the schedule. What was due meanwhile waits up to 500 ms; a
# generator that counts from the real sending would show that for 16 requests of 2000 and hide it
# from p90.
open_loop_counts_waiting() {
    mkfifo "$work/never"
    "$bin/loadgen" --url "http://127.0.0.1:$port/" --connections 16 --rate 1000 --duration 2 \
        --json >"$work/stall.json" &
    load_pid=$!
    read -r -t 0.5 _ <>"$work/never" || true
    kill -STOP "$server_pid"
    read -r -t 0.5 _ <>"$work/never" || true
    kill -CONT "$server_pid"
    wait "$load_pid" || fail "stall: exit status $?"
    load_pid=
    [ "$(member "$work/stall.json" sent)" -eq 2000 ] || fail "stall: not 2000 requests"
    [ "$(member "$work/stall.json" p90)" -gt 100000 ] ||
        fail "stall: p90 hides the waiting requests"
    echo "ok open loop counts waiting"
}

same_seed_same_ids() {
    local run
    for run in a b; do
        "$bin/loadgen" --url "http://127.0.0.1:$port/" --connections 1 --requests 200 --seed 42 \
            --ledger "$work/seed_$run" >/dev/null || fail "seed: exit status $?"
        cut -d' ' -f1,4,5 "$work/seed_$run" >"$work/ids_$run"
    done
    cmp "$work/ids_a" "$work/ids_b" || fail "the same seed gave different ids"
    echo "ok same seed, same ids"
}

# Waits until the load generator has at least $1 answers, at most until its run ends.
wait_for_answers() {
    local answered
    while kill -0 "$load_pid" 2>/dev/null; do
        answered=0
        if [ -e "$work/kill_status" ]; then
            read -r _ answered _ <"$work/kill_status" || answered=0
        fi
        if [ "$answered" -ge "$1" ]; then return; fi
        read -r -t 0.02 <>"$work/never" || true
    done
    fail "the load ended before $1 answers"
}

survives_kill_of_server() {
    "$bin/loadgen" --url "http://127.0.0.1:$port/" --connections 8 --rate 2000 --duration 2 \
        --key-per-connection --retry-unanswered --ledger "$work/kill" \
        --status-file "$work/kill_status" --json >"$work/kill.json" &
    load_pid=$!
    wait_for_answers 1000
    stop_pid "$server_pid"
    start_server "$port"
    wait "$load_pid" || fail "kill: exit status $?"
    load_pid=
    [ "$(member "$work/kill.json" answered_2xx)" -eq "$(member "$work/kill.json" sent)" ] ||
        fail "kill: a request was given up"
    [ "$(wc -l <"$work/kill")" -eq "$(member "$work/kill.json" sent)" ] ||
        fail "kill: ledger lines"
    # A new server counts its seq from 1 again, so that seq is not looked at.
    sed 's/^\([^ ]* [^ ]*\) [^ ]*/\1 -/; s/ 200 - / 201 - /' "$work/kill" >"$work/kill_no_seq"
    check_ledger "$work/kill_no_seq"
    echo "ok killed and restarted server"
}

stops_on_sigterm() {
    "$bin/loadgen" --url "http://127.0.0.1:$port/" --connections 4 --duration 30 \
        --status-file "$work/term_status" --ledger "$work/term" --json >"$work/term.json" &
    load_pid=$!
    while [ ! -s "$work/term" ]; do
        kill -0 "$load_pid" 2>/dev/null || fail "SIGTERM: ended early"
        read -r -t 0.02 _ <>"$work/never" || true
    done
    kill -TERM "$load_pid"
    wait "$load_pid" || fail "SIGTERM: exit status $?"
    load_pid=
    [ "$(wc -l <"$work/term")" -eq "$(member "$work/term.json" sent)" ] ||
        fail "SIGTERM: ledger lines"
    echo "ok SIGTERM"
}

refuses() {
    local code=0
    "$bin/loadgen" "$@" >/dev/null 2>"$work/refused" || code=$?
    [ "$code" -eq 2 ] || fail "loadgen $* ended with $code, not 2"
    [ -s "$work/refused" ] || fail "loadgen $* told no reason"
}

refuses_wrong_usage() {
    refuses
    refuses --url http://192.0.2.1/
    refuses --url http://example.com/
    refuses --url http://127.0.0.1:0/
    refuses --url http://127.0.0.1:1/ --connections 0
    refuses --url http://127.0.0.1:1/ --mix 100:1
    refuses --url http://127.0.0.1:1/ --header 'Content-Length: 1'
    refuses --url http://127.0.0.1:1/ --bogus
    echo "ok wrong usage"
}

measures_sync_cost() {
    "$bin/sync_cost" --dir "$work" --iterations 20 --json >"$work/sync.json" || fail "sync_cost"
    [ "$(member "$work/sync.json" count)" -eq 20 ] || fail "sync_cost: not 20 syncs"
    "$bin/sync_cost" --dir "$work" --iterations 20 --mode append >/dev/null || fail "append"
    echo "ok sync cost"
}

start_server 0
closed_loop
open_loop
open_loop_counts_waiting
same_seed_same_ids
survives_kill_of_server
stops_on_sigterm
refuses_wrong_usage
measures_sync_cost
kill -TERM "$server_pid"
wait "$server_pid" || fail "bare_server: exit status $?"
server_pid=
echo "all ok"
