// What a decision writes to while it is simulated; made once and used for one decision after the other.
#pragma once

#include "counts.hpp"
#include "events.hpp"
#include "input.hpp"
#include "kept.hpp"
#include "neuron.hpp"

namespace dqn2snn::DQN2SNN_ISA {

constexpr uint32_t rows_of_block = 512;

template <class N>
struct LayerState {
    Units units;
    Array<typename N::Value> v;  // [units][padded]
    Array<uint64_t> spikes;      // [units][chunk][words]
    SpikeLists<Event> lists;
    Counts counts;  // [units][words]

    // Of layers whose spikes are graded:
    Array<int16_t> numbers;  // [units][chunk][padded]
    SpikeLists<GradedEvent> graded_lists;
    Array<int32_t> n, sent;          // [units][padded]
    Array<double> exact_v, exact_n;  // in their place where the layer is not steady

    LayerState() = default;
    LayerState(const Layer<N> &layer, uint32_t chunk, bool last)
        : units(layer.pixels),
          v(static_cast<size_t>(layer.pixels) * layer.padded),
          spikes(static_cast<size_t>(layer.pixels) * layer.words * chunk) {
        if (!layer.graded) {
            counts = Counts(static_cast<size_t>(layer.pixels) * layer.words);
            if (!last) lists = SpikeLists<Event>(layer.pixels, layer.channels, chunk);
            return;
        }
        numbers = Array<int16_t>(v.size() * chunk);
        n = Array<int32_t>(v.size()), sent = Array<int32_t>(v.size());
        if (!layer.steady) exact_v = Array<double>(v.size()), exact_n = Array<double>(v.size());
        if (!last) graded_lists = SpikeLists<GradedEvent>(layer.pixels, layer.channels, chunk);
    }
};

template <class N>
class Memory final : public Workspace {
public:
    typename Input<N>::Memory input;
    Array<LayerState<N>> layers;
    Gatherer<Event> gatherer;
    Gatherer<GradedEvent> graded_gatherer;
    Array<typename N::Value> sums;       // of an output pixel, [chunk][padded]
    Array<typename N::Value> membranes;  // of the output, [chunk][padded]
    Array<float> q, totals;              // [actions]
    Array<double> charges;               // the membranes of an output that is not steady
    double unit = 0;                     // the charge that a current of one would have brought so far

    Memory(const Input<N> &from, const Array<Layer<N>> &all, uint32_t chunk)
        : input(from.memory(all[0])), layers(all.size()) {
        size_t widest = 0, widest_graded = 0, summed = 0;
        for (size_t i = 0; i < all.size(); i++) {
            layers[i] = LayerState<N>(all[i], chunk, i + 1 == all.size());
            if (i == 0) continue;
            size_t &field = all[i - 1].graded ? widest_graded : widest;
            field = larger(field, field_size(all[i]));
            if (all[i].direct || !all[i].simple) summed = larger<size_t>(summed, all[i].padded);
        }
        gatherer = Gatherer<Event>(widest, chunk);
        graded_gatherer = Gatherer<GradedEvent>(widest_graded, chunk);
        sums = Array<typename N::Value>(summed * chunk);
        const Layer<N> &output = all[all.size() - 1];
        membranes = Array<typename N::Value>(static_cast<size_t>(output.padded) * chunk);
        if (!output.steady) charges = Array<double>(membranes.size());
        q = Array<float>(output.channels), totals = Array<float>(output.channels);
    }

private:
    static size_t field_size(const Layer<N> &layer) {
        size_t largest = 0;
        for (uint32_t p = 0; p < layer.pixels; p++) {
            size_t size = 0;
            for (uint32_t i = layer.fields[p]; i < layer.fields[p + 1]; i++) size += layer.runs[i].length;
            largest = larger(largest, size);
        }
        if (layer.direct) return layer.rows_fit_events() ? 0 : larger(rows_of_block, layer.in_channels);
        return largest * layer.in_channels;
    }
};

}  // namespace dqn2snn::DQN2SNN_ISA
