"""What is remembered of an account: layouts, codecs, and the arrays they live in."""
