// From an observation to the constant currents of the first layer, `I = W x + b`, once a decision.
//
// Frames hold whole numbers: their sums are exact in 32-bit integers. Others are summed in doubles, which are exact
// too for numbers on the plan's input grid. Output pixels that see the same patch share a unit.
#pragma once

#include "fan.hpp"
#include "seen.hpp"
#include "units.hpp"

namespace dqn2snn::DQN2SNN_ISA {

// Rounds to the nearest integer, ties to even, where |x| < 2^51.
DQN2SNN_INLINE double nearest(double x) {
    constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
    return (x + magic) - magic;
}

template <class T, class S>
inline void pixel_major(const S *in, uint32_t pixels, uint32_t channels, T *out) {
    for (uint32_t p = 0; p < pixels; p++)
        for (uint32_t c = 0; c < channels; c++)
            out[static_cast<size_t>(p) * channels + c] = static_cast<T>(in[c * static_cast<size_t>(pixels) + p]);
}
// Stacks of four frames of bytes, by far the most common images: a pixel is one 64-bit word.
inline void pixel_major_frames(const uint8_t *__restrict in, uint32_t pixels, int16_t *__restrict out) {
    typedef uint64_t Word __attribute__((may_alias));
    const size_t frame = pixels;
    Word *const words = reinterpret_cast<Word *>(out);
    for (uint32_t p = 0; p < pixels; p++)
        words[p] = static_cast<uint64_t>(in[p]) | static_cast<uint64_t>(in[p + frame]) << 16 |
                   static_cast<uint64_t>(in[p + 2 * frame]) << 32 | static_cast<uint64_t>(in[p + 3 * frame]) << 48;
}
inline void pixel_major(const uint8_t *in, uint32_t pixels, uint32_t channels, int16_t *out) {
    if (channels == 4) return pixel_major_frames(in, pixels, out);
    pixel_major<int16_t, uint8_t>(in, pixels, channels, out);
}

// A short copy: calling the library costs more.
template <class T>
DQN2SNN_INLINE void copy(const T *from, size_t n, T *to) {
    struct Piece {
        unsigned char bytes[vector_bytes];
    };
    const unsigned char *source = reinterpret_cast<const unsigned char *>(from);
    unsigned char *target = reinterpret_cast<unsigned char *>(to);
    size_t bytes = n * sizeof(T);
    for (; bytes >= sizeof(Piece); bytes -= sizeof(Piece), source += sizeof(Piece), target += sizeof(Piece))
        __builtin_memcpy(target, source, sizeof(Piece));
    for (; bytes >= 8; bytes -= 8, source += 8, target += 8) __builtin_memcpy(target, source, 8);
    for (; bytes; bytes--) *target++ = *source++;
}

template <class N>
class Input {
public:
    using Value = typename N::Value;
    struct Memory {  // of a workspace
        Array<uint8_t> bytes;
        Array<int16_t> whole, whole_patches;
        Array<double> exact, exact_patches;
        Array<Value> currents;  // [units][padded]
    };

    Input(const NetworkSpec &spec, const Layer<N> &layer)
        : on_grid_(spec.on_grid),
          input_step_(spec.input_step),
          scale_(spec.weight_step / layer.step),
          rows_((layer.rows + lanes16 - 1) / lanes16 * lanes16),
          whole_(layer.pixels) {
        for (uint32_t p = 0; p < layer.pixels; p++) {
            size_t read = 0;
            for (uint32_t i = layer.fields[p]; i < layer.fields[p + 1]; i++) read += layer.runs[i].length;
            whole_[p] = read * layer.in_channels == layer.rows;
        }
        const LayerSpec &first = spec.layers[0];
        exact_ = Array<double>(static_cast<size_t>(layer.rows) * layer.padded);
        Array<double> reach(layer.padded);
        if (on_grid_) pairs_ = Array<int16_t>(static_cast<size_t>(rows_) * layer.padded);
        for (uint32_t r = 0; r < layer.rows; r++)
            for (uint32_t c = 0; c < layer.channels; c++) {
                const double w = first.weights[static_cast<size_t>(r) * layer.channels + c];
                const size_t place = N::place(c);
                exact_[static_cast<size_t>(r) * layer.padded + place] = w;
                reach[place] += w < 0 ? -w : w;
                if (on_grid_)
                    pairs_[(static_cast<size_t>(r / 2) * layer.padded + place) * 2 + r % 2] = static_cast<int16_t>(w);
            }
        for (const double sum : reach) reach_ = larger(reach_, sum);
        most_ = Array<double>(layer.padded);
        for (uint32_t c = 0; c < layer.padded; c++)
            most_[c] = static_cast<double>(spec.most_spikes) * static_cast<double>(layer.threshold[c]);
    }

    Memory memory(const Layer<N> &layer) const {
        Memory memory;
        memory.currents = Array<Value>(static_cast<size_t>(layer.pixels) * layer.padded);
        return memory;
    }

    // `alone`: each output pixel is a unit of its own.
    void read(const Layer<N> &layer, Kind kind, const void *data, Memory &memory, Units &units, bool alone) const {
        units.clear();
        switch (kind) {
            case Kind::bytes: return read_numbers(layer, static_cast<const uint8_t *>(data), memory, units, alone);
            case Kind::floats: return read_numbers(layer, static_cast<const float *>(data), memory, units, alone);
            case Kind::doubles: return read_numbers(layer, static_cast<const double *>(data), memory, units, alone);
            case Kind::currents: return read_currents(layer, static_cast<const Value *>(data), memory, units, alone);
        }
    }

    // Calls use(pixel, currents) for output pixels whose currents may be others than those presented last: where
    // observations are bytes, those that see a pixel that has changed. `changed` is empty before and after.
    template <class F>
    void each_change(const Layer<N> &layer, const Fan &fan, Kind kind, const void *data, Memory &memory,
                     SeenFrame &seen, PixelSet &changed, F use) const {
        switch (kind) {
            case Kind::bytes:
                return each_change_of(layer, fan, static_cast<const uint8_t *>(data), memory, seen, changed, use);
            case Kind::floats:
                return each_change_of(layer, fan, static_cast<const float *>(data), memory, seen, changed, use);
            case Kind::doubles:
                return each_change_of(layer, fan, static_cast<const double *>(data), memory, seen, changed, use);
            case Kind::currents:
                for (uint32_t p = 0; p < layer.pixels; p++) {
                    place_currents(layer, static_cast<const Value *>(data), p, memory.currents.begin());
                    use(p, memory.currents.begin());
                }
        }
    }

private:
    template <class S, class F>
    void each_change_of(const Layer<N> &layer, const Fan &fan, const S *data, Memory &memory, SeenFrame &seen,
                        PixelSet &changed, F use) const {
        const size_t size = static_cast<size_t>(layer.in_pixels) * layer.in_channels;
        const uint8_t *const bytes = as_bytes(data, size, memory.bytes);
        if (!bytes) {
            seen.forget();
            const double *const pixels = read_exactly(layer, data, memory);
            for (uint32_t p = 0; p < layer.pixels; p++)
                use(p, current_of(layer, p, pixels, memory.exact_patches.begin(), memory));
            return;
        }
        if (!seen.bytes.size()) {
            seen.bytes = Array<uint8_t>(size), seen.whole = Array<int16_t>(size);
            seen.differ = Array<uint8_t>(layer.in_pixels);
        }
        if (!memory.whole_patches.size()) memory.whole_patches = Array<int16_t>(rows_);
        if (!seen.known) changed.fill();  // some may see nothing but padding
        seen.update(bytes, layer.in_pixels, layer.in_channels, [&](uint32_t pixel) {
            for (const Target &target : fan.of(pixel)) changed.add(target.pixel);
        });
        changed.take_each([&](uint32_t p) {
            use(p, current_of(layer, p, seen.whole.begin(), memory.whole_patches.begin(), memory));
        });
    }
    template <class T>
    const Value *current_of(const Layer<N> &layer, uint32_t pixel, const T *pixels, T *patch, Memory &memory) const {
        read_patch(layer, pixel, pixels, patch);
        set_current(layer, patch, pixel, memory.currents.begin());
        return memory.currents.begin();
    }

    template <class S>
    void read_numbers(const Layer<N> &layer, const S *data, Memory &memory, Units &units, bool alone) const {
        const size_t size = static_cast<size_t>(layer.in_pixels) * layer.in_channels;
        if (const uint8_t *const bytes = as_bytes(data, size, memory.bytes)) {
            if (!memory.whole.size()) {
                memory.whole = Array<int16_t>(size);
                memory.whole_patches = Array<int16_t>(static_cast<size_t>(layer.pixels) * rows_);
            }
            pixel_major(bytes, layer.in_pixels, layer.in_channels, memory.whole.begin());
            return read_patches(layer, memory.whole.begin(), memory.whole_patches.begin(), memory, units, alone);
        }
        const double *const pixels = read_exactly(layer, data, memory);
        read_patches(layer, pixels, memory.exact_patches.begin(), memory, units, alone);
    }
    // The observation in doubles, on its grid, pixel by pixel.
    template <class S>
    const double *read_exactly(const Layer<N> &layer, const S *data, Memory &memory) const {
        if (!memory.exact.size()) {
            memory.exact = Array<double>(static_cast<size_t>(layer.in_pixels) * layer.in_channels);
            memory.exact_patches = Array<double>(static_cast<size_t>(layer.pixels) * rows_);
        }
        pixel_major(data, layer.in_pixels, layer.in_channels, memory.exact.begin());
        if (on_grid_)
            for (double &x : memory.exact) x = __builtin_nearbyint(x / input_step_) * input_step_;
        return memory.exact.begin();
    }

    // The numbers as bytes, if that is what they are and if their weighted sums fit 32 bits; otherwise null.
    bool takes_bytes() const { return on_grid_ && input_step_ <= 1 && 255 * reach_ < 2147483648.0; }
    const uint8_t *as_bytes(const uint8_t *data, size_t, Array<uint8_t> &) const {
        return takes_bytes() ? data : nullptr;
    }
    template <class S>
    const uint8_t *as_bytes(const S *data, size_t size, Array<uint8_t> &bytes) const {
        if (!takes_bytes()) return nullptr;
        if (!bytes.size()) bytes = Array<uint8_t>(size);
        constexpr size_t block = 512;  // fractions are found out early
        for (size_t i = 0; i < size; i += block)
            if (!copy_whole(data + i, smaller(block, size - i), bytes.begin() + i)) return nullptr;
        return bytes.begin();
    }
    template <class S>
    static bool copy_whole(const S *__restrict in, size_t n, uint8_t *__restrict out) {
        int32_t differ = 0;
        for (size_t i = 0; i < n; i++) {
            const S positive = in[i] > 0 ? in[i] : 0, inside = positive < 255 ? positive : 255;
            const int32_t whole = static_cast<int32_t>(inside);
            out[i] = static_cast<uint8_t>(whole);
            differ |= static_cast<S>(whole) != in[i];
        }
        return !differ;
    }

    template <class T>
    DQN2SNN_INLINE void read_patch(const Layer<N> &layer, uint32_t pixel, const T *pixels, T *patch) const {
        if (!whole_[pixel]) std::memset(patch, 0, rows_ * sizeof(T));
        for (uint32_t i = layer.fields[pixel]; i < layer.fields[pixel + 1]; i++) {
            const Run &run = layer.runs[i];
            copy(pixels + static_cast<size_t>(run.pixel) * layer.in_channels,
                 static_cast<size_t>(run.length) * layer.in_channels, patch + run.row);
        }
    }

    template <class T>
    void read_patches(const Layer<N> &layer, const T *pixels, T *patches, Memory &memory, Units &units,
                      bool alone) const {
        for (uint32_t p = 0; p < layer.pixels; p++) {
            T *const patch = patches + static_cast<size_t>(units.count()) * rows_;
            read_patch(layer, p, pixels, patch);
            bool fresh = true;
            if (!alone && layer.shared() && layer.pixels > 1)
                fresh = units.add(p, hashed(patch, rows_ * sizeof(T)), [&](uint32_t unit) {
                    return !std::memcmp(patches + static_cast<size_t>(unit) * rows_, patch, rows_ * sizeof(T));
                });
            else
                units.append(p);
            if (fresh) set_current(layer, patch, p, memory.currents.begin() + current(layer, units.count() - 1));
        }
    }

    void set_current(const Layer<N> &layer, const int16_t *patch, uint32_t pixel, Value *out) const {
        for (uint32_t c = 0; c < layer.padded; c += 4 * lanes32) {
            const uint32_t n = smaller<uint32_t>(4, (layer.padded - c) / lanes32);
            i32v sum[4] = {};
            switch (n) {
                case 4: add_pairs<4>(patch, layer.padded, c, sum); break;
                case 3: add_pairs<3>(patch, layer.padded, c, sum); break;
                case 2: add_pairs<2>(patch, layer.padded, c, sum); break;
                default: add_pairs<1>(patch, layer.padded, c, sum);
            }
            int32_t values[4 * lanes32];
            std::memcpy(values, sum, sizeof values);
            finish(layer, values, n * lanes32, pixel, c, out);
        }
    }
    template <int V>
    void add_pairs(const int16_t *patch, uint32_t padded, uint32_t c, i32v *sum) const {
        i32v s[V];
        for (int i = 0; i < V; i++) s[i] = sum[i];
        const int16_t *w = pairs_.begin() + 2 * static_cast<size_t>(c);
        for (uint32_t r = 0; r < rows_; r += 2, w += 2 * static_cast<size_t>(padded)) {
            int32_t pair;
            std::memcpy(&pair, patch + r, sizeof pair);
            const i16v x = reinterpret_cast<i16v>(i32v{} + pair);
            for (int i = 0; i < V; i++) s[i] += pair_products(x, load<i16v>(w + i * lanes16));
        }
        for (int i = 0; i < V; i++) sum[i] = s[i];
    }

    void set_current(const Layer<N> &layer, const double *patch, uint32_t pixel, Value *out) const {
        constexpr uint32_t block = 32;
        for (uint32_t c = 0; c < layer.padded; c += block) {
            const uint32_t n = smaller(block, layer.padded - c);
            double sum[block] = {};
            for (uint32_t r = 0; r < layer.rows; r++) {
                const double x = patch[r];
                if (x == 0) continue;
                const double *const w = exact_.begin() + static_cast<size_t>(r) * layer.padded + c;
                for (uint32_t i = 0; i < n; i++) sum[i] += x * w[i];
            }
            finish(layer, sum, n, pixel, c, out);
        }
    }

    template <class S>
    void finish(const Layer<N> &layer, const S *sums, uint32_t n, uint32_t pixel, uint32_t c,
                Value *__restrict out) const {
        const Value *const bias = layer.bias_of(pixel) + c;
        if (!on_grid_) {
            for (uint32_t i = 0; i < n; i++)
                out[c + i] = static_cast<Value>(static_cast<double>(sums[i]) + static_cast<double>(bias[i]));
            return;
        }
        const double scale = scale_, *const largest = most_.begin() + c;
        for (uint32_t i = 0; i < n; i++) {  // clamped first: what is out of range need not be rounded
            const double current = static_cast<double>(sums[i]) * scale + static_cast<double>(bias[i]);
            const double most = largest[i], positive = current < 0 ? 0 : current;
            out[c + i] = static_cast<Value>(nearest(positive > most ? most : positive));
        }
    }

    void place_currents(const Layer<N> &layer, const Value *data, uint32_t pixel, Value *out) const {
        for (uint32_t c = 0; c < layer.channels; c++)
            out[N::place(c)] = data[static_cast<size_t>(pixel) * layer.channels + c];
    }
    void read_currents(const Layer<N> &layer, const Value *data, Memory &memory, Units &units, bool alone) const {
        const size_t bytes = layer.padded * sizeof(Value);
        for (uint32_t p = 0; p < layer.pixels; p++) {
            Value *const row = memory.currents.begin() + current(layer, units.count());
            place_currents(layer, data, p, row);
            if (alone || !layer.shared_v_init)
                units.append(p);
            else
                units.add(p, hashed(row, bytes), [&](uint32_t unit) {
                    return !std::memcmp(memory.currents.begin() + current(layer, unit), row, bytes);
                });
        }
    }

    static size_t current(const Layer<N> &layer, uint32_t unit) { return static_cast<size_t>(unit) * layer.padded; }

    bool on_grid_;
    double input_step_, scale_, reach_ = 0;
    uint32_t rows_;
    Array<bool> whole_;     // [pixels], whether every weight row is met, not only those inside the image
    Array<double> exact_;   // [rows][padded]
    Array<double> most_;    // [padded], where the current is cut off
    Array<int16_t> pairs_;  // [rows / 2][padded][2]
};

}  // namespace dqn2snn::DQN2SNN_ISA
