"""Write the generated parts of the documentation: configuration.md and figures/demo.png.

Usage: python docs/generate.py [FOLDER]     (FOLDER: this one by default)
"""

import sys
from pathlib import Path

from clmassmod.cluster.massmod import CLMassMod
from clmassmod.cluster.program import demo_configuration
from clmassmod.cluster.reference import Reference
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.config import describe_config
from clmassmod.plotting import mass_posteriors, save_figure

HEAD = """\
# Configuration

Written by `docs/generate.py` from the schema itself; `clmassmod config` prints the same tables.

A configuration is a TOML, YAML, JSON or INI file, or a dict with the same keys. Every key has a
default. An unknown key is an error that names the nearest known one. Relative paths are relative
to the folder of the file (or to `--data`); `output.folder` is relative to the current folder.

"""


def configuration_page():
    """Return the text of configuration.md."""
    return HEAD + describe_config()


def demo_figure():
    """Return the figure of the README: the sample of `clmassmod demo`, scanned."""
    info = demo_configuration(method="scanpdf")
    sample = simulate_sample(info)
    massmod = CLMassMod(info)
    massmod.obs_gamma_theta = sample.observables
    profiles, _ = massmod.fit_mass_profiles()
    return mass_posteriors(profiles, Reference(sample.true_masses, label="true mass"))


def main(folder):
    """Write the page and the figure."""
    target = Path(folder)
    (target / "configuration.md").write_text(configuration_page(), encoding="utf-8")
    save_figure(demo_figure(), target / "figures" / "demo.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
