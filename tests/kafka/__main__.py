"""Prepares Kafka for the tests, or says what is missing: `python -m tests.kafka`."""

import os
import sys

from tests.kafka.prepare import NotPreparedError, major, prepare, say


def main() -> int:
    """The exit code: 0 when the tests can start a broker, or are not to."""
    if os.environ.get("EWS_TEST_KAFKA") == "skip":
        say("EWS_TEST_KAFKA=skip: the tests that need a broker will be left out")
        return 0
    try:
        found = prepare()
    except NotPreparedError as missing:
        say(str(missing))
        return 1
    say(f"Apache Kafka {found.version} is ready, on Java {major(found.java)} ({found.java})")
    return 0


sys.exit(main())
