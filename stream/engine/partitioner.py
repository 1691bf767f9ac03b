"""Which partition a key belongs in: Kafka's own murmur2, or librdkafka's crc32."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Literal

from aiokafka.partitioner import murmur2

Partitioner = Literal["murmur2", "crc32"]


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int, partitioner: Partitioner = "murmur2") -> int:
    """The partition of `key` among `partitions`, as producers with that partitioner place it. What is told of one key comes in
    bursts.

    >>> partition_of(b"A-1", 4), partition_of(b"A-1", 4, "crc32")
    (3, 0)
    """
    if partitioner == "crc32":
        return zlib.crc32(key) % partitions
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions
