# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests of TLS, made by the openssl program: an authority, and what it signs."""
import os
import subprocess

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
SERVER_EXTENSION = "subjectAltName=IP:127.0.0.1,DNS:localhost"


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Authority:
    """DIRECTORY/NAME.pem and NAME.key, and the same for all that it signs."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.certificate, self.key = self.path(name, "pem"), self.path(name, "key")
        openssl("req", "-x509", *CURVE, "-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}", "-days", "2")

    def path(self, name, ending):
        return os.path.join(self.directory, f"{name}.{ending}")

    def sign(self, name, days=2, extension=None):
        """Returns the paths of certificate and key; days below 0: one that has expired."""
        request, certificate, key = (self.path(name, ending) for ending in ("csr", "pem", "key"))
        openssl("req", "-new", *CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        words = ["x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key]
        words += ["-CAcreateserial", "-out", certificate, "-days", str(days)]
        if extension:
            extensions = self.path(name, "ext")
            with open(extensions, "w", encoding="ascii") as f:
                f.write(extension + "\n")
            words += ["-extfile", extensions]
        openssl(*words)
        return certificate, key
