"""A mock survey of galaxy-scale lenses. mock_lenses.toml is the same.

Usage: python mock_lenses.py [FILE]     (FILE: where the catalogue goes, as HDF5)
"""

import sys

from clmassmod.distributions import Uniform
from clmassmod.stronglens import (
    HaloMassRelation,
    LensPopulation,
    MagnitudeLimit,
    Mismatch,
    MockGenerator,
    MockNoise,
    SchechterCounts,
    SourcePopulation,
)

N_GALAXIES, SEED = 50_000, 7

population = LensPopulation.preset(
    "deVauc",
    halo_mass=HaloMassRelation(mu=13.0, beta=2.04, xi=0.0, sigma=0.35),
    mismatch=Mismatch(0.1),
    z_l=Uniform(0.2, 0.6),
    imf="chabrier",
)
generator = MockGenerator(
    population=population,
    sources=SourcePopulation(SchechterCounts(slope=-1.3, m_star=24.5), redshift=2.0),
    noise=MockNoise(magnitude=0.1, log_msps=0.1, time_delay=1.0),
    detection=MagnitudeLimit(26.5),
    selection="on_data",
    time_delays=True,
)


def main(path=None):
    """Return the catalogue, written to `path` if one is given."""
    catalogue = generator.generate(N_GALAXIES, SEED)
    if path is not None:
        catalogue.write(path)
    return catalogue


if __name__ == "__main__":
    lenses = main(sys.argv[1] if len(sys.argv) > 1 else None).table("lenses")
    lenses.round(3)
    print(lenses["galaxy_id", "z_l", "log_msps_obs", "x_a", "x_b", "time_delay_obs"])
