"""Bad input, proved: records that are wrong in every way go through the real steps of both stages.

Each is processed or refused with a reason of the closed list, nothing of a customer is in the reason, and what is said of all
other records is what would have been said without it.
"""
