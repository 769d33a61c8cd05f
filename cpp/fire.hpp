// The kernel: integrate-and-fire neurons of one output pixel over a chunk of steps.
//
//     v += b + sum of the weight rows of the inputs that spiked;   s = [v >= theta];   v -= theta s  or  v = v_init
//
// Membranes stay in registers over the whole chunk, and the rows of inputs that spike more than once in the first
// level of the cache.
#pragma once

#include "layer.hpp"

namespace dqn2snn::DQN2SNN_ISA {

using Event = uint16_t;        // a weight row, relative to the first one that can be meant
using GradedEvent = uint32_t;  // the same in the lower half, and in the upper how often to add it, with a sign

// For each step of a chunk, the weight rows to add: those whose inputs spiked.
template <class E>
struct EventsOf {
    const E **begin, **end;
};
using Events = EventsOf<Event>;

template <class Value>
struct Neurons {  // of one output pixel and one tile
    const Value *bias, *threshold, *v_init;
    size_t bias_stride;  // from one step to the next: 0 for a constant current
    Value *v;
    uint64_t *spikes;  // the word of the first step
    size_t stride;     // words from one step to the next
    uint32_t shift;    // where in the word the tile starts
    Value *record;     // membranes after each step, or null
    size_t record_stride;
};

// Adds the weight rows of events, N vectors of 16-bit lanes each, to 32-bit sums in membrane order. Sums of at most
// `group` rows fit 16 bits; then they are widened into the membranes.
template <int N>
DQN2SNN_INLINE void add_rows(const int16_t *weights, uint32_t group, const Event *event, const Event *end, i32v *sums) {
    while (event < end) {
        const Event *const stop = static_cast<size_t>(end - event) > group ? event + group : end;
        i16v sum[N] = {};
        for (; event < stop; event++) {
            const int16_t *const row = weights + static_cast<size_t>(*event) * N * lanes16;
            for (int i = 0; i < N; i++) sum[i] += load<i16v>(row + i * lanes16);
        }
        for (int i = 0; i < N; i++) sums[2 * i] += even(sum[i]), sums[2 * i + 1] += odd(sum[i]);
    }
}
template <int N>
DQN2SNN_INLINE void add_rows(const float *weights, uint32_t, const Event *event, const Event *end, f32v *sums) {
    for (; event < end; event++) {
        const float *const row = weights + static_cast<size_t>(*event) * N * lanes32;
        for (int i = 0; i < N; i++) sums[i] += load<f32v>(row + i * lanes32);
    }
}

// The same for events with a number, whose products are of 32 bits.
template <int N>
DQN2SNN_INLINE void add_rows(const int16_t *weights, uint32_t, const GradedEvent *event, const GradedEvent *end,
                             i32v *sums) {
    for (; event < end; event++) {
        const int16_t *const row = weights + static_cast<size_t>(*event & 0xFFFF) * N * lanes16;
        const i16v for_even = reinterpret_cast<i16v>(u32v{} + (*event >> 16));
        const i16v for_odd = reinterpret_cast<i16v>(u32v{} + (*event & 0xFFFF0000u));
        for (int i = 0; i < N; i++) {
            const i16v weight = load<i16v>(row + i * lanes16);
            sums[2 * i] = plus_pair_products(sums[2 * i], weight, for_even);
            sums[2 * i + 1] = plus_pair_products(sums[2 * i + 1], weight, for_odd);
        }
    }
}
template <int N>
DQN2SNN_INLINE void add_rows(const float *weights, uint32_t, const GradedEvent *event, const GradedEvent *end,
                             f32v *sums) {
    for (; event < end; event++) {
        const float *const row = weights + static_cast<size_t>(*event & 0xFFFF) * N * lanes32;
        const float number = static_cast<float>(static_cast<int16_t>(*event >> 16));
        for (int i = 0; i < N; i++) sums[i] += number * load<f32v>(row + i * lanes32);
    }
}

template <int N, bool hard>
inline void fire(const int16_t *weights, uint32_t group, const Events &events, uint32_t steps,
                 const Neurons<int32_t> &neurons) {
    i32v v[2 * N];
    for (int i = 0; i < 2 * N; i++) v[i] = load<i32v>(neurons.v + i * lanes32);
    for (uint32_t t = 0; t < steps; t++) {
        for (int i = 0; i < 2 * N; i++) v[i] += load<i32v>(neurons.bias + t * neurons.bias_stride + i * lanes32);
        add_rows<N>(weights, group, events.begin[t], events.end[t], v);
        uint64_t word = 0;
        for (int i = 0; i < N; i++) {
            i32v fired[2];
            for (int j = 0; j < 2; j++) {
                const int k = 2 * i + j;
                const i32v threshold = load<i32v>(neurons.threshold + k * lanes32);
                fired[j] = v[k] >= threshold;
                v[k] =
                    hard ? (fired[j] ? load<i32v>(neurons.v_init + k * lanes32) : v[k]) : v[k] - (threshold & fired[j]);
            }
            word |= interleaved_bits(fired[0], fired[1]) << i * lanes16;
        }
        neurons.spikes[t * neurons.stride] |= word << neurons.shift;
        if (neurons.record)
            for (int i = 0; i < 2 * N; i++) store(neurons.record + t * neurons.record_stride + i * lanes32, v[i]);
    }
    for (int i = 0; i < 2 * N; i++) store(neurons.v + i * lanes32, v[i]);
}

// The same in raw floats, N vectors of them.
template <int N, bool hard>
inline void fire(const float *weights, uint32_t group, const Events &events, uint32_t steps,
                 const Neurons<float> &neurons) {
    f32v v[N];
    for (int i = 0; i < N; i++) v[i] = load<f32v>(neurons.v + i * lanes32);
    for (uint32_t t = 0; t < steps; t++) {
        f32v sum[N];
        for (int i = 0; i < N; i++) sum[i] = load<f32v>(neurons.bias + t * neurons.bias_stride + i * lanes32);
        add_rows<N>(weights, group, events.begin[t], events.end[t], sum);
        uint64_t word = 0;
        for (int i = 0; i < N; i++) {
            v[i] += sum[i];
            const f32v threshold = load<f32v>(neurons.threshold + i * lanes32);
            const i32v fired = v[i] >= threshold;
            v[i] = hard ? (fired ? load<f32v>(neurons.v_init + i * lanes32) : v[i])
                        : v[i] - reinterpret_cast<f32v>(reinterpret_cast<i32v>(threshold) & fired);
            word |= bits(fired) << i * lanes32;
        }
        neurons.spikes[t * neurons.stride] |= word << neurons.shift;
        if (neurons.record)
            for (int i = 0; i < N; i++) store(neurons.record + t * neurons.record_stride + i * lanes32, v[i]);
    }
    for (int i = 0; i < N; i++) store(neurons.v + i * lanes32, v[i]);
}

// Adds the events of every step to the sums of that step.
template <class N, int V, class E>
inline void accumulate(const typename N::Weight *weights, uint32_t group, const EventsOf<E> &events, uint32_t steps,
                       typename N::Value *sums, size_t stride) {
    using Vector = typename N::Vector;
    constexpr int n = V * static_cast<int>(N::lanes) / lanes32;
    for (uint32_t t = 0; t < steps; t++, sums += stride) {
        if (events.begin[t] == events.end[t]) continue;
        Vector sum[n];
        for (int i = 0; i < n; i++) sum[i] = load<Vector>(sums + i * lanes32);
        add_rows<V>(weights, group, events.begin[t], events.end[t], sum);
        for (int i = 0; i < n; i++) store(sums + i * lanes32, sum[i]);
    }
}

template <bool hard, class Weight, class Value>
DQN2SNN_INLINE void fire(const Weight *weights, uint32_t vectors, uint32_t group, const Events &events, uint32_t steps,
                         const Neurons<Value> &neurons) {
    switch (vectors) {  // a power of two, at most widest / lanes
        case 1: return fire<1, hard>(weights, group, events, steps, neurons);
        case 2: return fire<2, hard>(weights, group, events, steps, neurons);
        default: return fire<4, hard>(weights, group, events, steps, neurons);
    }
}

template <class N, class E>
DQN2SNN_INLINE void accumulate(const typename N::Weight *weights, uint32_t vectors, uint32_t group,
                               const EventsOf<E> &events, uint32_t steps, typename N::Value *sums, size_t stride) {
    switch (vectors) {
        case 1: return accumulate<N, 1>(weights, group, events, steps, sums, stride);
        case 2: return accumulate<N, 2>(weights, group, events, steps, sums, stride);
        default: return accumulate<N, 4>(weights, group, events, steps, sums, stride);
    }
}

// All channels of one output pixel; spikes[t * words + w] gets word w of step t.
template <class N>
inline void fire_pixel(const Layer<N> &layer, uint32_t pixel, const typename N::Value *bias, size_t bias_stride,
                       const Events &events, uint32_t steps, typename N::Value *v, uint64_t *spikes,
                       typename N::Value *record) {
    const typename N::Value *const v_init = layer.v_init_of(pixel);
    for (uint32_t t = 0; t < steps * layer.words; t++) spikes[t] = 0;
    for (uint32_t i = 0; i < layer.num_tiles; i++) {
        const Tile &tile = layer.tiles[i];
        const uint32_t c = tile.channel;
        const Neurons<typename N::Value> neurons{
            bias + c, layer.threshold.begin() + c,   v_init + c,  bias_stride, v + c, spikes + c / 64, layer.words,
            c % 64,   record ? record + c : nullptr, layer.padded};
        const auto *const weights = layer.weights.begin() + tile.weights;
        if (layer.hard_reset)
            fire<true>(weights, tile.width / N::lanes, tile.group, events, steps, neurons);
        else
            fire<false>(weights, tile.width / N::lanes, tile.group, events, steps, neurons);
    }
}

}  // namespace dqn2snn::DQN2SNN_ISA
