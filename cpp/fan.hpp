// The other direction of a layer's fields: which output pixels an input pixel reaches. And sets of pixels.
#pragma once

#include "layer.hpp"

namespace dqn2snn::DQN2SNN_ISA {

class PixelSet {
public:
    PixelSet() = default;
    explicit PixelSet(uint32_t pixels) : pixels_(pixels), words_((pixels + 63) / 64) {}

    void add(uint32_t pixel) { words_[pixel / 64] |= uint64_t{1} << pixel % 64; }
    void fill() {
        for (uint32_t p = 0; p < pixels_; p++) add(p);
    }
    // Empties the set and calls `use` for its members, in ascending order.
    template <class F>
    void take_each(F use) {
        for (uint32_t w = 0; w < words_.size(); w++)
            for (uint64_t word = taken(w); word; word &= word - 1)
                use(64 * w + static_cast<uint32_t>(__builtin_ctzll(word)));
    }
    // The same for two sets at once; those for which `use` holds are members of the second one afterwards.
    template <class F>
    static void take_each(PixelSet &first, PixelSet &second, F use) {
        for (uint32_t w = 0; w < first.words_.size(); w++) {
            uint64_t word = first.taken(w) | second.taken(w), kept = 0;
            for (; word; word &= word - 1)
                if (use(64 * w + static_cast<uint32_t>(__builtin_ctzll(word)))) kept |= word & -word;
            second.words_[w] = kept;
        }
    }

private:
    uint64_t taken(uint32_t w) {
        const uint64_t word = words_[w];
        words_[w] = 0;
        return word;
    }
    uint32_t pixels_ = 0;
    Array<uint64_t> words_;
};

struct Target {  // an output pixel, and the weight row that the first channel of the input pixel meets there
    uint32_t pixel, row;
};

struct Targets {
    const Target *first, *last;
    const Target *begin() const { return first; }
    const Target *end() const { return last; }
};

class Fan {
public:
    Fan() = default;
    template <class N>
    explicit Fan(const Layer<N> &layer) : starts_(layer.in_pixels + size_t{1}) {
        each_link(layer, [&](uint32_t input, const Target &) { starts_[input + 1]++; });
        for (uint32_t p = 0; p < layer.in_pixels; p++) starts_[p + 1] += starts_[p];
        targets_ = Array<Target>(starts_[layer.in_pixels]);
        Array<uint32_t> filled(layer.in_pixels);
        each_link(layer,
                  [&](uint32_t input, const Target &target) { targets_[starts_[input] + filled[input]++] = target; });
    }
    Targets of(uint32_t input) const {
        return {targets_.begin() + starts_[input], targets_.begin() + starts_[input + 1]};
    }

private:
    template <class N, class F>
    static void each_link(const Layer<N> &layer, F use) {
        for (uint32_t p = 0; p < layer.pixels; p++)
            for (uint32_t i = layer.fields[p]; i < layer.fields[p + 1]; i++)
                for (uint32_t j = 0; j < layer.runs[i].length; j++)
                    use(layer.runs[i].pixel + j, Target{p, layer.runs[i].row + j * layer.in_channels});
    }
    Array<uint32_t> starts_;  // [input pixels + 1]
    Array<Target> targets_;
};

}  // namespace dqn2snn::DQN2SNN_ISA
