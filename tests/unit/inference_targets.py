"""Likelihoods of known moments, for tests of samplers. They are also run in processes."""

from __future__ import annotations

import time

import numpy as np


class Target:
    """What a likelihood must have beside its density."""

    support = {}
    versions = {"precomputed_table_version": "tables-1"}
    identity = "data-1"

    def to_dict(self):
        return {"target": type(self).__name__}


class Gaussian(Target):
    """Correlated normal density with standard deviations of 1, 2, 3, ... and means 0, 1, 2, ..."""

    def __init__(self, names=("a", "b", "c"), correlation=0.7):
        self.names = tuple(names)
        d = len(names)
        self.mean = np.arange(d, dtype=float)
        self.sd = 1.0 + np.arange(d)
        corr = correlation + (1.0 - correlation) * np.eye(d)
        self.covariance = corr * np.outer(self.sd, self.sd)
        self._inverse = np.linalg.inv(self.covariance)
        self.norm = -0.5 * np.linalg.slogdet(2.0 * np.pi * self.covariance)[1]

    def log_likelihood(self, eta):
        x = eta - self.mean
        return -0.5 * np.einsum("ni,ij,nj->n", x, self._inverse, x)


class Banana(Target):
    """a ~ N(0, 1), b - a^2 ~ N(0, 1): b has mean 1 and variance 3."""

    names = ("a", "b")

    def log_likelihood(self, eta):
        a, b = eta.T
        return -0.5 * (a**2 + (b - a**2) ** 2)


class SlowBanana(Banana):
    """One that leaves time to kill it."""

    def to_dict(self):
        return {"target": "Banana"}

    def log_likelihood(self, eta):
        time.sleep(0.0005)
        return super().log_likelihood(eta)
