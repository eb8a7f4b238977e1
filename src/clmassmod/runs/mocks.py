"""The program behind ``clmassmod mock``: a catalogue of mock lenses and figures in one folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..configuration.info import LensInfo, MockInfo
from ..configuration.model_schema import NEED_POWER
from ..distributions import Normal, Uniform
from ..errors import ConfigError, ParameterError
from ..provenance import atomic_path, exclusive_folder, remove_parts
from ..stronglens.catalogue import LensCatalogue, catalogue_totals
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.mock_generator import MockGenerator
from ..stronglens.relations import ConcentrationRelation, Constant, Relation, as_relation
from ..stronglens.source_population import SourcePopulation

CATALOGUE, CONFIG, FIGURES = "lenses.h5", "config.json", "figures"
MOST_DRAWN = 1_000_000
"""Figures show the lenses among this many galaxies at most."""

_PLAIN_RELATIONS = ("stellar_mass", "size", "halo_mass", "inner_slope", "mismatch")
_DRAWN_FROM = {
    "log_mstar": ("population.stellar_mass", "population.mismatch"),
    "log_re": ("population.size",),
    "log_mhalo": ("population.halo_mass",),
    "gamma_in": ("population.inner_slope",),
    "c200": ("population.concentration",),
}
"""Property of a galaxy to the sections that decide it."""


@dataclass(frozen=True)
class MockOutcome:
    """What `run_mock` leaves behind.

    Attributes
    ----------
    folder : str
    catalogue : str
        HDF5 file of the catalogue; `read` gives it.
    config : str
        File of the complete configuration; running it again gives the same catalogue.
    figures : dict
        Title -> PNG file.
    summary : dict
        n_galaxies, expected_sources, n_sources, n_detected, n_lenses (galaxies with a detected
        source), n_failed (galaxies and sources that could not be solved), imf, selection.
    """

    folder: str
    catalogue: str
    config: str
    figures: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    def read(self) -> LensCatalogue:
        """Return the whole catalogue."""
        return LensCatalogue.read(self.catalogue)


def run_mock(
    mock_info: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    *,
    n_threads: int = 1,
    figures: bool | None = None,
    progress: bool = False,
) -> MockOutcome:
    """Make the mock catalogue of a configuration and write it into a folder.

    Parameters
    ----------
    mock_info : MockInfo or mapping
        The configuration; see `describe_mock_config`.
    folder : path, optional
        Where results go; `output.folder` by default, relative to the current folder. Files:
        ``lenses.h5``, ``config.json``, ``figures/*.png``.
    n_threads : int, >= 0
        0 for all; the files are the same bytes for any number.
    figures : bool, optional
        Whether to write figures (needs the extra ``plot``); by default what `output.figures`
        says.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    MockOutcome

    Raises
    ------
    ConfigError
        If the configuration describes no mock, naming its file and section.
    FitError
        If another process is writing into the folder, or it cannot be written to.
    """
    info = MockInfo.from_dict(mock_info)
    wanted = info["output"]["figures"] if figures is None else figures
    if wanted:
        from ..figures.tools import require_matplotlib

        require_matplotlib()  # now, not after a long run
    generator = make_generator(info)
    target = Path(info["output"]["folder"] if folder is None else folder)
    with exclusive_folder(target):
        remove_parts(target / CATALOGUE)
        with errors_named(info):
            generator.write(
                target / CATALOGUE,
                info["n_galaxies"],
                info["seed"],
                chunk=info["chunk"],
                n_threads=n_threads,
                progress=progress,
            )
        config = _write_configuration(info, generator.population, target)
        file = str(target / CATALOGUE)
        totals = catalogue_totals(file)
        names = {"imf": generator.population.imf, "selection": generator.selection}
        files = _write_figures(target, wanted)
    return MockOutcome(str(target), file, config, files, {**totals, **names})


def summary_lines(numbers: Mapping[str, Any]) -> list[str]:
    """Return the numbers of `MockOutcome.summary` as lines of text."""
    expected = numbers["expected_sources"]
    error = math.sqrt(expected)
    digits = 0 if error >= 10.0 else 1
    lines = [
        f"{numbers['n_galaxies']} galaxies, with {numbers['n_sources']} multiply imaged sources "
        f"behind them (expected {expected:.{digits}f} +- {error:.{digits}f})",
        f"{numbers['n_detected']} of these detected, behind {numbers['n_lenses']} galaxies "
        f"(selection {numbers['selection']})",
        f"stellar masses of synthesis with the IMF {numbers['imf']}",
    ]
    if numbers["n_failed"]:
        lines.append(f"{numbers['n_failed']} lenses could not be solved: see the column status")
    return lines


# -- from the configuration to the generator -----------------------------------------------------


def make_generator(info: MockInfo) -> MockGenerator:
    """Return the generator a configuration describes.

    Raises
    ------
    ConfigError
        Naming the file and the section.
    """
    lens, detection = info["lens"], info["detection"]
    population, sources = make_population(info), make_source_population(info)
    with errors_named(info):
        return MockGenerator(
            population=population,
            sources=sources,
            noise=info["noise"],
            detection={"limit": detection["limit"]},
            selection=detection["selection"],
            cosmology=info.make_cosmology(),
            halo=lens["halo"],
            scale_radius=lens["scale_radius"],
            time_delays=info["time_delays"],
        )


def make_population(info: LensInfo) -> LensPopulation:
    """Return the population of galaxies of a configuration."""
    given, lens = info["population"], info["lens"]
    z_l = lens["z_l"]
    population = LensPopulation.preset(
        given["preset"],
        imf=given["imf"],
        sersic_n=lens["sersic_n"],
        z_l=Uniform(*z_l) if isinstance(z_l, list) else z_l,
    )
    for name in _PLAIN_RELATIONS:
        with errors_named(info, f"population.{name}"):
            relation = _relation(given[name], getattr(population, name), name)
            population = population.replace(**{name: relation})
    with errors_named(info, "population.concentration"):
        return population.replace(concentration=_concentration(info))


def _relation(section: Mapping[str, Any], preset: Relation, name: str) -> Relation:
    """Return the relation of the preset with the given numbers in place of its own."""
    own = {key: value for key, value in section.items() if value is not None}
    if "value" in own:
        return Constant(own["value"])
    content = preset.to_dict() | own
    if content.get("distribution") == "uniform":
        content = {key: content[key] for key in ("distribution", "low", "high")}
    return as_relation(content, name)


def _concentration(info: LensInfo) -> Relation | float:
    given = info["population"]["concentration"]
    name, scatter = given["relation"], given["scatter"]
    if name == "constant" and scatter == 0.0:
        value: float = given["value"]
        return value
    relation = given["value"] if name == "constant" else name
    power = info.make_power(name) if name in NEED_POWER else None
    return ConcentrationRelation(relation, scatter, info.make_cosmology(), power)


def make_source_population(info: LensInfo) -> SourcePopulation:
    """Return the population of sources of a configuration."""
    given = info["sources"]
    names = ("slope", "m_star", "m_min", "m_max", "density")
    with errors_named(info, "sources"):
        size = None
        if given["size"] is not None:
            size = Normal(math.log10(given["size"]), given["size_scatter"])
        return SourcePopulation(
            counts={name: given[name] for name in names}, redshift=info.make_sources(), size=size
        )


@contextmanager
def errors_named(info: LensInfo, section: str = "") -> Iterator[None]:
    """Turn errors of arguments into those of the configuration they come from."""
    try:
        yield
    except ParameterError as error:
        where = _where(info, [section] if section else _DRAWN_FROM.get(error.name, ()))
        raise ConfigError(f"{info.file or 'configuration'}:{where} {error}") from error


def _where(info: LensInfo, sections: Iterable[str]) -> str:
    """Return the names of sections; of those of the population with the numbers given."""
    parts = []
    for section in sections:
        top, _, name = section.partition(".")
        numbers = info[top][name] if name else {}
        given = ", ".join(f"{key} = {one!r}" for key, one in numbers.items() if one is not None)
        if given or not name:
            parts.append(f"[{section}] {given}:" if given else f"[{section}]")
    return "".join(f" {part}" for part in parts)


# -- files ---------------------------------------------------------------------------------------


def _write_configuration(info: MockInfo, population: LensPopulation, folder: Path) -> str:
    """Write the configuration with the numbers of the preset filled in; return the file."""
    content = json.loads(json.dumps(info))
    for name in _PLAIN_RELATIONS:
        numbers = getattr(population, name).to_dict()
        section = content["population"][name]
        content["population"][name] = {key: numbers.get(key) for key in section}
    with atomic_path(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return str(folder / CONFIG)


def _write_figures(folder: Path, wanted: bool) -> dict[str, str]:
    """Remove the figures of an earlier run; write those of this one if `wanted`."""
    from ..figures.lenses import remove_figures, write_figures

    remove_figures(folder / FIGURES)
    if not wanted:
        return {}
    catalogue = LensCatalogue.read(folder / CATALOGUE, n_galaxies=MOST_DRAWN)
    return write_figures(catalogue, folder / FIGURES)
