"""Make the figures of population_validation.md and print its numbers.

Usage: python docs/population_figures.py [FOLDER [NAME ...]]

FOLDER is this one by default, NAME what follows population_ in the name of a figure.

Five minutes of one core. The numbers of the calibration, of its controls and of single lenses are
those that the scripts in tests/validation left in JSON files there.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from clmassmod.figures.clusters import corner_figure, new_figure, save_figure
from clmassmod.figures.inference import rank_ecdf
from clmassmod.population import LensData, PopulationParameters, build_kernels
from clmassmod.stronglens import LensPopulation, MockGenerator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "validation"))

import population_surveys as surveys
import run_population_accuracy as accuracy
import run_population_calibration as calibration
from kernel_reference import BruteForce

DPI = 100
SEED = 1127
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
LABELS = {
    "alpha_sps": r"$\alpha_{\rm sps}$",
    "mu_h": r"$\mu_h$",
    "beta_h": r"$\beta_h$",
    "sigma_h": r"$\sigma_h$",
    "mu_g": r"$\mu_\gamma$",
    "sigma_g": r"$\sigma_\gamma$",
}


def stored(name):
    """Return the numbers of a long run."""
    return json.loads((calibration.HERE / f"population_{name}.json").read_text())


# -- calibration ----------------------------------------------------------------------------------


def ranks():
    """Return the figure of the ranks, and print their numbers."""
    found = calibration.from_content(stored("calibration"))
    print(f"{len(found.truth)} surveys", *found.lines(), sep="\n")
    for name, column in zip(found.names, found.ranks.T, strict=True):
        counts = np.bincount(column * 20 // (found.n_draws + 1), minlength=20)
        print(f"{name} chi2 p = {stats.chisquare(counts).pvalue:.2g}")
    for name, column in zip(found.names, found.pit.T, strict=True):
        print(f"{name} KS p = {stats.kstest(column, 'uniform').pvalue:.2g}")
    return rank_ecdf(found, labels=LABELS)


def controls():
    """Return pulls of alpha_sps by right and wrong likelihoods on the same surveys."""
    pulls = {kind: np.array(rows) for kind, rows in stored("controls")["pulls"].items()}
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    for i, (kind, rows) in enumerate(pulls.items()):
        colour = BLUE if kind == "right" else VERMILLION
        spread = np.linspace(-0.25, 0.25, len(rows))
        axes.plot(i + spread, rows[:, 0], ".", color=colour, ms=4)
        axes.plot([i - 0.35, i + 0.35], [rows[:, 0].mean()] * 2, color="black", lw=1.5)
        if kind != "right":
            mean, in_errors = calibration.shift(pulls, kind)
            print(f"{kind}: shift {np.round(mean, 2)}, in errors {np.round(in_errors, 1)}")
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.set_xticks(range(len(pulls)), [kind.replace(" ", "\n") for kind in pulls])
    axes.set_ylabel(r"pull of $\alpha_{\rm sps}$")
    return figure


# -- one large survey -----------------------------------------------------------------------------


def recovery(folder):
    """Return the corner plot of 1000 lenses with the truth."""
    truth = surveys.PARAMETERS.values
    lenses = surveys.survey(truth, SEED, 1000)
    likelihood = surveys.right_likelihood(lenses, folder, calibration.CONTROL_BOX)
    draws = surveys.posterior_samples(likelihood, 1, 4000, 2000.0)
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    print("1000 lenses", likelihood.error_budget())
    for name, *numbers in zip(surveys.NAMES, truth, mean, sd, (truth - mean) / sd, strict=True):
        print(name, *np.round(numbers, 4))
    away = (truth - mean) @ np.linalg.solve(np.cov(draws.T), truth - mean)
    print(f"chi2 of the truth {away:.2f} of 6, p = {stats.chi2.sf(away, 6):.2g}")
    figure = corner_figure(draws, [LABELS[name] for name in surveys.NAMES], list(truth))
    for axes in figure.axes:  # read at half its size
        axes.tick_params(labelsize=16)
        axes.xaxis.label.set_size(26)
        axes.yaxis.label.set_size(26)
    for text in figure.texts:
        text.set_size(26)
    return figure


def doubled(folder):
    """Return densities of alpha_sps by both declarations on one mock selected on its data."""
    truth = surveys.PARAMETERS.values
    lenses = surveys.survey(truth, SEED + 1, 1200)
    right = surveys.right_likelihood(lenses, folder, calibration.CONTROL_BOX)
    wrong = surveys.doubled_detection(right, folder)
    figure = new_figure(8.0, 3.2)
    left, middle = figure.subplots(1, 2)
    for likelihood, label, colour, style in (
        (right, 'selection="on_data", as it was', BLUE, "-"),
        (wrong, 'selection="independent": counted twice', VERMILLION, "--"),
    ):
        draws = surveys.posterior_samples(likelihood, 1, 4000, 1500.0)
        print(label, draws.mean(axis=0).round(4), draws.std(axis=0).round(4))
        # a normal density: that of 1500 samples has bumps of its own
        mean, sd = draws[:, 0].mean(), draws[:, 0].std()
        x = np.linspace(mean - 4.0 * sd, mean + 4.0 * sd, 200)
        left.plot(x, stats.norm(mean, sd).pdf(x), color=colour, ls=style, label=label)
    left.axvline(truth[0], color="black", lw=1.0)
    left.set_xlabel(LABELS["alpha_sps"])
    left.set_ylabel("posterior density")
    left.set_yticks([])
    pulls = {kind: np.array(rows) for kind, rows in stored("controls")["pulls"].items()}
    for kind, colour, style in (("right", BLUE, "-"), ("doubled detection", VERMILLION, "--")):
        middle.hist(
            pulls[kind][:, 0], np.arange(-4.0, 3.1, 0.5), histtype="step", color=colour, ls=style
        )
    middle.axvline(0.0, color="black", lw=1.0)
    middle.set_xlabel(rf"pull of {LABELS['alpha_sps']}, {len(pulls['right'])} such surveys")
    middle.set_ylabel("surveys")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure


# -- single lenses --------------------------------------------------------------------------------


def peaks(values):
    """Return how many inner points are higher than both neighbours."""
    return int(((values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])).sum())


def scans(n_lenses=40):
    """Return ln L along mu_h at three scatters, by the kernels and by 30 x 30 cells."""
    parameters = PopulationParameters(LensPopulation(), ["mu_h", "sigma_h"])
    data = LensData.from_catalogue(MockGenerator().generate(14_000, seed=13))[:n_lenses]
    kernels = build_kernels(data)
    weight = np.full(30, 2.0 / 29.0)
    weight[[0, -1]] *= 0.5
    coarse = BruteForce((np.linspace(0.0, 2.0, 30), weight), np.linspace(11.0, 15.0, 30))
    figure = new_figure(9.0, 5.0)
    grid = figure.subplots(2, 3, sharex=True)
    mu = np.linspace(12.0, 14.0, 81)
    for column, sigma_h in zip(grid.T, (0.1, 0.2, 0.37), strict=True):
        vectors = parameters.vectors(np.stack([mu, np.full(81, sigma_h)], axis=1))
        ours = kernels.per_lens(vectors)
        cells = np.stack([coarse.log_likelihood(data[i], vectors) for i in range(n_lenses)], 1)
        if sigma_h == 0.1:
            one = int(np.argmax([peaks(row) for row in cells.T]))
        for axes, a, b in (
            (column[0], ours.sum(axis=1), cells.sum(axis=1)),
            (column[1], ours[:, one], cells[:, one]),
        ):
            axes.plot(mu, a - a.max(), color=BLUE, label="kernels")
            axes.plot(mu, b - a.max(), color=VERMILLION, ls="--", label="30 x 30 cells")
            axes.set_ylim(-12.0 if axes is column[1] else -60.0, None)
            print(f"sigma_h {sigma_h}: peaks {peaks(a)} and {peaks(b)}, "
                  f"range of the difference {np.ptp(a - b):.2f}")  # fmt: skip
        several = [sum(peaks(row) > 1 for row in each.T) for each in (ours, cells)]
        print(f"lenses with more than one peak: {several[0]} and {several[1]} of {n_lenses}")
        column[0].set_title(rf"$\sigma_h = {sigma_h}$", fontsize=9)
        column[1].set_xlabel(LABELS["mu_h"])
    grid[0, 0].set_ylabel(rf"$\ln L$ of {n_lenses} lenses")
    grid[1, 0].set_ylabel(r"$\ln L$ of one lens")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure


def errors():
    """Return the distribution of errors of single lenses."""
    content = stored("accuracy")
    print(*accuracy.summary(content["rows"]), content["selection"], sep="\n")
    figure = new_figure(7.0, 2.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, key, limit in zip(panels, ("error", "slope_rms"), (1e-3, 1e-5), strict=True):
        for kind, colour, style in (("fresh", BLUE, "-"), ("extreme", VERMILLION, "--")):
            some = [r for r in content["rows"] if (r["kind"] == "fresh") == (kind == "fresh")]
            values = np.sort([max(row[key], 1e-9) for row in some])
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, share, where="post", color=colour, ls=style,
                      label=f"{len(some)} {kind} lenses")  # fmt: skip
        axes.axvline(limit, color=GREY, lw=1.0)
        power = rf"$10^{{{np.log10(limit):.0f}}}$ nat "
        place = axes.get_xaxis_transform()
        axes.text(limit, 0.03, power, color=GREY, fontsize=8, ha="right", transform=place)
        axes.set_xscale("log")
    panels[0].set_xlabel(r"largest error of $\ln L$ [nat]")
    panels[1].set_xlabel("rms error of its change over a step")
    panels[0].set_ylabel("share of lenses")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def main(folder, names=()):
    """Write the figures, or some of them."""
    target = Path(folder) / "figures"
    with tempfile.TemporaryDirectory() as tables:
        makers = {
            "ranks": ranks,
            "controls": controls,
            "errors": errors,
            "scans": scans,
            "doubled": lambda: doubled(tables),
            "recovery": lambda: recovery(tables),
        }
        for name, make in makers.items():
            if names and name not in names:
                continue
            dpi = 45 if name == "recovery" else DPI
            save_figure(make(), target / f"population_{name}.png", dpi)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent, sys.argv[2:])
