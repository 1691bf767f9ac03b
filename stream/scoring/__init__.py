"""What the detectors are worth: the cases that stand beside each, and their figures against simulated truth."""
