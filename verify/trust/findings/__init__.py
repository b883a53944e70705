"""What the tutorials publish that is not so, each with a form of it to be shown on.

Published forms are written anew, from their formulas.
"""

from verify.trust.findings.activations import ACTIVATION_FINDINGS
from verify.trust.findings.argmin_backward import BACKWARD_FINDINGS
from verify.trust.findings.argmin_forward import FORWARD_FINDINGS
from verify.trust.findings.divergence_estimate import DIVERGENCE_FINDINGS
from verify.trust.findings.finding import Finding
from verify.trust.findings.hips_autograd import HIPS_FINDINGS
from verify.trust.findings.multilayer_perceptron import PERCEPTRON_FINDINGS
from verify.trust.findings.optimization import OPTIMIZATION_FINDINGS
from verify.trust.findings.time_series import TIME_SERIES_FINDINGS
from verify.trust.findings.torch_autograd import TORCH_FINDINGS
from verify.trust.findings.training import TRAINING_FINDINGS

FINDINGS: tuple[Finding, ...] = (
    *OPTIMIZATION_FINDINGS,
    *BACKWARD_FINDINGS,
    *FORWARD_FINDINGS,
    *TIME_SERIES_FINDINGS,
    *ACTIVATION_FINDINGS,
    *PERCEPTRON_FINDINGS,
    *HIPS_FINDINGS,
    *TORCH_FINDINGS,
    *TRAINING_FINDINGS,
    *DIVERGENCE_FINDINGS,
)
