"""Relations of lens galaxies: density, cdf and draws agree; fits recover what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from clmassmod.distributions import Normal, Uniform
from clmassmod.errors import FitError, ParameterError
from clmassmod.profiles.concentration import concentration
from clmassmod.rng import keyed_uniforms
from clmassmod.stronglens.relations import (
    ConcentrationRelation,
    Constant,
    HaloMassRelation,
    Independent,
    LinearRelation,
    Mismatch,
    Relation,
    SkewNormal,
    as_relation,
)

N = 40_000
SIZE = LinearRelation(0.774, 0.977, 0.112)
RELATIONS = [
    SkewNormal(11.252, 0.202, 0.17),
    SkewNormal(11.0, 0.3, -1.0),
    SIZE,
    HaloMassRelation(12.91, 2.04, 0.0, 0.37),
    HaloMassRelation(12.79, 1.70, -0.3, 0.35, SIZE),
    Independent(Normal(1.0, 0.2, 0.0, 2.0)),
    Independent(Uniform(0.1, 0.6)),
    Mismatch(0.1, 0.05, 0.2),
    ConcentrationRelation("duffy08", 0.15),
    ConcentrationRelation(5.0, 0.1),
]


def galaxies(n=N, seed=5):
    """Properties that vary enough for every condition to matter."""
    rng = np.random.default_rng(seed)
    log_msps = rng.uniform(10.8, 12.0, n)
    log_re = SIZE.mean({"log_msps": log_msps}) + rng.normal(0.0, 0.2, n)
    log_mhalo = rng.uniform(11.5, 14.5, n)
    return {
        "z_l": rng.uniform(0.1, 0.9, n),
        "log_msps": log_msps,
        "log_re": log_re,
        "log_mhalo": log_mhalo,
    }


def draws(relation, given, seed=1):
    n = given["log_msps"].size
    uniforms = keyed_uniforms(seed, "test", np.arange(n), max(1, relation.n_uniforms))
    return relation.sample(uniforms[:, : relation.n_uniforms], given)


@pytest.mark.parametrize("relation", RELATIONS, ids=repr)
def test_draws_follow_the_cdf_also_conditionally(relation):
    given = galaxies()
    probability = relation.cdf(draws(relation, given), given)
    assert stats.kstest(probability, "uniform").pvalue > 1e-4
    # in halves of every column that could be a condition
    for column in given.values():
        upper = column > np.median(column)
        for half in (upper, ~upper):
            assert stats.kstest(probability[half], "uniform").pvalue > 1e-4


@pytest.mark.parametrize("relation", RELATIONS, ids=repr)
def test_a_shifted_relation_is_seen(relation):
    """The control of the test above: 5 % of the width away, the same test fails."""
    given = galaxies()
    x = draws(relation, given)
    wrong = relation.cdf(x + 0.05 * x.std(), given)
    assert stats.kstest(wrong, "uniform").pvalue < 1e-4


@pytest.mark.parametrize("relation", RELATIONS, ids=repr)
def test_density_is_the_derivative_of_the_cdf(relation):
    given = {name: column[:1] for name, column in galaxies().items()}
    centre = float(draws(relation, given)[0])
    for low, high in ((centre - 0.07, centre), (centre, centre + 0.04)):
        area, _ = integrate.quad(
            lambda x: float(np.exp(relation.log_density(x, given)).item()),
            low,
            high,
            epsabs=1e-12,
        )
        difference = relation.cdf(high, given) - relation.cdf(low, given)
        # quad's own tolerance
        assert float(difference.item()) == pytest.approx(area, abs=1e-10)


def test_skew_normal_against_scipy():
    relation = SkewNormal(11.252, 0.202, 0.17)
    twin = stats.skewnorm(10.0**0.17, 11.252, 0.202)
    x = np.linspace(10.2, 12.6, 200)
    np.testing.assert_allclose(relation.log_density(x, {}), twin.logpdf(x), rtol=1e-12)
    # Owen's function is absolute in scipy
    np.testing.assert_allclose(relation.cdf(x, {}), twin.cdf(x), rtol=0, atol=1e-10)


def test_halo_mass_without_excess_needs_no_size():
    given = {"log_msps": np.array([11.4, 11.9])}
    relation = HaloMassRelation(12.91, 2.0, 0.0, 0.37)
    np.testing.assert_allclose(relation.mean(given), [12.91, 13.91], rtol=1e-14)
    with pytest.raises(ParameterError, match="size = None"):
        HaloMassRelation(12.91, 2.0, 0.1, 0.37).mean(given | {"log_re": np.ones(2)})


def test_excess_size_is_measured_from_the_mean_at_that_mass():
    given = {"log_msps": np.array([11.9]), "log_re": SIZE.mean({"log_msps": np.array([11.9])})}
    with_excess = HaloMassRelation(12.9, 2.0, -0.3, 0.3, SIZE)
    assert with_excess.mean(given)[0] == pytest.approx(12.9 + 2.0 * 0.5, rel=1e-14)
    given["log_re"] = given["log_re"] + 0.1
    assert with_excess.mean(given)[0] == pytest.approx(12.9 + 2.0 * 0.5 - 0.03, rel=1e-14)


def test_median_concentration_is_that_of_the_relation():
    given = galaxies(7)
    expected = concentration(10.0 ** given["log_mhalo"], given["z_l"], "200c", "duffy08")
    relation = ConcentrationRelation("duffy08", 0.15)
    half = np.full((7, 1), 0.5)
    np.testing.assert_allclose(relation.sample(half, given), expected, rtol=1e-13)
    without = ConcentrationRelation("duffy08")
    np.testing.assert_allclose(without.sample(half[:, :0], given), expected, rtol=1e-13)


@pytest.mark.parametrize(
    "relation",
    [
        Constant(0.3),
        LinearRelation(0.774, 0.977, 0.0),
        HaloMassRelation(12.91, 2.04, 0.0, 0.0),
        Mismatch(0.1),
        Mismatch(0.1, slope=0.3),
        ConcentrationRelation("duffy08"),
    ],
    ids=repr,
)
def test_without_scatter_it_is_a_point(relation):
    given = galaxies(50)
    assert relation.n_uniforms == 0
    x = draws(relation, given)
    assert x.shape == (50,)
    np.testing.assert_array_equal(relation.log_density(x, given), 0.0)
    assert np.all(np.isneginf(relation.log_density(x + 1e-6, given)))
    np.testing.assert_array_equal(relation.cdf(x, given), 1.0)
    np.testing.assert_array_equal(relation.cdf(x - 1e-6, given), 0.0)


def test_linear_fits_recover_their_relation():
    given = galaxies()
    x = given["log_msps"] - 11.4
    for relation in (SIZE, Mismatch(0.1, 0.05, 0.2)):
        fitted = relation.fitted(draws(relation, given), given)
        scatter = relation.standard_deviation
        slope_error = scatter / np.sqrt(np.sum((x - x.mean()) ** 2))
        constant_error = np.hypot(scatter / np.sqrt(N), slope_error * x.mean())
        level = {"alpha": "alpha"} if isinstance(relation, Mismatch) else {"alpha": "intercept"}
        difference = getattr(fitted, level["alpha"]) - getattr(relation, level["alpha"])
        # 4 standard errors of least squares; that of a scatter is sigma / sqrt(2 n)
        assert abs(difference) < 4 * constant_error
        assert abs(fitted.slope - relation.slope) < 4 * slope_error
        assert abs(fitted.standard_deviation - scatter) < 4 * scatter / np.sqrt(2 * N)


def test_halo_mass_fit_recovers_its_relation():
    given = galaxies()
    relation = HaloMassRelation(12.79, 1.70, -0.3, 0.35, SIZE)
    fitted = relation.fitted(draws(relation, given), given)
    design = np.column_stack(
        [np.ones(N), given["log_msps"] - 11.4, given["log_re"] - SIZE.mean(given)]
    )
    errors = 0.35 * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    for name, error in zip(("mu", "beta", "xi"), errors, strict=True):
        assert abs(getattr(fitted, name) - getattr(relation, name)) < 4 * error
    assert abs(fitted.sigma - 0.35) < 4 * 0.35 / np.sqrt(2 * N)
    assert fitted.size == SIZE


def information_errors(log_density, theta, step=1e-4):
    """Standard errors from the scores of every galaxy, by differences."""
    scores = []
    for k in range(len(theta)):
        up, down = list(theta), list(theta)
        up[k] += step
        down[k] -= step
        scores.append((log_density(*up) - log_density(*down)) / (2 * step))
    return np.sqrt(np.diag(np.linalg.inv(np.array(scores) @ np.array(scores).T)))


def test_skew_normal_fit_recovers_its_relation():
    theta = (11.252, 0.202, 0.17)
    x = draws(SkewNormal(*theta), galaxies())
    fitted = SkewNormal.fit(x)
    errors = information_errors(lambda *t: SkewNormal(*t).log_density(x, {}), theta)
    found = np.array([fitted.location, fitted.scale, fitted.log10_shape])
    assert np.all(np.abs(found - theta) < 4 * errors)
    # and it is the maximum: scipy's fit is no more likely
    shape, location, scale = stats.skewnorm.fit(x[:4000])
    mine = SkewNormal.fit(x[:4000]).log_density(x[:4000], {}).sum()
    assert mine > stats.skewnorm.logpdf(x[:4000], shape, location, scale).sum() - 1e-3


def test_truncated_normal_fit_recovers_its_relation():
    theta = (1.4, 0.5)
    x = draws(Independent(Normal(*theta, 0.0, 2.0)), galaxies())
    fitted = Independent.fit_normal(x, 0.0, 2.0).distribution
    errors = information_errors(lambda *t: Normal(*t, 0.0, 2.0).log_density(x), theta)
    assert np.all(np.abs(np.array([fitted.mean, fitted.sd]) - theta) < 4 * errors)
    assert (fitted.low, fitted.high) == (0.0, 2.0)
    # the moments of the cut sample are not the answer
    assert abs(x.std() - theta[1]) > 20 * errors[1]


def test_fits_of_nothing_are_refused():
    with pytest.raises(FitError, match="scatter"):
        SkewNormal.fit(np.full(5, 11.0))
    with pytest.raises(FitError, match="no unique slope"):
        LinearRelation.fit(np.arange(5.0), {"log_msps": np.full(5, 11.0)})
    with pytest.raises(ParameterError, match=r"value\[1\] = nan"):
        LinearRelation.fit([1.0, np.nan, 2.0], {"log_msps": np.arange(3.0)})


@pytest.mark.parametrize("relation", [*RELATIONS, Constant(5.0)], ids=repr)
def test_dictionary_round_trip(relation):
    assert as_relation(relation.to_dict()) == relation


def test_what_serves_as_a_relation():
    assert as_relation(5) == Constant(5.0)
    assert as_relation(Normal(1.0, 0.2)) == Independent(Normal(1.0, 0.2))
    assert as_relation({"distribution": "uniform", "low": 0.2, "high": 0.8}) == Independent(
        Uniform(0.2, 0.8)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SkewNormal(11.0, 0.0, 0.1), "scale = 0.0 .* > 0"),
        (lambda: SkewNormal(np.nan, 0.1, 0.1), "location = nan"),
        (lambda: LinearRelation(0.7, 1.0, -0.1), "scatter = -0.1 .* >= 0"),
        (lambda: HaloMassRelation(13.0, 2.0, 0.0, np.inf), "sigma = inf"),
        (lambda: HaloMassRelation(13.0, 2.0, 0.0, 0.3, size=0.7), "size = 0.7"),
        (lambda: Mismatch("salpeter"), "alpha = 'salpeter'"),
        (lambda: Independent(3.0), "distribution = 3.0"),
        (lambda: ConcentrationRelation("dufy08"), "Did you mean 'duffy08'"),
        (lambda: ConcentrationRelation(-3.0), "relation = -3.0"),
        (lambda: as_relation("mean", "size"), "size = 'mean'"),
        (lambda: as_relation({"relation": "lineer"}, "size"), "size.relation = 'lineer'.*'linear'"),
        (lambda: as_relation({"relation": "linear", "slop": 1.0}, "size"), "size = .*slop"),
        (lambda: SIZE.mean({"z_l": np.ones(1)}), "column = 'log_msps'"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_relation_of_the_user():
    class Bimodal(Relation):
        def sample(self, uniforms, given):
            return np.where(uniforms[:, 0] < 0.5, 0.4, 0.7)

        def log_density(self, value, given):
            return np.full(np.shape(value), -np.log(2.0))

        def cdf(self, value, given):
            return np.where(np.asarray(value) < 0.7, 0.5, 1.0)

        def to_dict(self):
            return {"relation": self.kind}

    relation = as_relation(Bimodal())
    assert set(draws(relation, galaxies(100))) == {0.4, 0.7}
    assert relation.fitted(np.ones(3), {}) is relation
