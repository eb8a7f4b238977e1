"""Clusters: from observed profiles to masses."""
