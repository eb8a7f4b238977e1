"""Populations of clusters: distributions of mass, and bias and scatter of lensing masses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "MassGrid": ".likelihood_tables",
    "MassSamples": ".likelihood_tables",
    "MassLikelihoods": ".mass_likelihoods",
    "MassRelation": ".relation",
    "ProxySelection": ".relation",
    "PopulationLikelihood": ".population_likelihood",
    "PopulationPosterior": ".posterior",
    "GridLikelihood": ".posterior",
    "sample_population": ".posterior",
    "bootstrap_maxima": ".bootstrap",
    "pareto_k": ".importance",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .bootstrap import bootstrap_maxima
    from .importance import pareto_k
    from .likelihood_tables import MassGrid, MassSamples
    from .mass_likelihoods import MassLikelihoods
    from .population_likelihood import PopulationLikelihood
    from .posterior import GridLikelihood, PopulationPosterior, sample_population
    from .relation import MassRelation, ProxySelection

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
