"""A real Apache Kafka for tests and benches: one KRaft node on loopback, started by whoever needs it.

`prepare` finds Java and fills the cache of jars, `Broker` is the node, `Client` writes to it and reads from
it, `Process` is any program started here, and `start_worker` starts the job itself.
"""

from tests.kafka.broker import Broker, BrokerError
from tests.kafka.client import Client, Message, Received, wait_until
from tests.kafka.prepare import Installation, NotPreparedError, prepare
from tests.kafka.process import Process, start_worker
from tests.kafka.security import Certificates, Security, make_certificates

__all__ = [
    "Broker",
    "BrokerError",
    "Certificates",
    "Client",
    "Installation",
    "Message",
    "NotPreparedError",
    "Process",
    "Received",
    "Security",
    "make_certificates",
    "prepare",
    "start_worker",
    "wait_until",
]
