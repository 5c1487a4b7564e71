# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that makes a fast server slow: each chunk waits, and only so many bytes a second pass."""
import select
import socket
import threading
import time

CHUNK_BYTES = 16384
CONNECT_S = 10
LOOK_S = 0.1


class SlowProxy:
    """Threads of this process; they end with it."""

    def __init__(self, port, target_port):
        """Listens at port of 127.0.0.1. Fast until be_slow()."""
        self.target_port = target_port
        self.delay_s, self.bytes_per_s = 0.0, None
        self.passed = 0  # bytes, in both directions
        self.ended = False
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(LOOK_S)
        self.acceptor = self.start(self.accept)

    @staticmethod
    def start(work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread

    def accept(self):
        while not self.ended:
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), CONNECT_S)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.connect(client, server)

    def connect(self, client, server):
        self.start(self.carry, self.copy, client, server)
        self.start(self.carry, self.copy, server, client)

    def copy(self, source, sink):
        while chunk := source.recv(CHUNK_BYTES):
            self.pace(len(chunk))
            sink.sendall(chunk)
            self.passed += len(chunk)

    @staticmethod
    def carry(work, source, sink):
        """Until one side ends; then the other one gets its end of file, too."""
        try:
            work(source, sink)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        sink.close()  # the other direction's source

    def pace(self, size):
        """The slowness itself: the time that a slow line would need."""
        due = time.monotonic() + self.delay_s
        if self.bytes_per_s:
            due += size / self.bytes_per_s
        while (left := due - time.monotonic()) > 0:
            select.select([], [], [], left)

    def be_slow(self, delay_s, bytes_per_s):
        """From now on, for each direction of each connection."""
        self.delay_s, self.bytes_per_s = delay_s, bytes_per_s

    def be_fast(self):
        self.delay_s, self.bytes_per_s = 0.0, None

    def end(self):
        """No new connection; those that are there end with their relay."""
        self.ended = True
        self.acceptor.join()
        self.listener.close()
