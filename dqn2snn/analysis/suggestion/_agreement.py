"""From errors of Q-values to the probability that their largest one stays the largest."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.analysis.suggestion._rounding import Moments, known_error, own_error
from dqn2snn.analysis.suggestion._sensitivity import Sensitivity
from dqn2snn.plan.rate_network import RateLayer, RateNetwork

_DRAWS = 64
_JITTER = 1e-5


def q_error_moments(network: RateNetwork, at: Sensitivity, num_steps: int) -> Moments:
    """Mean `[B, A]` and covariance `[B, A, A]` of the errors of the Q-values after `num_steps` steps.

        E Q-error_a = sum_j dQ_a/dr_j E e_j,    Cov_ab = sum_j dQ_a/dr_j dQ_b/dr_j Var e_j,

    with e_j the error of neuron j by its own rounding and clipping. The first layer's errors are known, since its
    current is.

    Args:
        network: The rate network.
        at: Its sensitivity.
        num_steps: T.

    Returns:
        Moments: In the DQN's units.
    """
    actions = at.q.shape[1]
    mean = torch.zeros_like(at.q)
    covariance = at.q.new_zeros(len(at.q), actions, actions)
    for i, layer in enumerate(network.layers):
        gradient, error = at.gradients[i], _layer_error(layer, at, i, num_steps)
        mean += torch.einsum("ban,bn->ba", gradient, error.mean)
        if i:
            weighted = gradient * error.variance.sqrt()[:, None]
            covariance += weighted @ weighted.mT
    return Moments(mean, covariance)


def agreement_probability(q_dqn: Tensor, q: Tensor, error: Moments) -> Tensor:
    """Probability that the best action of the DQN stays the best one, `[B]`.

    With errors normal, P(all b: Q_a* + e_a* > Q_b + e_b). Errors of actions go together, since the same neurons make
    them, so that the product over b of Phi(gap_b / sigma_a*b) would be too small; the probability is taken over
    quasi-random draws of the joint distribution instead, the same for every observation.

    Args:
        q_dqn: The DQN's Q-values `[B, A]`.
        q: Those that the errors are added to, `[B, A]`: the same, but for what is not rounding.
        error: Mean and covariance of the errors.

    Returns:
        Tensor: In [0, 1].
    """
    best = q_dqn.argmax(1)
    centre = q + error.mean
    if not bool(error.variance.any()):
        return (centre.argmax(1) == best).to(q.dtype)
    actions = q.shape[1]
    scale = error.variance.diagonal(dim1=1, dim2=2).amax(1).clamp(min=torch.finfo(q.dtype).tiny * 1e6)
    jitter = _JITTER * torch.eye(actions, dtype=q.dtype, device=q.device)
    factor, _ = torch.linalg.cholesky_ex(error.variance / scale[:, None, None] + jitter)
    draws = _normal_draws(actions).to(q.dtype)
    shifted = centre[:, None] + scale.sqrt()[:, None, None] * (draws @ factor.mT)
    agreed: Tensor = (shifted.argmax(2) == best[:, None]).to(q.dtype).mean(1)
    return agreed


def _layer_error(layer: RateLayer, at: Sensitivity, i: int, num_steps: int) -> Moments:
    """Error of a layer's rates, `[B, neurons]`."""
    n, most = layer.quanta(num_steps), layer.most(num_steps)
    u, phase = at.drives[i] * n, layer.phase
    if i == 0:
        mean = known_error(u, phase, most)
        return Moments(mean.flatten(1) / n, u.new_zeros(()))
    error = _where_active(u, at.spreads[i], phase.expand_as(u), most)
    return Moments(error.mean.flatten(1) / n, error.variance.flatten(1) / n**2)


def _where_active(u: Tensor, spread: Tensor, phase: Tensor, most: int) -> Moments:
    """`own_error`, computed only where a neuron can be led to fire."""
    active = u > -1 - 4 * spread
    mean, variance = torch.zeros_like(u), torch.zeros_like(u)
    mean[active], variance[active] = own_error(u[active], spread[active], phase[active], most)
    return Moments(mean, variance)


def _normal_draws(dimensions: int) -> Tensor:
    """Points of a Sobol sequence, as normal numbers, each with its mirror image: `[2 * draws, dimensions]`."""
    points = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=0).draw(
        _DRAWS, dtype=torch.float64
    )
    draws = torch.special.ndtri(points.clamp(1e-6, 1 - 1e-6))
    return torch.cat([draws, -draws])
