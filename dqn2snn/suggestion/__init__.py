"""Which recipe, which thresholds, how many steps: chosen by prediction, confirmed by simulation."""

from dqn2snn.suggestion._predict import MODEL_ERROR, STEPS, Prediction, predict_agreement
from dqn2snn.suggestion._suggest import Option, Suggestion, Threshold, suggest

__all__ = [
    "MODEL_ERROR",
    "STEPS",
    "Option",
    "Prediction",
    "Suggestion",
    "Threshold",
    "predict_agreement",
    "suggest",
]
