"""Tables of the paper and ours, with intervals and controls."""
