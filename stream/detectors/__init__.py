"""Detectors: one file each, pure functions from an account's row and an event to a finding."""
