"""ews: a real-time early-warning system for financial stress."""

__version__ = "0.1.0"
