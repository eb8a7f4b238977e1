"""The figure of a catalogue and its profile: what it shows, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.errors import ParameterError
from clmassmod.figures.galaxies import catalogue_and_profile
from clmassmod.galaxies import GalaxyCatalogue, build_profile

EDGES = [0.1, 0.5, 1.0, 5.0, 6.0]


def tangential(n=4000):
    """Galaxies on a disc of radius 1.5 Mpc, all with e_t = 0.1."""
    rng = np.random.default_rng(2)
    radius, phi = 1.5 * np.sqrt(rng.uniform(size=n)), 2 * np.pi * rng.uniform(size=n)
    return GalaxyCatalogue(
        x=radius * np.cos(phi),
        y=radius * np.sin(phi),
        e1=-0.1 * np.cos(2 * phi),
        e2=-0.1 * np.sin(2 * phi),
        z=np.ones(n),
    )


def test_whiskers_are_tangential_and_points_those_of_the_profile():
    catalogue = tangential()
    profile = build_profile(catalogue, 0.3, bins=EDGES)
    figure = catalogue_and_profile(catalogue, profile, [0.1] * 4)
    sky, radial = figure.axes
    whiskers = [line for line in sky.lines if len(line.get_xdata()) == 2]
    assert len(whiskers) > 20
    for line in whiskers:
        (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
        radius = np.hypot(x0 + x1, y0 + y1)
        along = (x0 + x1) * (x1 - x0) + (y0 + y1) * (y1 - y0)
        if radius > 1.0:  # twice the distance: not the cell of the centre
            assert abs(along) < 0.3 * radius * np.hypot(x1 - x0, y1 - y0)
    points = radial.lines[0]
    np.testing.assert_allclose(points.get_ydata(), profile.g_t[~profile.mask])
    assert len(points.get_xdata()) == 3  # of four bins, one is empty


def test_other_catalogues_and_models_are_refused():
    catalogue = tangential(50)
    profile = build_profile(catalogue, 0.3, bins=EDGES)
    with pytest.raises(ParameterError, match="model"):
        catalogue_and_profile(catalogue, profile, [0.1])
    sky = GalaxyCatalogue(ra=[0.0], dec=[0.0], e1=[0.0], e2=[0.0], z=[1.0])
    with pytest.raises(ParameterError, match="catalogue"):
        catalogue_and_profile(sky, profile)
