"""The three readouts as modules over time-first records, thin shells around the pure functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from dqn2snn.dynamics.readout._records import check_records
from dqn2snn.dynamics.readout.functional import membrane_potential, robust_rate, spike_count
from dqn2snn.errors import ArgumentError

MembraneTime: TypeAlias = Literal["after_reset", "before_reset"]


class Readout(nn.Module, ABC):
    """Base of the three readouts: their buffers, and a look at the records before they are read.

    A subclass says in `_read` what it makes of records that are known to fit.

    Args:
        threshold: Threshold of the neurons, above 0; a float or a tensor that broadcasts to one step.
        v_init: Membrane potential before the first step; likewise.
        scale: Units of the result, for example the last layer's normalisation factor; likewise.

    Raises:
        ArgumentError: If a value is not finite or a threshold is not above 0.
    """

    threshold: Tensor
    v_init: Tensor
    scale: Tensor

    def __init__(
        self,
        threshold: float | Tensor = 1.0,
        v_init: float | Tensor = 0.0,
        scale: float | Tensor = 1.0,
    ) -> None:
        super().__init__()
        for name, value in (("threshold", threshold), ("v_init", v_init), ("scale", scale)):
            buffer = _floating(value)
            if not bool(torch.isfinite(buffer).all()) or (name == "threshold" and bool((buffer <= 0).any())):
                kind = "above 0 and finite" if name == "threshold" else "finite"
                raise ArgumentError(f"Expected `{name}` to be {kind}. Found {value}. Pass the neuron's own.")
            self.register_buffer(name, buffer)

    def forward(self, spk_rec: Tensor, mem_rec: Tensor) -> Tensor:
        """Read the records of a run.

        Args:
            spk_rec: [T, B, ...] spikes of the output neurons, 0 or 1 (or bool), time first.
            mem_rec: [T, B, ...] their membrane potentials after each step.

        Returns:
            [B, ...] one number per output neuron.
        """
        check_records(spk_rec, mem_rec, {name: tuple(b.shape) for name, b in self.named_buffers()})
        # Half precision cannot count far: bfloat16 has no 257.
        dtype = torch.promote_types(mem_rec.dtype, torch.float32)
        return self._read(spk_rec.to(dtype), mem_rec.to(dtype))

    @abstractmethod
    def _read(self, spk_rec: Tensor, mem_rec: Tensor) -> Tensor: ...


class SpikeCount(Readout):
    """Firing rate N / T, times `scale`: the readout of a chip that reports spikes only.

    It lies between 0 and `scale` in steps of `scale` / T, so negative Q-values all read as 0 and near ones
    tie. `threshold`, `v_init` and the membrane record change nothing; they are accepted so that readouts
    can be exchanged in place.

    Args:
        threshold: Not used.
        v_init: Not used.
        scale: Units of the result; a float or a tensor that broadcasts to one step.

    Example:
        >>> spk_rec = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]]])  # [T, B, A]
        >>> SpikeCount(scale=2.0)(spk_rec, torch.zeros(4, 1, 2))
        tensor([[1.5000, 0.0000]])
    """

    def _read(self, spk_rec: Tensor, mem_rec: Tensor) -> Tensor:
        return spike_count(spk_rec.sum(0), len(spk_rec), scale=self.scale)


class MembranePotential(Readout):
    """Last membrane potential per step, (V(T) - v_init) / (T threshold), times `scale`.

    This is the mean input current exactly if the neuron neither leaks nor is ever reset, as
    ``snn.Leaky(beta=1.0, reset_mechanism="none")``. For a neuron that is reset it is only what the spikes
    left over; use `RobustRate` there. Spikes change nothing.

    Args:
        threshold: Unit of the membrane, above 0; a float or a tensor that broadcasts to one step.
        v_init: Membrane potential before the first step; likewise.
        scale: Units of the result; likewise.

    Example:
        >>> mem_rec = torch.tensor([[[0.5, -1.0]], [[1.0, -2.0]]])  # an accumulator of 0.5 and -1 per step
        >>> MembranePotential()(torch.zeros(2, 1, 2), mem_rec)
        tensor([[ 0.5000, -1.0000]])
    """

    def _read(self, spk_rec: Tensor, mem_rec: Tensor) -> Tensor:
        return membrane_potential(
            mem_rec[-1], len(mem_rec), threshold=self.threshold, v_init=self.v_init, scale=self.scale
        )


class RobustRate(Readout):
    r"""Robust firing rate: what the spikes took plus what the membrane kept, times `scale`.

        r = (N threshold + V(T) - V(0)) / (T threshold)

    (W. Tan, D. Patel, R. Kozma, Strategy and Benchmark for Converting Deep Q-Networks to Event-Driven
    Spiking Neural Networks, AAAI 2021, arXiv 2009.14456; there V(0) = 0 and the threshold is 1.)

    **With soft reset it is the mean input current.** The neuron computes V(t) = V(t-1) + I(t) - threshold
    s(t) with s(t) in {0, 1}. Summed over t = 1 .. T the left side and V(t-1) telescope:

        V(T) - V(0) = sum_t I(t) - threshold N,      so that      r = sum_t I(t) / (T threshold).

    No property of the spike rule was used. The readout is therefore signed, unbounded and free of
    quantisation: negative Q-values keep their order and T costs no resolution in the last layer.

    The proof needs a neuron without leak and with soft reset. With hard reset (Norse's `IAFCell`,
    ``reset_mechanism="zero"``) a spike discards all that exceeds the threshold, and r is a rate corrected
    by the last membrane, not the current.

    **So is its gradient**, where the reset has one that cancels that of the spikes, as in Norse's and this package's
    neurons. A stock ``snn.Leaky`` detaches its reset: pass ``spk_rec.detach()`` there to train.

    Args:
        threshold: What a spike takes from the membrane, above 0; a float or a tensor that broadcasts to one
            step, for example one value per action.
        v_init: Membrane potential before the first step; likewise.
        scale: Units of the result; likewise.
        membrane: Whether `mem_rec` holds potentials from after or from before each step's reset. A stock
            ``snn.Leaky`` (``reset_delay=True``) returns them from ``"before_reset"`` and subtracts in the
            next step; the neurons of this package and of Norse return them from ``"after_reset"``.

    Raises:
        ArgumentError: If `membrane` is neither of the two.

    Example:
        A stock snnTorch neuron; nothing else of the loop changes.

        >>> import snntorch as snn
        >>> lif = snn.Leaky(beta=1.0)
        >>> mem, records = torch.zeros(1, 3), []
        >>> for _ in range(16):
        ...     spk, mem = lif(torch.tensor([[0.25, 1.75, -0.5]]), mem)
        ...     records.append((spk, mem))
        >>> spk_rec, mem_rec = (torch.stack(record) for record in zip(*records))
        >>> RobustRate(membrane="before_reset")(spk_rec, mem_rec)
        tensor([[ 0.2500,  1.7500, -0.5000]])
    """

    def __init__(
        self,
        threshold: float | Tensor = 1.0,
        v_init: float | Tensor = 0.0,
        scale: float | Tensor = 1.0,
        *,
        membrane: MembraneTime = "after_reset",
    ) -> None:
        super().__init__(threshold, v_init, scale)
        if membrane not in ("after_reset", "before_reset"):
            raise ArgumentError(
                f'Expected `membrane` to be "after_reset" or "before_reset". Found {membrane!r}. '
                'Stock snn.Leaky needs "before_reset".'
            )
        self.membrane = membrane

    def _read(self, spk_rec: Tensor, mem_rec: Tensor) -> Tensor:
        # The last spike's subtraction is still due where the record is from before the reset.
        paid = spk_rec if self.membrane == "after_reset" else spk_rec[:-1]
        return robust_rate(
            paid.sum(0),
            mem_rec[-1],
            len(mem_rec),
            threshold=self.threshold,
            v_init=self.v_init,
            scale=self.scale,
        )

    def extra_repr(self) -> str:
        """The argument that `repr` shows."""
        return f"membrane={self.membrane!r}"


def _floating(value: float | Tensor) -> Tensor:
    tensor = torch.as_tensor(value).detach().clone()
    return tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())
