# SPDX-License-Identifier: Apache-2.0
"""The intake's listener as a deployment has it: TLS with a certificate that is renewed, and a socket that a service manager keeps open
over a restart; Kafka stays away. Two sources of one org share their dedupe window."""
import json
import os
import socket
import ssl
import subprocess
import unittest

import harness
from harness import TOKEN, wait_until


def event(id_):
    return json.dumps({"id": id_, "type": "CONTACT/STARTED", "content": {}}).encode()


def raw_post(id_, path="/gladly"):
    body = event(id_)
    return (f"POST {path} HTTP/1.1\r\nHost: relay\r\nx-api-key: {TOKEN}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n").encode() + body


def read_all(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def make_certificate(directory, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", f"/CN={name}", "-keyout", f"{directory}/tls.key", "-out", f"{directory}/tls.crt"],
                   check=True, stderr=subprocess.DEVNULL)


class Listener(unittest.TestCase):
    def make_relay(self, **options):
        directory = harness.make_directory()
        relay = harness.Relay(directory, f"127.0.0.1:{harness.free_port()}", options=options)
        self.addCleanup(relay.end)
        return relay


class Tls(Listener):
    def served_name(self, relay, minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_3):
        """One handshake; returns the certificate and an answer to a delivery."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version, context.maximum_version = minimum, maximum
        with socket.create_connection(("127.0.0.1", relay.port), harness.HTTP_TIMEOUT_S) as plain:
            with context.wrap_socket(plain) as secure:
                certificate = secure.getpeercert(binary_form=True)
                secure.sendall(raw_post("over-tls"))
                return certificate, read_all(secure)

    def start(self):
        relay = self.make_relay()
        relay.options["http"].update({"tls_cert_file": f"{relay.directory}/tls.crt", "tls_key_file": f"{relay.directory}/tls.key"})
        relay.write_conf()
        make_certificate(relay.directory, "first")
        relay.launch()
        wait_until(lambda: relay.events("relay.ready") or not relay.is_running(), "the relay is ready")
        return relay

    def test_a_delivery_over_tls_is_stored_and_a_renewed_certificate_served_after_a_reload(self):
        relay = self.start()
        first, answer = self.served_name(relay)
        self.assertIn(b"200 OK", answer)
        self.assertIn(b'"stored"', answer)
        make_certificate(relay.directory, "second")
        relay.reload()
        second, answer = self.served_name(relay)
        self.assertNotEqual(first, second)
        self.assertIn(b'"duplicate"', answer)

    def test_versions_before_1_2_are_refused(self):
        relay = self.start()
        with self.assertRaises((ssl.SSLError, OSError)):
            self.served_name(relay, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)

    def test_a_bad_certificate_leaves_the_one_in_force(self):
        relay = self.start()
        first, _ = self.served_name(relay)
        with open(f"{relay.directory}/tls.crt", "w", encoding="utf-8") as crt:
            crt.write("no certificate")
        relay.reload()
        self.assertTrue(relay.events("config.tls_not_reloaded"))
        self.assertEqual(first, self.served_name(relay)[0])


class Activation(Listener):
    def launch(self, relay, listener):
        """As a service manager does: the socket is descriptor 3, and the environment says so."""
        script = 'exec 3<&"$1"; export LISTEN_PID=$$ LISTEN_FDS=1; shift; exec "$@"'
        with open(relay.log_path, "ab") as log:
            relay.process = subprocess.Popen(["bash", "-c", script, "activate", str(listener.fileno()), *relay.command()],
                                             stdout=log, stderr=log, env=relay.env, pass_fds=[listener.fileno()])
        return relay

    def test_a_restart_refuses_no_connection(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        port = listener.getsockname()[1]
        relay = self.make_relay(admin={"listen": ""})
        self.launch(relay, listener)
        with socket.create_connection(("127.0.0.1", port), harness.HTTP_TIMEOUT_S) as c:
            c.sendall(raw_post("before"))
            self.assertIn(b'"stored"', read_all(c))
        self.assertEqual(relay.stop(), 0)
        # Nobody serves now: the connection waits in the socket that the service manager holds.
        with socket.create_connection(("127.0.0.1", port), harness.HTTP_TIMEOUT_S) as c:
            c.sendall(raw_post("meanwhile"))
            self.launch(relay, listener)
            self.assertIn(b'"stored"', read_all(c))


class SharedWindow(Listener):
    def test_two_sources_of_one_org_share_the_window_and_other_orgs_do_not(self):
        relay = self.make_relay(**{"org acme": {}, "source gladly": {"org": "acme"},
                                   "source second": {"path": "/second", "org": "acme", "token": TOKEN},
                                   "source other": {"path": "/other", "token": TOKEN}})
        relay.start()
        first = relay.post(event("shared"))
        again = relay.post(event("shared"), path="/second")
        other = relay.post(event("shared"), path="/other")
        self.assertEqual(first.json["status"], "stored")
        self.assertEqual((again.json["status"], again.json["seq"]), ("duplicate", first.json["seq"]))
        self.assertEqual(other.json["status"], "stored")


if __name__ == "__main__":
    os.chdir(harness.make_directory())
    unittest.main()
