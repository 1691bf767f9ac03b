"""`ews demo`: the whole system on one machine, from pip alone, on a bank of simulated customers.

`story` is what the bank sends, `worker` the job beside us, `player` sends the story and is its clock,
`listener` hears what the job says, `words` turns that into lines for people, `screen` shows it, and
`verdict` holds it against the truth.
"""
