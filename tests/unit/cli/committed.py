"""What lies in a topic of the embedded broker."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition


def committed(bootstrap: str, topic: str, partitions: int) -> Iterator[Message]:
    """Every record of a topic up to its end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    ends = 0
    while ends < partitions:
        message = consumer.poll(10)
        assert message is not None
        if (error := message.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            ends += 1
        else:
            yield message
    consumer.close()
