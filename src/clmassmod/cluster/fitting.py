"""Fitting methods: each turns the likelihood of one cluster into a `MassProfile`.

``curvefit``  least squares (scipy), symmetric errors from slopes over one standard deviation;
``minuit``    maximum likelihood with asymmetric errors (iminuit, MINOS);
``scanpdf``   the likelihood on a grid of masses, negative ones included;
``emcee``     Markov chain, vectorised over walkers (``pymc`` is an alias);
``nested``    nested sampling with evidence (nautilus).
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..configuration.model_schema import DEFAULT_PRIORS
from ..errors import FitError, MissingExtraError, ParameterError, nearest
from ..inference.diagnostics import ends_reached, r_hat
from .density import weighted_quantile
from .effects import RANGES
from .likelihood import HaloLikelihood
from .parameters import CENTRE
from .results import MassProfile
from .scan import scan

Array = npt.NDArray[np.float64]

ALIASES = {"pymc": "emcee", "mcmc": "emcee"}

# method -> its parameters and their defaults
DEFAULTS: dict[str, dict[str, Any]] = {
    "curvefit": {"seed": 0},
    "minuit": {"seed": 0},
    "scanpdf": {"seed": 0, "n_grid": 1000, "n_nuisance": 41},
    "emcee": {
        "seed": 0,
        "n_walkers": 32,
        "n_steps": 2000,
        "n_burn": 500,
        "max_steps": 20000,
        "thin": 0,
        "progress": False,
    },
    "nested": {"seed": 0, "n_live": 1000, "n_networks": 0, "n_eff": 4000},
}

# of priors, those that a posterior may well reach: few data constrain a concentration
_NATURAL_ENDS = {
    **RANGES,
    "concentration": tuple(DEFAULT_PRIORS["concentration"][end] for end in ("low", "high")),
}
_LEVEL_68 = (0.158655, 0.841345)
_EDGE = 1e-3
# of a scan over centres, those that a maximum is looked for from
_N_CENTRES = 12
# for the 68 % interval to 5 % of its width
_LEAST_ESS = 400
# of ln of the scatter of shapes over their noise, that is of errors
_SCATTER_ERROR = 0.1
# chance of a chi2 this large from a right model, below which a fit is called poor
_LEAST_P_VALUE = 1e-4


def method_name(calc_method: str) -> str:
    """Return the canonical name of a method; an unknown one is a `ParameterError`."""
    name = ALIASES.get(str(calc_method).lower(), str(calc_method).lower())
    if name not in DEFAULTS:
        choices = (*DEFAULTS, *ALIASES)
        raise ParameterError(
            "calc_method", calc_method, f"one of {', '.join(choices)}", nearest(name, choices)
        )
    return name


def method_parameters(method: str, calc_params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the defaults of a method updated by `calc_params`; unknown keys are errors."""
    given = dict(calc_params or {})
    defaults = DEFAULTS[method]
    for key, value in given.items():
        if key not in defaults:
            raise ParameterError(
                f"calc_params[{key!r}]",
                value,
                f"one of {', '.join(defaults)} for {method!r}",
                nearest(key, defaults),
            )
        if not isinstance(value, bool) and (not isinstance(value, int | float) or value < 0):
            raise ParameterError(f"calc_params[{key!r}]", value, "a number >= 0")
    return {**defaults, **given}


def fit_cluster(
    likelihood: HaloLikelihood, method: str, parameters: Mapping[str, Any], start: MassProfile
) -> MassProfile:
    """Return `start` filled with the fit of one cluster."""
    if method in ("curvefit", "minuit"):
        _check_determined(likelihood)
    best = find_maximum(likelihood)
    start = _with_best(start, likelihood, best)
    fitted = _METHODS[method](likelihood, dict(parameters), start, best)
    return _with_quality(fitted) if likelihood.judges_fit else _with_scatter(fitted)


def _check_determined(likelihood: HaloLikelihood) -> None:
    informative = sum(p.prior.informative for p in likelihood.parameters.parameters)
    if likelihood.n_data + informative < len(likelihood.parameters):
        raise FitError(
            f"{likelihood.n_data} data points cannot determine "
            f"{', '.join(likelihood.parameters.names)}; fix some, or give informative priors"
        )


def _with_quality(profile: MassProfile) -> MassProfile:
    """Return the result with a warning if the model does not describe the data."""
    if profile.dof < 1:
        return profile
    from scipy.stats import chi2

    probability = float(chi2.sf(profile.chi2, profile.dof))
    profile.diagnostics["p_value"] = probability
    if probability > _LEAST_P_VALUE:
        return profile
    message = f"poor fit: chi2 = {profile.chi2:.1f} for {profile.dof} degrees of freedom"
    return profile._replace(
        status="warning", message="; ".join(filter(None, [profile.message, message]))
    )


def _with_scatter(profile: MassProfile) -> MassProfile:
    """Return the result of single galaxies with a warning if their shapes are not as noisy."""
    ratio = math.sqrt(profile.chi2 / profile.dof) if profile.dof > 0 else 1.0
    profile.diagnostics["scatter_over_noise"] = ratio
    if abs(math.log(max(ratio, 1e-300))) < _SCATTER_ERROR:
        return profile
    message = (
        f"shapes scatter {ratio:.3g} times as much as the noise they are given, and errors are "
        "wrong by this: give their shape_noise"
    )
    return profile._replace(
        status="warning", message="; ".join(filter(None, [profile.message, message]))
    )


# -- the best fit --------------------------------------------------------------------------------


def objective(likelihood: HaloLikelihood, coordinates: Any) -> Array:
    """Return ln L plus the informative priors at coordinates (B, P), -inf outside the support."""
    u = np.atleast_2d(np.asarray(coordinates, dtype=np.float64))
    values = likelihood.parameters.to_values(u)
    result = np.full(u.shape[0], -np.inf)
    inside = np.isfinite(likelihood.parameters.log_prior(values))
    if inside.any():
        ln_l = likelihood.log_likelihood(values[inside])
        result[inside] = ln_l + likelihood.parameters.log_penalty(values[inside])
    return np.where(np.isnan(result), -np.inf, result)


def find_maximum(likelihood: HaloLikelihood) -> Array:
    """Return the coordinates (P,) of the best fit: a scan over the support, then Nelder-Mead.

    With a free centre the likelihood has several maxima, for galaxies near a centre that is
    tried; the best of those found from several starts is taken.
    """
    grid = _scan_points(likelihood)
    values = objective(likelihood, grid)
    if not np.isfinite(values).any():
        raise FitError("the likelihood is not finite anywhere on the support of the priors")
    starts = grid[_starts(likelihood, grid, values)]
    if len(starts) > 1:
        starts = np.array([_climbed(likelihood, one, 1e-3, 1e-2) for one in starts])
    best = starts[int(np.argmax(objective(likelihood, starts)))]
    return _climbed(likelihood, best, 1e-8, 1e-10)


def _starts(likelihood: HaloLikelihood, grid: Array, values: Array) -> npt.NDArray[np.int64]:
    """Return which points to climb from: the best, or the best of each of the best centres."""
    order = np.argsort(-values, kind="stable")
    columns = [i for i, name in enumerate(likelihood.parameters.names) if name in CENTRE]
    if not columns:
        return order[:1]
    _, first = np.unique(grid[order][:, columns], axis=0, return_index=True)
    starts = order[np.sort(first)[:_N_CENTRES]]
    return np.asarray(starts[np.isfinite(values[starts])])


def _climbed(likelihood: HaloLikelihood, first: Array, x_error: float, f_error: float) -> Array:
    """Return the maximum that Nelder-Mead finds from a point, to errors in both."""
    from scipy.optimize import minimize

    bounds = [p.bounds for p in likelihood.parameters.parameters]
    scale = np.array([0.02 * (b - a) if math.isfinite(b - a) else 0.1 for a, b in bounds])
    simplex = np.vstack([first, first + np.diag(scale)])
    simplex = np.clip(simplex, [a for a, _ in bounds], [b for _, b in bounds])
    for i in range(len(bounds)):  # a clipped vertex would coincide with the first
        if simplex[i + 1, i] == first[i]:
            simplex[i + 1, i] = first[i] - scale[i]
    fit = minimize(
        lambda u: _cost(likelihood, u),
        first,
        method="Nelder-Mead",
        bounds=bounds,
        options={"initial_simplex": simplex, "xatol": x_error, "fatol": f_error, "maxiter": 4000},
    )
    return np.asarray(fit.x)


def _cost(likelihood: HaloLikelihood, coordinates: Array) -> float:
    """Minus `objective` at one point, large but finite outside the support."""
    value = float(objective(likelihood, coordinates)[0])
    return -value if math.isfinite(value) else 1e300


def _scan_points(likelihood: HaloLikelihood) -> Array:
    """Quantiles of the priors: fine in the mass, a few in the others."""
    axes = []
    for p in likelihood.parameters.parameters:
        n = 200 if p.name == "mass" else 7
        u = (np.arange(n) + 0.5) / n
        axes.append(p.to_coordinate(p.prior.quantile(u)))
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=-1)


def _with_best(start: MassProfile, likelihood: HaloLikelihood, best: Array) -> MassProfile:
    values = likelihood.parameters.to_values(best)
    names = likelihood.parameters.names
    return start._replace(
        parameters=names,
        mle=dict(zip(names, map(float, values), strict=True)),
        log_likelihood=float(likelihood.log_likelihood(values[None])[0]),
        chi2=float(likelihood.chi2(values[None])[0]),
        n_data=likelihood.n_data,
        diagnostics={"edge": _at_edge(likelihood, best)},
    )


def _at_edge(likelihood: HaloLikelihood, best: Array) -> list[str]:
    """Names of the parameters whose best fit lies at an end of their support."""
    names = []
    for p, u in zip(likelihood.parameters.parameters, best, strict=True):
        low, high = p.bounds
        margin = _EDGE * (high - low) if math.isfinite(high - low) else 0.0
        if u <= low + margin or u >= high - margin:
            names.append(p.name)
    return names


def _of_curvature(likelihood: HaloLikelihood, profile: MassProfile) -> list[str]:
    """Say where intervals that follow from the curvature at the best fit are not to be trusted."""
    doubts = likelihood.doubts(np.array([profile.mle[name] for name in profile.parameters]))
    beyond = []
    for p in likelihood.parameters.parameters:
        best, (down, up) = profile.mle[p.name], profile.errors[p.name]
        if best - down < p.prior.low or best + up > p.prior.high:
            beyond.append(p.name)
    if beyond:
        doubts.append(f"interval reaches beyond the prior: {', '.join(beyond)}; scan it (scanpdf)")
    return doubts


def _cut(likelihood: HaloLikelihood, values: Array, weight: Array | None = None) -> list[str]:
    """Say which posteriors are cut off by an end of their prior that somebody chose."""
    cut = [
        p.name
        for i, p in enumerate(likelihood.parameters.parameters)
        for end in ends_reached(values[:, i], (p.prior.low, p.prior.high), weight)
        if end not in _NATURAL_ENDS.get(p.name, ())
    ]
    return [f"the pdf of {name} is cut by its prior" for name in dict.fromkeys(cut)]


def _warned(profile: MassProfile, messages: list[str]) -> MassProfile:
    if profile.diagnostics.get("edge"):
        edge = ", ".join(profile.diagnostics["edge"])
        messages = [f"best fit at the edge of the prior: {edge}", *messages]
    if not messages:
        return profile
    return profile._replace(status="warning", message="; ".join(messages))


def _in_values(likelihood: HaloLikelihood, at: Array, covariance: Array) -> Array:
    """Return the covariance of the values of one of the coordinates."""
    scale = [
        math.exp(float(p.log_jacobian(u)))
        for p, u in zip(likelihood.parameters.parameters, at, strict=True)
    ]
    return np.asarray(covariance * np.outer(scale, scale))


def _symmetric_errors(names: tuple[str, ...], covariance: Array) -> dict[str, tuple[float, float]]:
    sd = np.sqrt(np.diag(covariance))
    return {name: (float(s), float(s)) for name, s in zip(names, sd, strict=True)}


# -- methods -------------------------------------------------------------------------------------


def _curvefit(
    likelihood: HaloLikelihood, parameters: dict[str, Any], start: MassProfile, best: Array
) -> MassProfile:
    from scipy.optimize import OptimizeWarning, curve_fit

    free = likelihood.parameters
    informative = [(i, p) for i, p in enumerate(free.parameters) if p.prior.informative]

    def residuals(_: Any, *u: float) -> Array:
        values = free.to_values(np.array(u))
        extra = [
            (p.prior.mean - values[i]) / p.prior.sd  # type: ignore[attr-defined]
            for i, p in informative
        ]
        return np.concatenate([likelihood.whitened_residual(values), extra])

    n = likelihood.n_data + len(informative)
    low, high = _bounds(likelihood)
    inside = np.clip(best, np.array(low) + 1e-9, np.array(high) - 1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        try:
            found, covariance = curve_fit(
                residuals,
                np.arange(n),
                np.zeros(n),
                p0=inside,
                sigma=np.ones(n),
                absolute_sigma=True,
                bounds=(low, high),
                xtol=1e-12,
                ftol=1e-12,
            )
        except OptimizeWarning as warning:
            raise FitError(f"least squares found no covariance: {warning}") from warning
    covariance = _covariance_over_errors(residuals, found, covariance, low, high)
    start = _with_best(start, likelihood, found)
    covariance = _in_values(likelihood, found, covariance)
    errors = _symmetric_errors(free.names, covariance)
    profile = start._replace(covariance=covariance, errors=errors)
    return _warned(profile, _of_curvature(likelihood, profile))


def _bounds(likelihood: HaloLikelihood) -> tuple[list[float], list[float]]:
    """Ends of the supports, coordinates; that of the mass ends where the profile does."""
    low, high = [], []
    for p in likelihood.parameters.parameters:
        first, last = p.prior.low, p.prior.high
        if p.name == "mass":
            first = max(first, -likelihood.greatest_mass)
            last = min(last, likelihood.greatest_mass)
        low.append(float(p.to_coordinate(first)))
        high.append(float(p.to_coordinate(last)))
    return low, high


def _covariance_over_errors(
    residuals: Callable[..., Array],
    found: Array,
    covariance: Array,
    low: Sequence[float],
    high: Sequence[float],
) -> Array:
    """Return the covariance by slopes over steps of one standard deviation, found by iteration.

    The shear of a halo changes infinitely fast with its mass at mass zero (a dense, small
    halo), so that the slope at the best fit says little about a weak signal. Over its own
    error it does; far from zero the two agree.
    """
    for _ in range(30):
        step = np.sqrt(np.diag(covariance))
        above = np.minimum(found + step, high)
        below = np.maximum(found - step, low)
        columns = []
        for i in range(found.size):
            up, down = found.copy(), found.copy()
            up[i], down[i] = above[i], below[i]
            columns.append((residuals(None, *up) - residuals(None, *down)) / (up[i] - down[i]))
        jacobian = np.stack(columns, axis=-1)
        scaled = jacobian * step
        if not np.isfinite(scaled).all() or np.linalg.cond(scaled) > 1e6:
            raise FitError("the data do not constrain all parameters together")
        following = np.linalg.inv(jacobian.T @ jacobian)
        change = np.max(np.abs(np.sqrt(np.diag(following)) / step - 1.0))
        # half-way between the two on the log scale: plain iteration can swing
        covariance = following * np.outer(*[np.sqrt(step / np.sqrt(np.diag(following)))] * 2)
        if change < 1e-4:
            return following
    return covariance


def _minuit(
    likelihood: HaloLikelihood, parameters: dict[str, Any], start: MassProfile, best: Array
) -> MassProfile:
    try:
        from iminuit import Minuit
    except ImportError:
        raise MissingExtraError("iminuit", "fit", "method 'minuit'") from None
    free = likelihood.parameters

    minuit = Minuit(lambda u: _cost(likelihood, u), best, name=free.names)
    minuit.errordef = Minuit.LIKELIHOOD
    minuit.strategy = 2
    for p in free.parameters:
        low, high = p.bounds
        minuit.limits[p.name] = (low, high)
        minuit.errors[p.name] = 0.05 * (high - low) if math.isfinite(high - low) else 0.1
    minuit.migrad()
    minuit.hesse()
    messages = [] if minuit.valid else ["MIGRAD did not converge"]
    found = np.array(list(minuit.values))
    start = _with_best(start, likelihood, found)
    covariance = np.full((len(free), len(free)), np.nan)
    if minuit.covariance is not None:
        covariance = _in_values(likelihood, found, np.asarray(minuit.covariance))
    errors = _symmetric_errors(free.names, covariance)
    if minuit.valid:
        errors.update(_minos(minuit, likelihood, found, messages))
    start.diagnostics["n_calls"] = int(minuit.nfcn)
    profile = start._replace(covariance=covariance, errors=errors)
    return _warned(profile, [*messages, *_of_curvature(likelihood, profile)])


def _minos(
    minuit: Any, likelihood: HaloLikelihood, found: Array, messages: list[str]
) -> dict[str, tuple[float, float]]:
    minuit.minos()
    errors = {}
    for i, p in enumerate(likelihood.parameters.parameters):
        merror = minuit.merrors[p.name]
        if not merror.is_valid:
            messages.append(f"MINOS found no crossing for {p.name}; its error is symmetric")
            continue
        if merror.at_lower_limit or merror.at_upper_limit:
            messages.append(f"interval ends with the prior: {p.name}")
        centre = float(p.to_value(found[i]))
        low = float(p.to_value(found[i] + merror.lower))
        high = float(p.to_value(found[i] + merror.upper))
        errors[p.name] = (centre - low, high - centre)
    return errors


def _scanpdf(
    likelihood: HaloLikelihood, parameters: dict[str, Any], start: MassProfile, best: Array
) -> MassProfile:
    profile = scan(likelihood, parameters, start, best)
    return _warned(profile, [profile.message] if profile.message else [])


def _walker_start(
    likelihood: HaloLikelihood, best: Array, n_walkers: int, random: np.random.Generator
) -> Array:
    """Starting points inside the support with a finite posterior, spread around the best fit."""
    bounds = np.array([p.bounds for p in likelihood.parameters.parameters])
    span = np.where(np.isfinite(bounds[:, 1] - bounds[:, 0]), bounds[:, 1] - bounds[:, 0], 1.0)
    start = np.empty((n_walkers, best.size))
    filled = 0
    for _ in range(200):
        trial = best + 0.02 * span * random.standard_normal((4 * n_walkers, best.size))
        good = trial[np.isfinite(likelihood.log_posterior(trial))]
        take = good[: n_walkers - filled]
        start[filled : filled + len(take)] = take
        filled += len(take)
        if filled == n_walkers:
            return start
    raise FitError("no starting points with a finite posterior near the best fit")


def _emcee(
    likelihood: HaloLikelihood, parameters: dict[str, Any], start: MassProfile, best: Array
) -> MassProfile:
    import emcee

    seed = seed_of(int(parameters["seed"]), start.halo_id)
    walkers = int(parameters["n_walkers"])
    if walkers < 2 * len(best) or walkers % 2:
        raise ParameterError("n_walkers", walkers, f"even and >= {2 * len(best)}")
    random = np.random.default_rng(seed)
    sampler = emcee.EnsembleSampler(walkers, len(best), likelihood.log_posterior, vectorize=True)
    state = emcee.State(
        _walker_start(likelihood, best, walkers, random),
        random_state=np.random.RandomState(seed % 2**32).get_state(),
    )
    burn, steps = int(parameters["n_burn"]), int(parameters["n_steps"])
    state = sampler.run_mcmc(state, burn, progress=bool(parameters["progress"]))
    sampler.reset()
    tau = math.inf
    while True:
        state = sampler.run_mcmc(state, steps, progress=bool(parameters["progress"]))
        tau = float(np.max(sampler.get_autocorr_time(tol=0)))
        if sampler.iteration > 50.0 * tau or sampler.iteration + steps > parameters["max_steps"]:
            break
    if not math.isfinite(tau):
        raise FitError("the chain did not move: its autocorrelation time is not finite")
    thin = int(parameters["thin"]) or max(1, int(0.5 * tau))
    messages = []
    if sampler.iteration * walkers < _LEAST_ESS * tau:
        messages.append(f"fewer than {_LEAST_ESS} effective samples: raise n_steps or max_steps")
    if not sampler.iteration > 50.0 * tau:
        messages.append(
            f"the chain is short: {sampler.iteration} steps, autocorrelation time {tau:.0f}"
        )
    profile = _from_chain(likelihood, sampler, thin, tau, start)
    return _warned(profile, [*messages, *_cut(likelihood, np.asarray(profile.samples))])


def _from_chain(
    likelihood: HaloLikelihood, sampler: Any, thin: int, tau: float, start: MassProfile
) -> MassProfile:
    free = likelihood.parameters
    u = sampler.get_chain(thin=thin, flat=True)
    values = free.to_values(u)
    log_prior = free.log_prior(values)
    log_posterior = sampler.get_log_prob(thin=thin, flat=True)
    start.diagnostics.update(
        autocorrelation_time=tau,
        ess=float(sampler.iteration * sampler.nwalkers / tau),
        r_hat=float(np.max(r_hat(sampler.get_chain()))),
        acceptance=float(np.mean(sampler.acceptance_fraction)),
        n_steps=int(sampler.iteration),
        sampler=sampler,
    )
    return start._replace(
        samples=values,
        sample_log_prior=log_prior,
        sample_log_likelihood=log_posterior - log_prior - free.log_jacobian(u),
        sample_log_weight=np.zeros(len(values)),
        covariance=np.atleast_2d(np.cov(values.T)),
        errors=_interval_errors(start, values, np.full(len(values), 1.0 / len(values))),
    )


def _interval_errors(
    start: MassProfile, values: Array, weight: Array
) -> dict[str, tuple[float, float]]:
    errors = {}
    for i, name in enumerate(start.parameters):
        low, high = weighted_quantile(values[:, i], weight, _LEVEL_68)
        centre = start.mle[name]
        errors[name] = (max(centre - float(low), 0.0), max(float(high) - centre, 0.0))
    return errors


def _nested(
    likelihood: HaloLikelihood, parameters: dict[str, Any], start: MassProfile, best: Array
) -> MassProfile:
    try:
        from nautilus import Sampler
    except ImportError:
        raise MissingExtraError("nautilus-sampler", "fit", "method 'nested'") from None
    free = likelihood.parameters
    n = len(free)

    def transform(cube: Array) -> Array:
        columns = [p.prior.quantile(cube[..., i]) for i, p in enumerate(free.parameters)]
        return np.stack([*columns, *(cube[..., i] for i in range(n, n_dim))], axis=-1)

    # nautilus wants two dimensions: a second one that nothing depends on leaves Z as it is
    n_dim = max(n, 2)
    sampler = Sampler(
        transform,
        lambda values: likelihood.log_likelihood(values[:, :n]),
        n_dim=n_dim,
        n_live=int(parameters["n_live"]),
        n_networks=int(parameters["n_networks"]),
        vectorized=True,
        pass_dict=False,
        seed=seed_of(int(parameters["seed"]), start.halo_id) % 2**32,
    )
    finished = sampler.run(n_eff=int(parameters["n_eff"]))
    points, log_weight, log_likelihood = sampler.posterior()
    values = points[:, :n]
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    start.diagnostics.update(ess=float(sampler.n_eff), n_calls=int(sampler.n_like), sampler=sampler)
    profile = start._replace(
        samples=values,
        sample_log_prior=free.log_prior(values),
        sample_log_likelihood=log_likelihood,
        sample_log_weight=log_weight,
        covariance=np.atleast_2d(np.cov(values.T, aweights=weight)),
        errors=_interval_errors(start, values, weight),
        log_evidence=float(sampler.log_z),
    )
    messages = [] if finished else ["nested sampling did not finish"]
    return _warned(profile, [*messages, *_cut(likelihood, values, weight)])


def seed_of(seed: int, halo_id: str) -> int:
    """Return a seed of its own for every halo, whatever the order or the processes."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{halo_id}".encode()).digest()[:8], "little")


_METHODS: dict[str, Callable[..., MassProfile]] = {
    "curvefit": _curvefit,
    "minuit": _minuit,
    "scanpdf": _scanpdf,
    "emcee": _emcee,
    "nested": _nested,
}
