"""Choose a recipe, thresholds and a number of steps: predicted without simulation, then confirmed by it."""

from dqn2snn.analysis.suggestion._findings import Suggestion as Suggestion
from dqn2snn.analysis.suggestion._predict import Prediction as Prediction
from dqn2snn.analysis.suggestion._predict import predict_agreement
from dqn2snn.analysis.suggestion._suggest import suggest
from dqn2snn.analysis.suggestion._sweep import Sweep as Sweep
from dqn2snn.analysis.suggestion._sweep import sweep_agreement

__all__ = ["predict_agreement", "suggest", "sweep_agreement"]
