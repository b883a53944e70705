"""Every formulation is the same layer; every name in the report is one of theirs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.argmin.formulations import FORMULATIONS, ONE_OF_EACH, RIVALS, Formulation
from bench.argmin.phases import phases_of
from bench.gate import layer_errors
from reference_impls import Arrays, Manual, Torch, draw
from reference_impls.computations import ridge_argmin
from results.report import layers

RIDGE = ridge_argmin.COMPUTATION
SMALL = 1
TEMPLATE = Path(layers.__file__).with_name("layers.md.jinja")
EARLY_STOPPERS = {"full Hessian", "K alone", "K batched", "cvxpylayers"}


def check(formulation: Formulation, value: np.ndarray, cotangents: Arrays) -> None:
    truth = Torch() if formulation.engine == "manual" else Manual()
    primals = draw(RIDGE, SMALL, "float64")
    errors = layer_errors(RIDGE, primals, value, cotangents, against=truth)
    assert not errors.wrong
    if formulation.name not in EARLY_STOPPERS:
        assert max(errors.value, *errors.by_argument.values()) < 1e-7


def check_phases(formulation: Formulation) -> None:
    phases = phases_of(formulation, RIDGE, draw(RIDGE, SMALL, "float64"))
    value, cotangents = phases.result()
    check(formulation, value, cotangents)
    backward = phases.record()
    for _ in range(2):
        again = {name: phases.to_numpy(bar) for name, bar in backward().items()}
        check(formulation, value, again)
    phases.forward()


@pytest.mark.parametrize("formulation", FORMULATIONS, ids=str)
def test_forward_and_backward_together_and_apart(formulation: Formulation) -> None:
    check_phases(formulation)


@pytest.mark.filterwarnings("ignore")  # what a rival's library warns of
@pytest.mark.parametrize("rival", RIVALS, ids=str)
def test_a_rival_is_the_same_layer(rival: Formulation) -> None:
    assert rival.package is not None
    pytest.importorskip(rival.package)
    check_phases(rival)


def test_names_are_unique_and_tell_pytest_apart() -> None:
    every = (*FORMULATIONS, *RIVALS)
    assert len({formulation.name for formulation in every}) == len(every)
    assert len({str(formulation) for formulation in every}) == len(every)
    assert not any(" " in str(formulation) for formulation in every)


def test_the_reports_names_are_theirs() -> None:
    own = {formulation.name for formulation in FORMULATIONS}
    assert {layers.CLOSED_FORM, layers.TUTORIAL, layers.GENERAL, layers.K_BATCHED} <= own
    assert set(layers.RIVALS) == {rival.name for rival in RIVALS}
    assert set(ONE_OF_EACH) <= set(FORMULATIONS)


def test_only_what_is_not_installed_is_missing() -> None:
    assert [formulation.missing() for formulation in FORMULATIONS] == [None] * len(FORMULATIONS)
    absent = replace(RIVALS[0], package="no_such_package")
    assert absent.missing() == "no_such_package is not installed"


def test_the_report_says_where_each_forms_its_matrices() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    paragraph = text[text.index("Where matrices are formed") :].split("\n\n")[1]
    for formulation in (*FORMULATIONS, *RIVALS):
        assert f"*{formulation.name}*" in paragraph
