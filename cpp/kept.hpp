// Neurons that keep more or less of their membranes than they have, or may not fire at every step.
//
//     v <- r + beta (v - r) + I;   n <- max(beta, 1) n;   s = clip(floor(v / theta), -min(k, n) or 0, min(k, L - n));
//     v -= s theta  or  v = r where s;   n += s
//
// In doubles, in the order of operations of the reference: whole numbers of grid steps stay exact, and the charge of
// neurons that integrate only may grow as it will.
#pragma once

#include "layer.hpp"

namespace dqn2snn::DQN2SNN_ISA {

// To whole numbers, ties to even, any double.
DQN2SNN_INLINE f64v whole(f64v x) {
    constexpr double beyond = 4503599627370496.0;  // 2^52, from which on there are no others
    const f64v size = x < 0 ? -x : x, near = (size + beyond) - beyond;
    return size < beyond ? (x < 0 ? -near : near) : x;
}
DQN2SNN_INLINE f64v at_most(f64v x, f64v most) { return x < most ? x : most; }
DQN2SNN_INLINE f64v at_least(f64v x, f64v least) { return x > least ? x : least; }

// What all neurons of a layer have in common.
template <class N>
struct Keeping {
    double beta, reach, growth, most_n, max_spikes, max_count;
    bool rounds_v, rounds_n, is_signed, hard_reset;

    explicit Keeping(const Layer<N> &layer)
        : beta(layer.beta),
          reach(layer.reach),
          growth(larger(layer.beta, 1.0)),
          max_spikes(layer.max_spikes),
          max_count(layer.max_count),
          is_signed(layer.is_signed),
          hard_reset(layer.hard_reset) {
        const bool on_grid = layer.step != 1;  // in whole steps of it, even where they are held as floats
        const bool is_whole = static_cast<double>(static_cast<int>(beta)) == beta;
        rounds_v = on_grid && !is_whole, rounds_n = growth != 1 && !is_whole;
        most_n = rounds_n ? 32768 : 16777216;  // counts of float32 end here
    }
    DQN2SNN_INLINE f64v kept(f64v v, f64v rest) const {
        if (beta == 1) return v;
        const f64v away = beta * at_least(at_most(v - rest, f64v{} + reach), f64v{} - reach);
        return rest + (rounds_v ? whole(away) : away);
    }
    DQN2SNN_INLINE f64v grown(f64v n) const {
        if (growth == 1) return n;
        constexpr double unit = 256;  // counts are multiples of 1 / 256
        n *= growth;
        return at_most(rounds_n ? whole(n * unit) / unit : n, f64v{} + most_n);
    }
    DQN2SNN_INLINE static f64v floor(f64v x) {  // of small numbers
        const f64v near = whole(x);
        return near > x ? near - 1 : near;
    }
    DQN2SNN_INLINE f64v spikes(f64v v, f64v n, f64v threshold) const {
        constexpr double beyond = 128;  // more than any number of spikes in a step
        const f64v ratio = at_least(at_most(v / threshold, f64v{} + beyond), f64v{} - beyond);
        const f64v high = at_most(max_count - n, f64v{} + max_spikes);
        const f64v low = is_signed ? -floor(at_most(n, f64v{} + max_spikes)) : f64v{};
        return at_most(at_least(floor(ratio), low), high);
    }
};

// State and results of the neurons of one output pixel, in membrane order but for `spikes` and `numbers`.
template <class Value>
struct KeptNeurons {
    const Value *rest;
    double *v, *n;
    int32_t *sent;
    uint64_t *spikes;  // [steps][words], which of them send something
    int16_t *numbers;  // [steps][padded], how much
    double *record;    // [steps][padded], membranes after each step, or null
};

DQN2SNN_INLINE f64v widened(const int32_t *p) { return __builtin_convertvector(load<i32half>(p), f64v); }
DQN2SNN_INLINE f64v widened(const float *p) { return __builtin_convertvector(load<f32half>(p), f64v); }

// The numbers of spikes of one vector of 16-bit numbers, or of floats, in the order of the channels, and a bit for each
// that is not zero.
template <class N>
DQN2SNN_INLINE uint64_t written(const int32_t *s, int16_t *numbers) {
    const i32v first = load<i32v>(s);
    if constexpr (static_cast<int>(N::lanes) == lanes16) {
        const i32v second = load<i32v>(s + lanes32);
        store(numbers, interleaved(first, second));
        return interleaved_bits(first != 0, second != 0);
    } else {
        store(numbers, __builtin_convertvector(first, i16half));
        return bits(first != 0);
    }
}

// All channels of one output pixel over a chunk of steps, of which the first is number `done` of the decision;
// `currents` are stride apart from one step to the next, and `once` are there at step 0 only.
template <class N>
__attribute__((noinline)) void fire_kept(const Layer<N> &layer, const typename N::Value *currents, size_t stride,
                                         bool once, uint32_t done, uint32_t steps,
                                         const KeptNeurons<typename N::Value> &neurons) {
    constexpr int groups = static_cast<int>(N::lanes) / lanes64;
    const Keeping<N> keeping(layer);
    for (uint32_t t = 0; t < steps * layer.words; t++) neurons.spikes[t] = 0;
    for (uint32_t c = 0; c < layer.padded; c += N::lanes) {
        f64v v[groups], n[groups];
        i32half sent[groups];
        for (int i = 0; i < groups; i++) {
            const uint32_t at = c + static_cast<uint32_t>(i) * lanes64;
            v[i] = load<f64v>(neurons.v + at), n[i] = load<f64v>(neurons.n + at);
            sent[i] = load<i32half>(neurons.sent + at);
        }
        for (uint32_t t = 0; t < steps; t++) {
            const bool arrives = !once || done + t == 0, fires = layer.may_fire(done + t);
            alignas(vector_bytes) int32_t s[groups * lanes64] = {};
            for (int i = 0; i < groups; i++) {
                const uint32_t at = c + static_cast<uint32_t>(i) * lanes64;
                const f64v rest = widened(neurons.rest + at);
                v[i] = keeping.kept(v[i], rest), n[i] = keeping.grown(n[i]);
                if (arrives) v[i] += widened(currents + t * stride + at);
                if (fires) {
                    const f64v threshold = widened(layer.threshold.begin() + at);
                    const f64v spikes = keeping.spikes(v[i], n[i], threshold);
                    v[i] = keeping.hard_reset ? (spikes > 0 ? rest : v[i]) : v[i] - spikes * threshold;
                    n[i] += spikes;
                    const i32half numbers = __builtin_convertvector(spikes, i32half);
                    sent[i] += numbers < 0 ? -numbers : numbers;
                    store(s + i * lanes64, numbers);
                }
                if (neurons.record) store(neurons.record + static_cast<size_t>(t) * layer.padded + at, v[i]);
            }
            int16_t *const numbers = neurons.numbers + static_cast<size_t>(t) * layer.padded + c;
            neurons.spikes[t * layer.words + c / 64] |= written<N>(s, numbers) << c % 64;
        }
        for (int i = 0; i < groups; i++) {
            const uint32_t at = c + static_cast<uint32_t>(i) * lanes64;
            store(neurons.v + at, v[i]), store(neurons.n + at, n[i]), store(neurons.sent + at, sent[i]);
        }
    }
}

}  // namespace dqn2snn::DQN2SNN_ISA
