"""Configurations: every key with its rule, the formats of files, what they become."""
