// A layer in the order in which the kernels read it: channels padded to whole vectors and cut into tiles whose
// accumulators fit the registers, weight rows of a tile contiguous.
#pragma once

#include "array.hpp"
#include "simulate.hpp"
#include "vectors.hpp"

namespace dqn2snn::DQN2SNN_ISA {

// The two kinds of numbers: integers on the plan's grid, whose sums are exact in any order, and raw floats.
struct Grid {
    using Weight = int16_t;
    using Value = int32_t;
    using Vector = i32v;  // of values
    static constexpr uint32_t lanes = lanes16, widest = lanes16 < 16 ? 32 : 64;
    static constexpr int32_t never = INT32_MAX;  // a threshold out of reach
    // Channel c of a padded layer in the order of membranes: even lanes, then odd lanes.
    static uint32_t place(uint32_t c) {
        const uint32_t lane = c % lanes16;
        return c - lane + lane % 2 * lanes32 + lane / 2;
    }
};
struct Raw {
    using Weight = float;
    using Value = float;
    using Vector = f32v;
    static constexpr uint32_t lanes = lanes32, widest = 4 * lanes32;
    static constexpr float never = __FLT_MAX__;
    static uint32_t place(uint32_t c) { return c; }
};

struct Tile {
    uint32_t channel, width;  // first channel and number of channels
    size_t weights;           // where its rows start
    uint32_t group;           // spikes whose sum fits 16 bits, whichever they are
};

template <class N>
struct Layer {
    using Value = typename N::Value;

    uint32_t in_pixels, in_channels, pixels, channels, padded, words, rows, num_tiles;
    bool direct;  // every neuron reads all inputs, in the order of the weight rows
    bool hard_reset, shared_bias, shared_v_init;
    bool graded;  // neurons send other spikes than ones, or may
    bool steady;  // they keep all of their membranes and may fire at every step
    bool onset;   // its bias is a current of the first step only
    bool simple;  // its neurons are plain and so are those before; the current is the same at all steps
    bool is_signed;
    int32_t max_spikes, max_count;
    uint32_t delay, duration;
    double beta, reach, step;
    Array<uint32_t> fields, shapes;  // shapes: equal for output pixels whose runs differ in their place only
    Array<Run> runs;
    Array<Tile> tiles;
    Array<typename N::Weight> weights;
    Array<Value> bias, threshold, v_init, step_bias;

    size_t neurons() const { return static_cast<size_t>(pixels) * channels; }
    // Whether its neurons may fire at a step of a decision.
    bool may_fire(uint32_t t) const { return t >= delay && t - delay < duration; }
    bool rows_fit_events() const { return rows <= 1u << 16; }
    const Value *bias_of(uint32_t pixel) const {
        return bias.begin() + (shared_bias ? 0 : static_cast<size_t>(pixel) * padded);
    }
    const Value *v_init_of(uint32_t pixel) const {
        return v_init.begin() + (shared_v_init ? 0 : static_cast<size_t>(pixel) * padded);
    }
    // Whether output pixels that receive the same fire alike.
    bool shared() const { return shared_bias && shared_v_init; }
};

inline uint32_t padded_channels(uint32_t channels, uint32_t lanes) { return (channels + lanes - 1) / lanes * lanes; }

template <class N>
inline void cut(Layer<N> &layer) {
    layer.tiles = Array<Tile>(layer.padded / N::lanes);
    uint32_t n = 0;
    size_t start = 0;
    for (uint32_t channel = 0; channel < layer.padded; n++) {
        uint32_t width = N::widest;
        while (width > layer.padded - channel) width /= 2;
        layer.tiles[n] = {channel, width, start, 1};
        channel += width;
        start += static_cast<size_t>(layer.rows) * width;
    }
    layer.num_tiles = n;
}

// The largest number of rows any of which, added up in any order, stay within 16 bits in every channel of a tile.
// With distinct rows the worst case of a channel is its largest weights of one sign.
inline uint32_t safe_group(const int16_t *weights, uint32_t rows, uint32_t width, bool repeats) {
    uint32_t group = rows;
    Array<uint32_t> histogram(1 << 15);
    for (uint32_t c = 0; c < width; c++)
        for (int sign = -1; sign <= 1; sign += 2) {
            std::memset(histogram.begin(), 0, histogram.size() * sizeof(uint32_t));
            int largest = 0;
            for (uint32_t r = 0; r < rows; r++) {
                const int w = sign * weights[static_cast<size_t>(r) * width + c];
                if (w > 0) histogram[static_cast<size_t>(w)]++, largest = larger(largest, w);
            }
            uint32_t n = 0;
            int sum = 0;
            for (int w = largest; w > 0 && n < group; w--)
                for (uint32_t k = repeats ? UINT32_MAX : histogram[static_cast<size_t>(w)]; k > 0; k--) {
                    if (sum + w > INT16_MAX) {
                        group = smaller(group, larger(n, 1u));
                        break;
                    }
                    sum += w, n++;
                }
        }
    return group;
}

inline void finish(Layer<Grid> &layer, bool repeats) {
    for (uint32_t i = 0; i < layer.num_tiles; i++) {
        Tile &tile = layer.tiles[i];
        tile.group = safe_group(layer.weights.begin() + tile.weights, layer.rows, tile.width, repeats);
    }
}
inline void finish(Layer<Raw> &, bool) {}

// Two output pixels have the same shape if their runs have the same lengths and rows.
inline void classify(Array<uint32_t> &shapes, const Array<uint32_t> &fields, const Array<Run> &runs) {
    Array<uint32_t> known(shapes.size());
    uint32_t num_known = 0;
    for (uint32_t p = 0; p < shapes.size(); p++) {
        const uint32_t n = fields[p + 1] - fields[p];
        uint32_t k = 0;
        for (; k < num_known; k++) {
            const uint32_t q = known[k];
            bool same = fields[q + 1] - fields[q] == n;
            for (uint32_t i = 0; same && i < n; i++) {
                const Run &a = runs[fields[p] + i], &b = runs[fields[q] + i];
                same = a.length == b.length && a.row == b.row;
            }
            if (same) break;
        }
        if (k == num_known) known[num_known++] = p;
        shapes[p] = k;
    }
}

template <class N>
inline Array<typename N::Value> per_channel(const Layer<N> &layer, const std::vector<double> &values, size_t repeats,
                                            typename N::Value filler) {
    Array<typename N::Value> result(repeats * layer.padded);
    for (size_t p = 0; p < repeats; p++)
        for (uint32_t c = 0; c < layer.padded; c++)
            result[p * layer.padded + N::place(c)] =
                c < layer.channels ? static_cast<typename N::Value>(values[p * layer.channels + c]) : filler;
    return result;
}

template <class N>
inline Layer<N> prepared(const LayerSpec &spec, bool graded_input, bool onset = false) {
    Layer<N> layer;
    layer.in_pixels = spec.in_pixels, layer.in_channels = spec.in_channels;
    layer.pixels = spec.pixels, layer.channels = spec.channels;
    layer.padded = padded_channels(spec.channels, N::lanes);
    layer.words = (layer.padded + 63) / 64;
    layer.rows = static_cast<uint32_t>(spec.weights.size() / spec.channels);
    layer.hard_reset = spec.hard_reset, layer.step = spec.step;
    layer.steady = spec.steady(), layer.onset = onset;
    layer.beta = spec.beta, layer.reach = spec.reach, layer.delay = spec.delay, layer.duration = spec.duration;
    layer.graded = !spec.plain() || !layer.steady, layer.is_signed = spec.is_signed;
    layer.max_spikes = static_cast<int32_t>(spec.max_spikes);
    layer.max_count = spec.max_count ? static_cast<int32_t>(spec.max_count) : INT32_MAX;
    layer.simple = !layer.graded && !graded_input && !onset && spec.step_bias.empty();
    layer.fields = Array<uint32_t>(spec.fields.size());
    for (size_t i = 0; i < spec.fields.size(); i++) layer.fields[i] = spec.fields[i];
    layer.runs = Array<Run>(spec.runs.size());
    for (size_t i = 0; i < spec.runs.size(); i++) layer.runs[i] = spec.runs[i];
    layer.shapes = Array<uint32_t>(layer.pixels);
    classify(layer.shapes, layer.fields, layer.runs);
    layer.direct = layer.pixels == 1 && spec.runs.size() == 1 && spec.runs[0].pixel == 0 && spec.runs[0].row == 0 &&
                   spec.runs[0].length == spec.in_pixels;
    layer.shared_bias = spec.bias.size() == spec.channels;
    layer.bias = per_channel(layer, spec.bias, spec.bias.size() / spec.channels, 0);
    layer.threshold = per_channel(layer, spec.threshold, 1, N::never);
    layer.shared_v_init = spec.v_init.size() == spec.channels;
    layer.v_init = per_channel(layer, spec.v_init, spec.v_init.size() / spec.channels, 0);
    layer.step_bias = per_channel(layer, spec.step_bias, spec.step_bias.size() / spec.channels, 0);
    cut(layer);
    layer.weights = Array<typename N::Weight>(static_cast<size_t>(layer.rows) * layer.padded);
    for (uint32_t i = 0; i < layer.num_tiles; i++) {
        const Tile &tile = layer.tiles[i];
        for (uint32_t r = 0; r < layer.rows; r++)
            for (uint32_t c = 0; c < tile.width && tile.channel + c < spec.channels; c++)
                layer.weights[tile.weights + static_cast<size_t>(r) * tile.width + c] = static_cast<typename N::Weight>(
                    spec.weights[static_cast<size_t>(r) * spec.channels + tile.channel + c]);
    }
    finish(layer, spec.repeats_rows);
    return layer;
}

}  // namespace dqn2snn::DQN2SNN_ISA
