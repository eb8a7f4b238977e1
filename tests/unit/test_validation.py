"""The validation: it passes, says so in tables and reports, and fails where the code is wrong."""

import dataclasses

import numpy as np
import pytest

import clmassmod as clm
from clmassmod import cli
from clmassmod.errors import ParameterError
from clmassmod.validation import (
    STEPS,
    Check,
    Settings,
    StepResult,
    bias_step,
    catalogue_step,
    ensemble_step,
    map_step,
    mass_step,
    profile_step,
    stack_step,
)


class Small(Settings):
    """Samples of a few."""

    def size(self, quick, full):
        return max(1, quick // 8)


def failed(result):
    return [check.what for check in result.checks if not check.passed]


def test_checks():
    check = Check("a", "b", 1e-9, 1e-8, "c")
    assert check.passed
    assert check._replace(value=-1e-8).passed
    assert not check._replace(value=-2e-8).passed
    assert not check._replace(value=np.nan).passed
    least = check._replace(value=0.2, limit=0.1, at_least=True)
    assert least.passed
    assert not least._replace(value=0.05).passed
    assert not least._replace(value=np.nan).passed


def test_profiles_with_a_wrong_surface_density_are_found(monkeypatch):
    halo = clm.NFW(6e14, 4.0, 0.3)
    radii = np.geomspace(0.01, 10.0, 5)
    good = profile_step.quadrature_errors(halo, radii)
    assert max(np.max(found) for found in good.values()) < 1e-11
    surface = clm.NFW.surface_density
    monkeypatch.setattr(clm.NFW, "surface_density", lambda self, R: surface(self, R) * (1 + 1e-7))
    assert np.min(profile_step.quadrature_errors(halo, radii)["surface density"]) > 5e-8


def test_maps_pass_and_a_wrong_shear_does_not(monkeypatch):
    assert not failed(map_step.map_to_shear(Settings()))
    expected = map_step._expected
    monkeypatch.setattr(map_step, "_expected", lambda p, r: 1.002 * expected(p, r))
    assert len(failed(map_step.map_to_shear(Settings()))) == 2


def test_catalogues_pass_and_a_biased_shear_does_not(monkeypatch):
    assert not failed(catalogue_step.catalogue_to_profile(Small()))
    mock = catalogue_step.MockGalaxies
    monkeypatch.setattr(
        catalogue_step, "MockGalaxies", lambda **given: mock(**given, multiplicative_bias=0.4)
    )
    assert len(failed(catalogue_step.catalogue_to_profile(Small()))) == 4


def test_stacks_pass_and_a_biased_shear_does_not(monkeypatch):
    assert not failed(stack_step.stacks(Small()))
    mock = stack_step._mock
    monkeypatch.setattr(
        stack_step, "_mock", lambda c: dataclasses.replace(mock(c), multiplicative_bias=0.5)
    )
    # halves still add up
    assert len(failed(stack_step.stacks(Small()))) == 3


def test_posteriors_pass_and_too_narrow_ones_do_not(monkeypatch):
    assert not failed(mass_step.posterior_masses(Small()))

    def overconfident(info):
        sample = clm.simulate_sample(info)
        observables = tuple(o.replace(errors=o.errors / 6.0) for o in sample.observables)
        return dataclasses.replace(sample, observables=observables)

    monkeypatch.setattr(mass_step, "simulate_sample", overconfident)
    assert failed(mass_step.posterior_masses(Small()))


def test_populations_pass_and_a_wrong_shear_does_not(monkeypatch):
    assert not failed(ensemble_step.bias_and_scatter(Small()))
    expected = ensemble_step.expected_profile

    def doubled(*arguments):
        exact = expected(*arguments)
        return exact.replace(values=2.0 * exact.values)

    monkeypatch.setattr(ensemble_step, "expected_profile", doubled)
    assert any("bias against" in what for what in failed(ensemble_step.bias_and_scatter(Small())))


def test_other_truths_pass():
    assert not failed(ensemble_step.other_truths(Small()))


@pytest.mark.slow
def test_other_truths_whose_noise_is_biased_are_found(monkeypatch):
    sample = ensemble_step._sample

    def doubled(*arguments):
        made = sample(*arguments)
        return made._replace(noisy=[o.replace(values=2.0 * o.values) for o in made.noisy])

    monkeypatch.setattr(ensemble_step, "_sample", doubled)
    wrong = failed(ensemble_step.other_truths(Settings()))
    assert sum("bias against" in what for what in wrong) == 2


def test_resumed_runs_pass_and_those_that_differ_do_not(monkeypatch):
    assert not failed(mass_step.resumed_runs(Settings()))
    fit = mass_step._fit

    def other_seed(settings, observables, method, parameters, folder):
        given = settings if folder is None else settings._replace(seed=settings.seed + 1)
        return fit(given, observables, method, parameters, folder)

    monkeypatch.setattr(mass_step, "_fit", other_seed)
    # a scan has no random numbers
    assert [what.split(":")[0] for what in failed(mass_step.resumed_runs(Settings()))] == ["emcee"]


def test_bias_shifts_pass_and_a_wrong_bias_does_not(monkeypatch):
    monkeypatch.setattr(bias_step, "_TRUTHS", bias_step._TRUTHS[:1])
    result = bias_step.bias_shifts(Small())
    assert not failed(result)
    assert [row.truth for row in result.bias_rows] == ["NFW", "NFW + Schneider", "NFW + Cromer"]
    assert result.bias_rows[0].shift == 0.0
    assert all(-0.2 < row.shift < 0.0 for row in result.bias_rows[1:])
    mock = bias_step.MockGalaxies
    monkeypatch.setattr(
        bias_step, "MockGalaxies", lambda **given: mock(**given, multiplicative_bias=0.5)
    )
    assert len(failed(bias_step.bias_shifts(Small()))) == 1


def test_a_bias_that_moves_with_density_is_found(monkeypatch):
    b = {5.0: 0.93, 20.0: 0.95, 100.0: 0.95}
    monkeypatch.setattr(bias_step, "mock_bias", lambda profile, density, *_: (b[density], 0.01))
    assert not failed(bias_step.bias_and_density(Settings()))
    b[5.0] = 0.85
    assert failed(bias_step.bias_and_density(Settings()))


def test_report_and_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(bias_step, "_TRUTHS", bias_step._TRUTHS[:1])
    monkeypatch.setattr(Settings, "size", Small.size)
    steps = ["catalogue to profile", "bias shifts"]
    report = clm.validate(tmp_path / "out", steps=steps)
    text = str(report)
    assert report.passed
    assert list(report.seconds) == steps
    assert "NFW + Cromer" in text
    assert text.count("ok    ") == len(report.checks) == 6
    html = (tmp_path / "out" / "report.html").read_text()
    assert report.report.endswith("report.html")
    assert html.count("<img") == 2
    assert "NFW + Schneider" in html
    assert str(tmp_path) not in html


def test_numbers_do_not_depend_on_threads():
    for step in (catalogue_step.catalogue_to_profile, stack_step.stacks):
        one, three = (step(Small(n_threads=n)).checks for n in (1, 3))
        assert one == three


def test_command_line(tmp_path, monkeypatch, capsys):
    def step(value):
        return lambda settings: StepResult([Check("fake", "a check", value, 1.0, "because")])

    monkeypatch.setitem(STEPS, "fake", step(0.5))
    folder = str(tmp_path / "out")
    assert cli.main(["validate", "fake", "--folder", folder]) == 0
    assert "ok" in capsys.readouterr().out
    monkeypatch.setitem(STEPS, "fake", step(1.5))
    assert cli.main(["validate", "fake", "--folder", folder, "--no-report"]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert cli.main(["validate", "fale", "--no-report"]) == 65
    assert "'fake'" in capsys.readouterr().err


def test_wrong_arguments():
    with pytest.raises(ParameterError, match="steps"):
        clm.validate(steps=["nothing"])
    with pytest.raises(ParameterError, match="seed"):
        clm.validate(seed=-1)


@pytest.mark.slow
def test_everything():
    report = clm.validate()
    assert report.passed, str(report)
