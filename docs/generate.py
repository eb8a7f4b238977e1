"""Write the generated parts of the documentation: the configuration pages, profiles.md, figures.

Usage: python docs/generate.py [FOLDER]     (FOLDER: this one by default)
"""

import inspect
import re
import sys
from pathlib import Path

import numpy as np

from clmassmod.cluster.massmod import CLMassMod
from clmassmod.cluster.reference import Reference
from clmassmod.cluster.simulation import area_nodes, simulate_sample
from clmassmod.configuration.info import describe_config, describe_mock_config
from clmassmod.figures.clusters import mass_posteriors, save_figure
from clmassmod.figures.galaxies import catalogue_and_profile
from clmassmod.figures.lenses import image_configuration, population_corner
from clmassmod.figures.stacks import fitted_model, stacked_profile
from clmassmod.galaxies import FieldOfView, MockGalaxies, RadialBins, build_profile
from clmassmod.maps import ProfileField
from clmassmod.profiles.halos import NFW
from clmassmod.profiles.registry import profile_class, profile_names
from clmassmod.runs.clusters import demo_configuration
from clmassmod.runs.inference_config import describe_infer_config
from clmassmod.runs.table_config import describe_table_config
from clmassmod.stronglens import LensModel, MockGenerator

DPI = 110

HEAD = """\
# Configuration

Written by `docs/generate.py` from the schema itself; `clmassmod config` prints the same tables.

A configuration is a TOML, YAML, JSON or INI file, or a dict with the same keys. Every key has a
default. An unknown key is an error that names the nearest known one. Relative paths are relative
to the folder of the file (or to `--data`); `output.folder` is relative to the current folder.
In INI files, keys outside any section stand under `[clmassmod]`.

"""


MOCK_HEAD = """\
# Configuration of a mock catalogue

Written by `docs/generate.py` from the schema itself; `clmassmod config --mock` prints the same
tables. What the keys do: [Strong lenses](strong_lenses.md).

A configuration is a TOML, YAML, JSON or INI file. Every key has a default; keys of relations that
show none take that of the preset. An unknown key is an error that names the nearest known one. A
relation may be a single number, the same for every galaxy: `inner_slope = 1.0` in `[population]`;
`concentration = "duffy08"` there names a relation with halo mass. `output.folder` is relative to
the current folder. In INI files, keys outside any section stand under `[clmassmod]`.

"""


INFER_HEAD = """\
# Configuration of an inference

Written by `docs/generate.py` from the schema itself; `clmassmod config --infer` prints the same
tables. What is done with it: [From a configuration to a posterior](population.md).

A configuration is a TOML, YAML, JSON or INI file. `sim_id`, `run_id` and `file` in `[data]` must
be given. Keys of relations that show no default take that of the preset; those of free parameters
do not matter. An unknown key is an error that names the nearest known one. The path of the data is
relative to the folder of the file. In INI files, keys outside any section stand under
`[clmassmod]`.

"""


TABLE_HEAD = """\
# Configuration of a table

Written by `docs/generate.py` from the schema itself; `clmassmod config --tables` prints the same
tables. How tables are built: [Tables](tables.md).

A configuration is a TOML, YAML, JSON or INI file. An unknown key is an error that names the
nearest known one. Relative paths are relative to the folder of the file, where the module of the
function may lie too. In INI files, keys outside any section stand under `[clmassmod]`.

"""


def configuration_page():
    """Return the text of configuration.md."""
    return HEAD + describe_config()


def mock_configuration_page():
    """Return the text of mock_configuration.md."""
    return MOCK_HEAD + describe_mock_config()


def infer_configuration_page():
    """Return the text of infer_configuration.md."""
    return INFER_HEAD + describe_infer_config()


def table_configuration_page():
    """Return the text of table_configuration.md."""
    return TABLE_HEAD + describe_table_config()


PROFILES = """\
# Profiles

Written by `docs/generate.py` from the docstrings. Every profile is `clmassmod.<name>`; in a
configuration it is `[profile] kind`, upper and lower case being the same. Each can be asked for its
density, enclosed and projected mass, surface density, convergence, shear, reduced shear and
magnification. Density and surface density are in Msun and physical Mpc.

{which}
have a mass and a concentration and can be fitted; in a configuration `BMO` also needs `truncation`,
and `DK14` and `Diemer23` need `sigma8`, `n_s` and `Ob0` in `[cosmology]`. The others are for
computing, and for `Composite`.
"""


def profiles_page():
    """Return the text of profiles.md: form, parameters, normalisation and references of each."""
    classes = {name: profile_class(name) for name in profile_names()}
    fitted = [
        f"`{n}`" for n, kind in classes.items() if {"mass", "concentration"} <= accepted(kind)
    ]
    parts = [PROFILES.format(which=", ".join(fitted))]
    for name, kind in classes.items():
        first, *sections = re.split(r"\n\n(?=\w+\n-+\n)", inspect.getdoc(kind))
        content = dict(part.split("\n", 1) for part in sections)
        parts += [f"## {name}\n", f"{first}\n", *parameter_list(content["Parameters"])]
        if "Notes" in content:
            parts.append("\n" + content["Notes"].split("\n", 1)[1].strip() + "\n")
        else:
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def accepted(kind):
    """Return the names of the arguments of a profile."""
    return set(inspect.signature(kind).parameters)


def parameter_list(text):
    """Return a Markdown list of the parameters of a docstring, the lines of each joined."""
    items = []
    for line in text.split("\n")[1:]:
        if line.startswith(" "):
            items[-1] += " " + line.strip()
        elif line:
            names, _, what = line.partition(" : ")
            items.append(", ".join(f"`{n}`" for n in names.split(", ")) + (what and f": {what}."))
    return [f"- {item}" for item in items]


def demo_figure():
    """Return the figure of the README: the sample of `clmassmod demo`, scanned."""
    info = demo_configuration(method="scanpdf")
    sample = simulate_sample(info)
    massmod = CLMassMod(info)
    massmod.obs_gamma_theta = sample.observables
    profiles, _ = massmod.fit_mass_profiles()
    return mass_posteriors(profiles, Reference(sample.true_masses, label="true mass"))


def lens_figure():
    """Return the sketch of the lens of strong_lenses.md."""
    return image_configuration(LensModel(log_mstar=11.5, log_mhalo=13.0, log_re=0.9), 1.75)


def population_figure():
    """Return the galaxies and lenses of a mock with the default relations."""
    return population_corner(MockGenerator().generate(200_000, seed=1))


def galaxies_figure():
    """Return the mock catalogue and profile of galaxies.md."""
    halo = NFW(1.5e15, 4.0, redshift=0.3)
    mock = MockGalaxies(40.0, 1.0, FieldOfView.circle(10.0))
    catalogue = mock.generate(ProfileField(halo), seed=1, halo_id="halo_1")
    profile = build_profile(catalogue, 0.3, bins=RadialBins(0.25, 2.5, 8))
    nodes, weights = area_nodes(profile.edges)
    expected = (weights * halo.reduced_tangential_shear(nodes, 1.0)).sum(axis=1)
    return catalogue_and_profile(catalogue, profile, expected)


def stack_figures():
    """Return the two figures of stacks.md: clusters stacked by radius, and scaled."""
    info = {
        "concentration": 4.0,
        "sources": {"redshift": 1.0},
        "noise": {"density": 20.0},
        "simulation": {"n_clusters": 30, "mass_min": 3e14},
    }
    sample = simulate_sample(info)
    massmod = CLMassMod(info)
    massmod.obs_gamma_theta = sample.observables
    tools, edges = massmod.stackTools, np.geomspace(0.5, 12.0, 9)
    sums = tools.sums("woScaling")
    stack = tools.stack_of(sums)
    massmod.fit_mass_profiles("curvefit")
    scaled = tools.sums("wScaling", edges, scaling="truth", masses=sample.truth)
    model = fitted_model(massmod, stack)
    return stacked_profile(stack, sums, model), stacked_profile(scaled.stack(), scaled)


def main(folder):
    """Write the pages and the figures."""
    target = Path(folder)
    (target / "configuration.md").write_text(configuration_page(), encoding="utf-8")
    (target / "mock_configuration.md").write_text(mock_configuration_page(), encoding="utf-8")
    (target / "infer_configuration.md").write_text(infer_configuration_page(), encoding="utf-8")
    (target / "table_configuration.md").write_text(table_configuration_page(), encoding="utf-8")
    (target / "profiles.md").write_text(profiles_page(), encoding="utf-8")
    save_figure(demo_figure(), target / "figures" / "demo.png")
    save_figure(lens_figure(), target / "figures" / "lens.png", DPI)
    save_figure(population_figure(), target / "figures" / "population.png", DPI)
    save_figure(galaxies_figure(), target / "figures" / "galaxies.png", DPI)
    for name, figure in zip(("stack", "stack_scaled"), stack_figures(), strict=True):
        save_figure(figure, target / "figures" / f"{name}.png", DPI)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
