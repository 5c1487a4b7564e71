# SPDX-License-Identifier: Apache-2.0
"""TLS, mutual TLS, SASL PLAIN and SCRAM between the relay and a real Kafka; and what an operator sees when they are set up wrong.

Where the credentials are right, what was posted arrives (kcat reads it from the plain listener). Where they are wrong, the state line
of "gladly-relay status" says why, intake goes on, nothing arrives, and no secret stands in log, status or metrics
(promise P10); the same secrets are looked for in the configuration file, so that the search is shown to find them.

RELAY_LONG=1: the same on Kafka 4.1.1, where SCRAM of librdkafka 2.0.2 fails (README.md says so). OIDC is missing in
Debian's build of librdkafka.
"""
import functools
import json
import os
import re
import unittest

import broker
import certificates
import harness

USER = "relay"
PASSWORD = "right-horse-battery-staple"
WRONG_PASSWORD = "wrong-donkey-capacitor-nail"
KEY_PASSWORD = "key-in-a-locked-drawer"
LISTENERS = ("TLS", "MUTUAL", "SASL")
PROPERTIES = f"""\
listeners=PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:@CONTROLLER_PORT@,%(listeners)s
advertised.listeners=PLAINTEXT://127.0.0.1:@PORT@,%(listeners)s
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,TLS:SSL,MUTUAL:SSL,SASL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=%(server)s
ssl.truststore.type=PEM
ssl.truststore.location=%(authority)s
listener.name.mutual.ssl.client.auth=required
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{USER}="{PASSWORD}";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


@functools.cache
def pki():
    """The directory of the certificates: ca and what it signed, and another authority."""
    directory = harness.make_directory()
    authority = certificates.Authority(directory, "ca")
    server = authority.sign("server", extension=certificates.SERVER_EXTENSION)
    authority.sign("client")
    authority.sign("expired", days=-1)
    certificates.Authority(directory, "stranger")
    certificates.openssl("pkcs8", "-topk8", "-in", file_of("client.key", directory), "-out", file_of("locked.key", directory),
                         "-passout", f"pass:{KEY_PASSWORD}")
    with open(file_of("keystore.pem", directory), "w", encoding="ascii") as out:
        for path in reversed(server):
            with open(path, encoding="ascii") as f:
                out.write(f.read())
    return directory


def file_of(name, directory=None):
    return os.path.join(directory or pki(), name)


def start_kafka(version, ports):
    """ports: of each name in LISTENERS."""
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    values = {"listeners": listeners, "server": file_of("keystore.pem"), "authority": file_of("ca.pem")}
    properties = file_of(f"{version}.properties")
    with open(properties, "w", encoding="ascii") as f:
        f.write(PROPERTIES % values)
    options = ["--security", properties]
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        options += ["--format-arg", "--add-scram"]
        options += ["--format-arg", f"{mechanism}=[name={USER},password={PASSWORD}]"]
    return broker.Kafka(version=version, options=options)


def tls(authority="ca.pem", **more):
    names = {"security.protocol": "ssl", "ssl.ca.location": file_of(authority)}
    return "TLS", dict(names, **{name.replace("_", "."): value for name, value in more.items()})


def mutual(certificate="client.pem", key="client.key", **more):
    paths = {"ssl_certificate_location": file_of(certificate), "ssl_key_location": file_of(key)}
    return "MUTUAL", tls(**paths, **more)[1]


def sasl(mechanism, password=PASSWORD):
    more = {"sasl_mechanisms": mechanism, "sasl_username": USER, "sasl_password": password}
    return "SASL", dict(tls(**more)[1], **{"security.protocol": "sasl_ssl"})


class Secured(unittest.TestCase):
    VERSION = broker.VERSION

    @classmethod
    def setUpClass(cls):
        cls.ports = {name: harness.free_port() for name in LISTENERS}
        cls.kafka = start_kafka(cls.VERSION, cls.ports)
        cls.addClassCleanup(cls.kafka.end)

    def make_relay(self, listener, properties):
        self.topic = f"secure.{os.urandom(4).hex()}"
        port = self.ports[listener]
        self.relay = harness.Relay(harness.make_directory(), f"127.0.0.1:{port}", options={"kafka": properties})
        self.relay.options["source gladly"]["topic"] = self.topic
        self.relay.write_conf()
        self.addCleanup(self.relay.end)
        self.relay.start()

    def post(self, id_):
        event = {"id": id_, "type": "CONTACT/STARTED", "content": {"customerId": "c"}}
        answer = self.relay.post(event)
        self.assertEqual((answer.status, answer.json["status"]), (200, "stored"))

    def status(self):
        """All that an operator sees, as text and as JSON."""
        return "\n".join(
            "".join(harness.run_relay("status", "-c", self.relay.conf_path, *words)[1:])
            for words in ((), ("--json",))
        )

    def kafka_state(self):
        _, out, _ = harness.run_relay("status", "-c", self.relay.conf_path, "--json")
        return json.loads(out)["kafka"]["state"]

    def check_works(self, listener, properties):
        self.make_relay(listener, properties)
        for i in range(3):
            self.post(f"e{i}")
        records = self.kafka.consume(self.topic, 3)
        self.assertEqual([broker.header(r, "ce_id") for r in records], ["e0", "e1", "e2"])
        self.relay.wait_published()
        self.check_no_secret(self.status())
        self.assertEqual(self.relay.stop(), 0)

    def check_says(self, reason, listener, properties):
        """Set up wrong: the reason is a regular expression for what status says of Kafka."""
        self.make_relay(listener, properties)
        self.post("first")
        harness.wait_until(
            lambda: re.search(reason, self.kafka_state()),
            lambda: f"status says {reason}:\n{self.status()}\n{self.relay.log_tail()}",
        )
        self.post("second")
        self.assertEqual(harness.request(self.relay.port, "GET", "/readyz").status, 200)
        self.assertEqual(self.relay.backlog(), 2)
        self.assertNotIn(self.topic, self.kafka.topics())
        self.check_no_secret(self.status())
        self.assertEqual(self.relay.stop(), 0)

    def check_no_secret(self, status):
        metrics = harness.request(self.relay.admin_port, "GET", "/metrics").body.decode()
        _, dump, _ = harness.run_relay("config", "-c", self.relay.conf_path)
        with open(self.relay.conf_path, encoding="utf-8") as f:
            configured = f.read()
        for name in ("sasl.password", "ssl.key.password"):
            secret = self.relay.options["kafka"].get(name)
            if secret is None:
                continue
            self.assertIn(secret, configured)  # so the search finds what is there
            for text in (status, metrics, dump, self.relay.whole_log().decode()):
                self.assertNotIn(secret, text)

    def test_tls(self):
        self.check_works(*tls())

    def test_mutual_tls(self):
        self.check_works(*mutual())

    def test_mutual_tls_with_a_key_under_a_password(self):
        self.check_works(*mutual(key="locked.key", ssl_key_password=KEY_PASSWORD))

    def test_sasl_plain(self):
        self.check_works(*sasl("PLAIN"))

    def test_an_unknown_authority(self):
        self.check_says("certificate verify failed", *tls("stranger.pem"))

    def test_no_tls_where_tls_is_wanted(self):
        self.check_says("(SSL|Disconnected)", "TLS", {})

    def test_a_client_without_a_certificate(self):
        self.check_says("alert (bad certificate|certificate required)", "MUTUAL", tls()[1])

    def test_a_client_whose_certificate_has_expired(self):
        self.check_says("alert certificate (unknown|expired)", *mutual("expired.pem", "expired.key"))

    def test_a_wrong_password_with_plain(self):
        self.check_says("[Aa]uthentication failed", *sasl("PLAIN", WRONG_PASSWORD))


class Kafka39(Secured):
    """Also SCRAM."""

    def test_sasl_scram(self):
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            with self.subTest(mechanism):
                self.check_works(*sasl(mechanism))

    def test_a_wrong_password_with_scram(self):
        self.check_says("[Aa]uthentication failed", *sasl("SCRAM-SHA-256", WRONG_PASSWORD))


@unittest.skipUnless(harness.IS_LONG, "belongs to the long tier")
class Kafka41(Secured):
    VERSION = broker.OTHER_VERSION

    def test_sasl_scram_fails_and_says_so(self):
        """The credentials are right: when this test fails, README.md is to be changed."""
        self.check_says("invalid credentials", *sasl("SCRAM-SHA-256"))


class Oidc(unittest.TestCase):
    def test_check_says_that_this_librdkafka_has_no_oidc(self):
        options = {"kafka": {"sasl.mechanisms": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc"}}
        relay = harness.Relay(harness.make_directory(), "127.0.0.1:9", options=options)
        code, _, err = harness.run_relay("check", "-c", relay.conf_path)
        self.assertEqual(code, 1)
        self.assertIn("sasl.oauthbearer.method", err)
        self.assertIn("not supported in this build", err)


del Secured  # unittest runs every class that it finds

if __name__ == "__main__":
    harness.main()
