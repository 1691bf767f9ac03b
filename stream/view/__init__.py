"""A customer's current picture in Valkey or Redis, for downstream channels and the service desk: `ews view`.

`picture` folds records into it and is pure; `store` writes it; `feed` reads Kafka; `follow` is the role.
"""
