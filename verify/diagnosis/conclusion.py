"""From a finding to a diagnosis: the sentence, and the wrong entry that bears it out.

The entry shown is the one that is furthest from the corrected gradient, if the finding has one, or
from a true entry that is known. If there is neither, halving leads to one, always into the half
with the larger residual.
"""

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.bisection import entries_tree
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.suspect import Finding, Suspect, names_of
from verify.diagnosis.witness import Witness
from verify.diagnosis.words import Diagnosis, subject, those
from verify.error_model.arrays import index_of


def not_finite(name: str, got: Array, witness: Witness) -> Diagnosis:
    """Of a gradient with NaN or infinity in it: the first such entry."""
    flat = int(np.argmax(~np.isfinite(got)))
    known = witness.entry(name, flat, got.shape)
    count = int((~np.isfinite(got)).sum())
    where = f" in {count:,} of {got.size:,} entries" if got.size > 1 else ""
    value = float(got.flat[flat])
    sentence = f"gradient of {name} is not finite{where}"
    index = index_of(flat, got.shape)
    return Diagnosis("not finite", sentence, name, index, value, known.value, known.error_bar)


def nothing_found(inquiry: Inquiry) -> Diagnosis:
    """For when no argument can be called wrong: the oracle is too blunt, or the error too small."""
    if inquiry.unjudged:
        names = subject(inquiry.unjudged, inquiry.names)
        why = f"the oracle is too blunt to tell how {names} is wrong"
    else:
        why = "no argument's gradient is wrong by enough to tell how"
    name = (inquiry.unjudged or list(inquiry.names))[0]
    return Diagnosis("unknown", why, name, "", np.nan, np.nan, np.inf)


def unrecognised(inquiry: Inquiry) -> Finding:
    """What to say of the worst argument when every hypothesis has failed."""
    suspect = inquiry.wrong[0]
    known = suspect.witness.known_entries(suspect.name)
    wrong = [flat for flat in known if suspect.is_wrong_at(flat)]
    if len(known) > 3 and not wrong:
        predicate = "is the one furthest off, by too little to tell how"
        return Finding("unknown", [suspect.name], predicate, suspect)
    predicate = "is wrong in a way that was not recognised"
    if len(known) > 3:
        predicate += f", in {len(wrong)} of {len(known)} entries looked at"
    elif suspect.got.size == 1:
        factor = suspect.probes[0].got / (suspect.probes[0].truth.value or np.nan)
        predicate = "is wrong, and should be zero"
        if np.isfinite(factor):
            predicate = f"is wrong: {factor:.7g} times what it should be"
    only = len(inquiry.wrong) == 1 < len(inquiry.names) and not inquiry.unjudged
    fault = "one argument" if only else "unknown"
    return Finding(fault, [suspect.name], predicate, suspect)


def report(finding: Finding, inquiry: Inquiry) -> Diagnosis:
    """The diagnosis: who else is wrong, who is right, and one wrong entry."""
    names = [name for name in inquiry.names if name in finding.names]
    sentence = f"{subject(names, inquiry.names)} {finding.predicate}"
    wrong = names_of(inquiry.wrong)
    also = [name for name in inquiry.names if name in wrong and name not in names]
    if also:
        sentence += f"; {those(also)} wrong too"
    if inquiry.right:
        sentence += f"; {those(inquiry.right)} right"
    suspect = finding.suspect
    flat = _wrong_entry(suspect, finding.corrected)
    known = suspect.witness.entry(suspect.name, flat, suspect.shape, extra=True)
    return Diagnosis(
        fault=finding.fault,
        sentence=sentence,
        argument=suspect.name,
        index=index_of(flat, suspect.shape),
        got=float(suspect.got.flat[flat]),
        expected=known.value,
        error_bar=known.error_bar,
        is_excused=finding.is_excused,
    )


def _wrong_entry(suspect: Suspect, corrected: Array | None) -> int:
    """Where h is most wrong, of the entries that are known; found by halving if none is."""
    if corrected is not None:
        return int(np.argmax(np.abs(suspect.got - corrected)))
    known = suspect.witness.known_entries(suspect.name)
    errors = {
        flat: abs(float(suspect.got.flat[flat]) - each.value)
        for flat, each in known.items()
        if suspect.is_wrong_at(flat)
    }
    if errors:
        return max(errors, key=lambda flat: errors[flat])
    return entries_tree(suspect).worst()
