# SPDX-License-Identifier: Apache-2.0
"""A proxy to a Kafka broker that refuses, in the broker's place, the first batch of each partition.

The batch does not get there; its producer hears NOT_LEADER_OR_FOLLOWER, as from a broker that becomes the leader just
then. A later batch of the partition that is already under way arrives, and the broker, to which the producer is new,
takes it. Formats: kafka.apache.org/protocol, Produce (key 0), versions 5 to 7.
"""
import select
import struct
import threading

from slow_proxy import SlowProxy

PRODUCE = 0
NOT_LEADER_OR_FOLLOWER = 6
VERSIONS = range(5, 8)
# So long a refusal is under way: batches that the producer has ready leave before it hears of it.
ANSWER_S = 0.05


def read_exactly(source, size):
    data = b""
    while len(data) < size:
        chunk = source.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the other side has ended")
        data += chunk
    return data


def read_frame(source):
    (size,) = struct.unpack(">i", read_exactly(source, 4))
    return read_exactly(source, size)


def frame(data):
    return struct.pack(">i", len(data)) + data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, code):
        values = struct.unpack_from(">" + code, self.data, self.at)
        self.at += struct.calcsize(">" + code)
        return values[0]

    def text(self):
        size = self.take("h")
        self.at += max(size, 0)
        return self.data[self.at - max(size, 0):self.at].decode()


def parse_produce(request):
    """(correlation, topic, partition) of a Produce request; None of others."""
    reader = Reader(request)
    key, version, correlation = reader.take("h"), reader.take("h"), reader.take("i")
    if key != PRODUCE:
        return None
    assert version in VERSIONS, version
    reader.text()  # client id
    reader.text()  # transactional id
    reader.take("h")  # acks
    reader.take("i")  # timeout
    assert reader.take("i") == 1, "librdkafka sends one partition a request"
    topic = reader.text()
    assert reader.take("i") == 1
    return correlation, topic, reader.take("i")


def refusal(correlation, topic, partition):
    name = topic.encode()
    return (struct.pack(">iih", correlation, 1, len(name)) + name +
            struct.pack(">iihqqq", 1, partition, NOT_LEADER_OR_FOLLOWER, -1, -1, -1) + struct.pack(">i", 0))


class RefusingProxy(SlowProxy):
    def __init__(self, port, target_port, prefix):
        """Refuses in topics whose names begin with prefix."""
        self.prefix = prefix
        self.refused = set()  # (topic, partition)
        super().__init__(port, target_port)

    def connect(self, client, server):
        answering = threading.Lock()

        def requests(source, sink):
            while True:
                request = read_frame(source)
                told = parse_produce(request)
                if told and told[1].startswith(self.prefix) and told[1:] not in self.refused:
                    self.refused.add(told[1:])
                    self.start(answer, refusal(*told))
                else:
                    sink.sendall(frame(request))

        def answer(response):
            select.select([], [], [], ANSWER_S)
            with answering:
                client.sendall(frame(response))

        def responses(source, sink):
            while True:
                response = read_frame(source)
                with answering:
                    sink.sendall(frame(response))

        self.start(self.carry, requests, client, server)
        self.start(self.carry, responses, server, client)
