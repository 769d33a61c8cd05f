// The general neuron: several spikes a step, some that take back earlier ones, and a limit to all of them.
//
//     v += I;   s = clip(floor(v / theta), -min(k, n) or 0, min(k, L - n));   v -= s theta;   n += s
#pragma once

#include "layer.hpp"

namespace dqn2snn::DQN2SNN_ISA {

// How many spikes neurons may send; the same for all of a layer.
struct Limits {
    int32_t max_spikes, max_count;
    bool is_signed;

    template <class N>
    explicit Limits(const Layer<N> &layer)
        : max_spikes(layer.max_spikes), max_count(layer.max_count), is_signed(layer.is_signed) {}

    // Of membranes in thresholds, and of spikes so far.
    DQN2SNN_INLINE i32v clip(f32v ratio, i32v n) const {
        constexpr float beyond = 128;  // more than any number of spikes in a step, and little enough for an integer
        ratio = ratio < beyond ? ratio : f32v{} + beyond;
        ratio = ratio > -beyond ? ratio : f32v{} - beyond;
        i32v s = __builtin_convertvector(ratio, i32v);
        s += __builtin_convertvector(s, f32v) > ratio;  // a comparison that holds is -1
        const i32v most = i32v{} + max_spikes, left = max_count - n, high = left < most ? left : most;
        const i32v low = is_signed ? -(n < most ? n : most) : i32v{};
        s = s < high ? s : high;
        return s > low ? s : low;
    }
};

// A quotient near a whole number k that matters is off by less than its distance to it as long as k theta < 2^24.
DQN2SNN_INLINE f32v ratio(i32v v, i32v threshold) {
    return __builtin_convertvector(v, f32v) / __builtin_convertvector(threshold, f32v);
}
DQN2SNN_INLINE f32v ratio(f32v v, f32v threshold) { return v / threshold; }
DQN2SNN_INLINE i32v product(i32v s, i32v threshold) { return s * threshold; }
DQN2SNN_INLINE f32v product(i32v s, f32v threshold) { return __builtin_convertvector(s, f32v) * threshold; }

// Whether neurons would fire as they are.
DQN2SNN_INLINE i32v would_fire(i32v v, i32v n, i32v threshold, const Limits &limits) {
    const i32v up = (v >= threshold) & (n < limits.max_count);
    return limits.is_signed ? up | ((v < 0) & (n > 0)) : up;
}

// One vector of neurons.
template <class N>
struct Group {
    typename N::Vector v, threshold;
    i32v n, sent;

    DQN2SNN_INLINE i32v step(typename N::Vector current, const Limits &limits) {
        v += current;
        const i32v s = limits.clip(ratio(v, threshold), n);
        v -= product(s, threshold);
        n += s;
        sent += s < 0 ? -s : s;
        return s;
    }
};

// State and results of the neurons of one output pixel, in membrane order but for the last two.
template <class Value>
struct GradedNeurons {
    Value *v;
    int32_t *n, *sent;
    uint64_t *spikes;  // [steps][words], which of them send something
    int16_t *numbers;  // [steps][padded], how much
};

// As many neurons as one vector of 16-bit numbers has, or of floats, from channel c on.
template <class N>
struct Column {
    static constexpr int groups = static_cast<int>(N::lanes) / lanes32;
    Group<N> group[groups];

    DQN2SNN_INLINE Column(const Layer<N> &layer, const GradedNeurons<typename N::Value> &neurons, uint32_t c) {
        for (int i = 0; i < groups; i++, c += lanes32) {
            group[i].v = load<typename N::Vector>(neurons.v + c);
            group[i].threshold = load<typename N::Vector>(layer.threshold.begin() + c);
            group[i].n = load<i32v>(neurons.n + c), group[i].sent = load<i32v>(neurons.sent + c);
        }
    }
    DQN2SNN_INLINE void keep(const GradedNeurons<typename N::Value> &neurons, uint32_t c) const {
        for (int i = 0; i < groups; i++, c += lanes32) {
            store(neurons.v + c, group[i].v);
            store(neurons.n + c, group[i].n), store(neurons.sent + c, group[i].sent);
        }
    }
    // One step; the numbers of spikes, in the order of the channels, and a bit for each that is not zero.
    DQN2SNN_INLINE uint64_t step(const typename N::Value *current, const Limits &limits, int16_t *numbers) {
        i32v s[groups];
        for (int i = 0; i < groups; i++) s[i] = group[i].step(load<typename N::Vector>(current + i * lanes32), limits);
        if constexpr (groups == 2) {
            store(numbers, interleaved(s[0], s[1]));
            return interleaved_bits(s[0] != 0, s[1] != 0);
        } else {
            store(numbers, __builtin_convertvector(s[0], i16half));
            return bits(s[0] != 0);
        }
    }
};

// All channels of one output pixel over a chunk of steps; `currents` are stride apart from one step to the next.
template <class N>
inline void fire_graded(const Layer<N> &layer, const typename N::Value *currents, size_t stride, uint32_t steps,
                        const GradedNeurons<typename N::Value> &neurons) {
    const Limits limits(layer);
    for (uint32_t t = 0; t < steps * layer.words; t++) neurons.spikes[t] = 0;
    for (uint32_t c = 0; c < layer.padded; c += N::lanes) {
        Column<N> column(layer, neurons, c);
        for (uint32_t t = 0; t < steps; t++) {
            int16_t *const numbers = neurons.numbers + static_cast<size_t>(t) * layer.padded + c;
            neurons.spikes[t * layer.words + c / 64] |= column.step(currents + t * stride + c, limits, numbers)
                                                        << c % 64;
        }
        column.keep(neurons, c);
    }
}

// One step of one output pixel whose membranes have received their input already: `words` get a bit for each neuron
// that sends something, and where that is `numbers` get how much. Returns whether a neuron would fire again.
inline bool fire_changes(const Layer<Grid> &layer, const Limits &limits, int32_t *v, int32_t *n, int16_t *numbers,
                         uint64_t *words) {
    uint64_t again = 0;
    for (uint32_t w = 0; w < layer.words; w++) words[w] = 0;
    for (uint32_t c = 0; c < layer.padded; c += lanes16) {
        i32v membrane[2], count[2], threshold[2], fires[2], s[2];
        for (int i = 0; i < 2; i++) {
            membrane[i] = load<i32v>(v + c + i * lanes32), count[i] = load<i32v>(n + c + i * lanes32);
            threshold[i] = load<i32v>(layer.threshold.begin() + c + i * lanes32);
            fires[i] = would_fire(membrane[i], count[i], threshold[i], limits);
        }
        const uint64_t word = interleaved_bits(fires[0], fires[1]);
        if (!word) continue;
        for (int i = 0; i < 2; i++) {
            s[i] = limits.clip(ratio(membrane[i], threshold[i]), count[i]);
            membrane[i] -= s[i] * threshold[i], count[i] += s[i];
            store(v + c + i * lanes32, membrane[i]), store(n + c + i * lanes32, count[i]);
            fires[i] = would_fire(membrane[i], count[i], threshold[i], limits);
        }
        store(numbers + c, interleaved(s[0], s[1]));
        words[c / 64] |= word << c % 64;
        again |= interleaved_bits(fires[0], fires[1]);
    }
    return again;
}

}  // namespace dqn2snn::DQN2SNN_ISA
