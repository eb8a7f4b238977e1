"""Priors, samplers and their diagnostics, for clusters and for lens populations alike."""
