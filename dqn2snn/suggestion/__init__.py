"""Which recipe, which thresholds, how many steps: chosen by prediction, confirmed by simulation."""

from dqn2snn.suggestion._findings import Candidate, Option, Suggestion, Threshold
from dqn2snn.suggestion._predict import MODEL_ERROR, STEPS, Prediction, predict_agreement
from dqn2snn.suggestion._suggest import suggest

__all__ = [
    "MODEL_ERROR",
    "STEPS",
    "Candidate",
    "Option",
    "Prediction",
    "Suggestion",
    "Threshold",
    "predict_agreement",
    "suggest",
]
