"""Before the first run: the config as the workflow reads it, what this machine lacks for it, a config for a pair of one's own."""
