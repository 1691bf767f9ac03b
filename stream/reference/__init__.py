"""Facts of the domain as data, each row with its source: currencies, return codes, categories."""
