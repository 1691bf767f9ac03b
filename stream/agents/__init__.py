"""The stages' agents: each turns chunks of records into changes of a table and outputs."""
