"""Which recipe, which thresholds, how many steps: chosen by prediction, confirmed by simulation."""

from dqn2snn.analysis.suggestion._findings import Candidate, Option, Suggestion
from dqn2snn.analysis.suggestion._predict import MODEL_ERROR, STEPS, Prediction, predict_agreement
from dqn2snn.analysis.suggestion._suggest import Threshold, check_target, q_values, suggest
from dqn2snn.analysis.suggestion._sweep import Sweep, sweep_agreement
from dqn2snn.analysis.suggestion._target import Trial, plan_for_target, split_held_out, trials_table

__all__ = [
    "MODEL_ERROR",
    "STEPS",
    "Candidate",
    "Option",
    "Prediction",
    "Suggestion",
    "Sweep",
    "Threshold",
    "Trial",
    "check_target",
    "plan_for_target",
    "predict_agreement",
    "q_values",
    "split_held_out",
    "suggest",
    "sweep_agreement",
    "trials_table",
]
