"""Faults under load, again and again, and then the proof from Kafka alone that nothing was lost, doubled or changed.

    plan        a seed becomes a list of faults: who, when, for how long, and how many events a second meanwhile
    faults      how each is done to workers, brokers and network
    supervisor  keeps the workers running, as whatever runs them in production would
    bank        what goes in, and the bank's own count of it
    check       what must be true at the end
    report      what happened, as a table and as JSON

`make chaos` runs it against a Kafka of its own (bench/README.md); a short cut of it is a test.
"""
