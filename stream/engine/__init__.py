"""The engine: sources, tasks, transactions. It knows stages and bytes, and nothing of payments."""
