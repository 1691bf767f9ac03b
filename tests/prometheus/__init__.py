"""Prometheus' own tools, for tests that only they can do."""
