# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: servers as processes, the load generator, the device's sync cost, metrics."""
import json
import os
import re
import select
import signal
import subprocess
import urllib.request

TOKEN = "bench-token-0123456789"


class Server:
    """A server process that prints its port; ended by its pid."""

    def __init__(self, command, env, pattern, log):
        self.log = open(log, "w+b")
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log)
        self.pattern = pattern

    def port(self):
        for _ in range(2000):
            with open(self.log.name, "rb") as text:
                found = re.search(self.pattern, text.read())
            if found:
                return int(found.group(1))
            if self.process.poll() is not None:
                break
            select.select([], [], [], 0.01)
        raise SystemExit(f"{self.process.args[0]} did not start, see {self.log.name}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def loadgen(build, port, connections, seconds, rate=None, seed=1, requests=None):
    command = [f"{build}/bench/loadgen", "--url", f"http://127.0.0.1:{port}/gladly", "--header", f"x-api-key: {TOKEN}",
               "--header", "content-type: application/json", "--connections", str(connections), "--duration", str(seconds),
               "--seed", str(seed), "--json"]
    if rate:
        command += ["--rate", str(rate)]
    if requests:
        command += ["--requests", str(requests)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def sync_cost(build, directory):
    done = subprocess.run([f"{build}/bench/sync_cost", "--dir", directory, "--seconds", "2", "--json"],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def start_bare(build, work):
    return Server([f"{build}/bench/bare_server", "0", "2"], os.environ, rb"(\d+)", f"{work}/bare.log")


def write_conf(work, kafka="127.0.0.1:9", kafka_lines="", admin_port=0):
    os.makedirs(work, exist_ok=True)
    with open(f"{work}/relay.conf", "w") as conf:
        conf.write(f"[http]\nlisten = 127.0.0.1:0\n[journal]\npath = {work}/relay.db\n[kafka]\nbootstrap.servers = {kafka}\n{kafka_lines}"
                   f"[admin]\nlisten = 127.0.0.1:{admin_port}\n[log]\nlevel = info\n"
                   "[source gladly]\npath = /gladly\ntoken = ${GLADLY_TOKEN}\n")


def start_relay(build, work, admin_port=0, kafka="127.0.0.1:9"):
    write_conf(work, kafka, admin_port=admin_port)
    env = dict(os.environ, GLADLY_TOKEN=TOKEN)
    return Server([f"{build}/gladly-relay", "serve", "-c", f"{work}/relay.conf"], env,
                  rb"event=intake.listening[^\n]*port=(\d+)", f"{work}/relay.log")


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise SystemExit("no VmRSS")


def metrics(server):
    with open(server.log.name, "rb") as text:
        port = int(re.search(rb"event=admin.listening[^\n]*port=(\d+)", text.read()).group(1))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if line and line[0] != "#"}
