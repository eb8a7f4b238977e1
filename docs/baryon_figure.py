"""Write figures/baryons.png: where the parts of a halo are, and what they do to its lensing signal.

Usage: python docs/baryon_figure.py [FOLDER]     (FOLDER: this one by default)
"""

import sys
from pathlib import Path

import numpy as np
from astropy.cosmology import FlatLambdaCDM

import clmassmod as clm
from clmassmod.figures.tools import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    log_ticks,
    new_figure,
    save_figure,
)

DPI = 110
COSMOLOGY = FlatLambdaCDM(70.0, 0.3, Ob0=0.048, Tcmb0=0.0)
RADII = np.geomspace(0.01, 6.0, 80)
CROMER = clm.BaryonModel(clm.CromerGas(), stellar_fraction=0.0, relaxation=0.0)


def halo_of(mass):
    """Return the halo of dark matter alone."""
    c = clm.concentration(mass, 0.3, mass_def="200c", relation="duffy08", cosmology=COSMOLOGY)
    return clm.NFW(mass, c, 0.3, cosmology=COSMOLOGY)


def figure():
    """Return the figure."""
    canvas = new_figure(8.2, 3.4)
    left, right = canvas.subplots(1, 2)
    halo = halo_of(5e14)
    parts = clm.Baryonified(halo).rows[0]
    for name, profile, colour in (
        ("dark matter alone", halo, GREY),
        ("dark matter and satellites", parts.collisionless, BLUE),
        ("gas", parts.gas, VERMILLION),
        ("central galaxy", parts.central, GREEN),
    ):
        left.loglog(RADII, profile.enclosed_mass(RADII), color=colour, label=name)
    left.axvline(parts.radius_200c, color=GREY, lw=0.8, ls=":")
    left.set(xlabel="$r$ [Mpc]", ylabel=r"mass inside $r$ [$M_\odot$]", ylim=(2e10, 3e15))
    left.legend(frameon=False, fontsize=8)
    for mass, colour in ((1e14, VERMILLION), (3e14, GREEN), (1e15, BLUE)):
        halo = halo_of(mass)
        dark = halo.excess_surface_density(RADII)
        for baryons, style in ((None, "-"), (CROMER, "--")):
            ratio = clm.Baryonified(halo, baryons).excess_surface_density(RADII) / dark
            name = rf"${mass / 1e14:g} \times 10^{{14}}\,M_\odot$"
            label = name if baryons is None else None
            right.semilogx(RADII, ratio, style, color=colour, label=label)
    right.plot([], [], "--", color=GREY, label="Cromer et al.")
    right.axhline(1.0, color=GREY, lw=0.8)
    right.set(xlabel="$R$ [Mpc]", ylabel=r"$\Delta\Sigma$ with baryons / without", ylim=(0.8, 1.3))
    right.legend(frameon=False, fontsize=8)
    for axis in (left, right):
        log_ticks(axis.xaxis, RADII[0], RADII[-1])
    return canvas


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "figures"
    save_figure(figure(), target / "baryons.png", DPI)
