"""The configuration: its keys, its mistakes in plain words, its plan."""
