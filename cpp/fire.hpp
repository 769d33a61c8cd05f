// The kernel: integrate-and-fire neurons of one output pixel over a chunk of steps.
//
//     v += b + sum of the weight rows of the inputs that spiked;   s = [v >= theta];   v -= theta s  or  v = v_init
//
// Membranes stay in registers over the whole chunk, and the rows of inputs that spike more than once in the first
// level of the cache.
#pragma once

#include "layer.hpp"

namespace dqn2snn::DQN2SNN_ISA {

// For each step of a chunk, the weight rows to add: those whose inputs spiked.
struct Events {
    const uint32_t **begin, **end;
};

template <class Value>
struct Neurons {  // of one output pixel and one tile
    const Value *bias, *threshold, *v_init;
    Value *v;
    uint64_t *spikes;   // the word of the first step
    size_t stride;      // words from one step to the next
    uint32_t shift;     // where in the word the tile starts
    Value *record;      // membranes after each step, or null
    size_t record_stride;
};

// N vectors of 16-bit lanes. Sums of at most `group` rows fit 16 bits; then they are widened into the membranes.
template <int N, bool hard>
inline void fire(const int16_t *weights, uint32_t group, const Events &events, uint32_t steps,
                 const Neurons<int32_t> &neurons) {
    constexpr uint32_t width = N * lanes16;
    i32v v[2 * N];
    for (int i = 0; i < 2 * N; i++) v[i] = load<i32v>(neurons.v + i * lanes32);
    for (uint32_t t = 0; t < steps; t++) {
        for (int i = 0; i < 2 * N; i++) v[i] += load<i32v>(neurons.bias + i * lanes32);
        const uint32_t *event = events.begin[t];
        const uint32_t *const end = events.end[t];
        while (event < end) {
            const uint32_t *const stop = static_cast<size_t>(end - event) > group ? event + group : end;
            i16v sum[N] = {};
            for (; event < stop; event++) {
                const int16_t *const row = weights + static_cast<size_t>(*event) * width;
                for (int i = 0; i < N; i++) sum[i] += load<i16v>(row + i * lanes16);
            }
            for (int i = 0; i < N; i++) v[2 * i] += even(sum[i]), v[2 * i + 1] += odd(sum[i]);
        }
        uint64_t word = 0;
        for (int i = 0; i < N; i++) {
            i32v fired[2];
            for (int j = 0; j < 2; j++) {
                const int k = 2 * i + j;
                const i32v threshold = load<i32v>(neurons.threshold + k * lanes32);
                fired[j] = v[k] >= threshold;
                v[k] = hard ? (fired[j] ? load<i32v>(neurons.v_init + k * lanes32) : v[k])
                            : v[k] - (threshold & fired[j]);
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
inline void fire(const float *weights, uint32_t, const Events &events, uint32_t steps,
                 const Neurons<float> &neurons) {
    constexpr uint32_t width = N * lanes32;
    f32v v[N];
    for (int i = 0; i < N; i++) v[i] = load<f32v>(neurons.v + i * lanes32);
    for (uint32_t t = 0; t < steps; t++) {
        f32v sum[N];
        for (int i = 0; i < N; i++) sum[i] = load<f32v>(neurons.bias + i * lanes32);
        for (const uint32_t *event = events.begin[t]; event < events.end[t]; event++) {
            const float *const row = weights + static_cast<size_t>(*event) * width;
            for (int i = 0; i < N; i++) sum[i] += load<f32v>(row + i * lanes32);
        }
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

template <bool hard, class Weight, class Value>
DQN2SNN_INLINE void fire(const Weight *weights, uint32_t vectors, uint32_t group, const Events &events,
                         uint32_t steps, const Neurons<Value> &neurons) {
    switch (vectors) {  // a power of two, at most widest / lanes
        case 1: return fire<1, hard>(weights, group, events, steps, neurons);
        case 2: return fire<2, hard>(weights, group, events, steps, neurons);
        default: return fire<4, hard>(weights, group, events, steps, neurons);
    }
}

// All channels of one output pixel; spikes[t * stride + w] gets word w of step t.
template <class N>
inline void fire_pixel(const Layer<N> &layer, const typename N::Value *bias, const Events &events,
                       uint32_t steps, typename N::Value *v, uint64_t *spikes, typename N::Value *record) {
    for (uint32_t t = 0; t < steps * layer.words; t++) spikes[t] = 0;
    for (uint32_t i = 0; i < layer.num_tiles; i++) {
        const Tile &tile = layer.tiles[i];
        const uint32_t c = tile.channel;
        const Neurons<typename N::Value> neurons{bias + c, layer.threshold.begin() + c, layer.v_init.begin() + c,
                                                 v + c, spikes + c / 64, layer.words, c % 64,
                                                 record ? record + c : nullptr, layer.padded};
        const auto *const weights = layer.weights.begin() + tile.weights;
        if (layer.hard_reset)
            fire<true>(weights, tile.width / N::lanes, tile.group, events, steps, neurons);
        else
            fire<false>(weights, tile.width / N::lanes, tile.group, events, steps, neurons);
    }
}

}  // namespace dqn2snn::DQN2SNN_ISA
