"""The report: one file that is whole, true to its results and safe to open."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest

import clmassmod as clm
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.figures import clusters as plotting
from clmassmod.reports import clusters as report
from clmassmod.rounding import rounded

EVIL = '<script>alert("1")</script> & "quoted"'
VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects attributes and text; fails on a tag that is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def massmod():
    info = {"name": EVIL, "sources": {"redshift": 1.0}, "simulation": {"n_clusters": 3}}
    result = clm.CLMassMod(info)
    result.obs_gamma_theta = simulate_sample(info).observables
    result.fit_mass_profiles("scanpdf")
    good, warned, failed = result.out_data_profiles
    result.out_data_profiles = [
        good,
        warned._replace(status="warning", message=EVIL),
        failed._replace(status="failed", message="no <reason>", mle={}, errors={}),
    ]
    return result


def test_nothing_is_loaded_from_outside(massmod, tmp_path):
    figures = plotting.write_figures(massmod, tmp_path)
    text = report.report_text(massmod, figures=figures)
    page = parsed(text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(value.startswith("data:") for name, value in page.attributes if name == "src")
    assert not [value for name, value in page.attributes if name in ("href", "onload")]
    assert not re.search(r"https?:|url\(|@import", text)


def test_text_is_escaped(massmod):
    page = parsed(report.report_text(massmod, summary=[EVIL], command=EVIL))
    text = "".join(page.text)
    assert "script" not in page.tags
    assert text.count(EVIL) >= 4  # title, heading, message, summary
    assert "no <reason>" in text


def test_figures_are_inside_bit_for_bit(massmod, tmp_path):
    figures = plotting.write_figures(massmod, tmp_path)
    page = parsed(report.report_text(massmod, figures=figures))
    inside = [v.partition(",")[2] for name, v in page.attributes if name == "src"]
    files = [(tmp_path / name).read_bytes() for name in map(str, figures.values())]
    assert [base64.b64decode(data) for data in inside] == files
    captions = [value for name, value in page.attributes if name == "alt"]
    assert captions == list(figures)


def test_results_and_their_state_are_shown(massmod):
    text = report.report_text(massmod)
    for profile in massmod.out_data_profiles:
        assert profile.halo_id in text
    good = massmod.out_data_profiles[0]
    down, up = good.errors["mass"]
    best, lower, upper = rounded(good.mass / 1e14, down / 1e14, up / 1e14)
    assert f">{best}<" in text
    assert f">-{lower} +{upper}<" in text
    assert '<tr class="failed">' in text
    assert '<tr class="warning">' in text


def test_configuration_and_provenance_are_shown(massmod):
    text = "".join(parsed(report.report_text(massmod)).text)
    for key in ("mass_def", "cosmology.H0", "priors.mass", "sources.redshift", "fit.method"):
        assert key in text
    facts = report.machine_facts()
    assert facts["clmassmod"] == clm.__version__
    for value in facts.values():
        assert value in text


def test_two_reports_differ_only_in_their_time(massmod):
    stamp = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00")
    first, second = (stamp.sub("", report.report_text(massmod)) for _ in range(2))
    assert first == second


def test_figures_left_out_are_mentioned(massmod, tmp_path):
    figures = plotting.write_figures(massmod, tmp_path)
    assert "The first" not in report.report_text(massmod, figures=figures)
    few = dict(list(figures.items())[:2])
    assert "The first 1 of 2." in report.report_text(massmod, figures=few)


def test_file_is_the_text(massmod, tmp_path):
    path = report.write_report(massmod, tmp_path / "deep" / "report.html", summary=["a line"])
    text = (tmp_path / "deep" / "report.html").read_text(encoding="utf-8")
    assert path.endswith("report.html")
    assert "<li>a line</li>" in text
    assert parsed(text).tags[0] == "html"
