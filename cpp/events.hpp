// From spikes to events: which weight rows each output pixel adds at each step.
#pragma once

#include "fire.hpp"
#include "units.hpp"

namespace dqn2snn::DQN2SNN_ISA {

constexpr size_t slack = 64;  // entries past the end of a list that may be overwritten

// The spikes of a layer over a chunk of steps, one list a step: pixel * channels + channel, in ascending order.
class SpikeLists {
public:
    SpikeLists() = default;
    SpikeLists(uint32_t pixels, uint32_t channels, uint32_t chunk)
        : capacity_(static_cast<size_t>(pixels) * channels + slack), chunk_(chunk),
          list_(capacity_ * chunk), starts_((static_cast<size_t>(pixels) + 1) * chunk) {}

    // spikes: [units][chunk][words]
    template <class N>
    void fill(const Layer<N> &layer, const Units &units, const uint64_t *spikes, uint32_t steps) {
        const size_t unit_size = static_cast<size_t>(chunk_) * layer.words;
        for (uint32_t t = 0; t < steps; t++) {
            uint32_t *const list = list_.begin() + t * capacity_;
            uint32_t *out = list;
            for (uint32_t p = 0; p < layer.pixels; p++) {
                starts_[static_cast<size_t>(p) * chunk_ + t] = static_cast<uint32_t>(out - list);
                const uint64_t *const words = spikes + units.of(p) * unit_size + t * layer.words;
                for (uint32_t w = 0; w < layer.words; w++) out = positions(words[w], p * layer.channels + 64 * w, out);
            }
            starts_[static_cast<size_t>(layer.pixels) * chunk_ + t] = static_cast<uint32_t>(out - list);
        }
    }
    const uint32_t *list(uint32_t t) const { return list_.begin() + t * capacity_; }
    // Where in the lists, step by step, the spikes of a pixel start.
    const uint32_t *starts(uint32_t pixel) const { return starts_.begin() + static_cast<size_t>(pixel) * chunk_; }

private:
    size_t capacity_ = 0;
    uint32_t chunk_ = 0;
    Array<uint32_t> list_, starts_;
};

// n entries plus base; up to 31 entries past the end of `out` are overwritten.
DQN2SNN_INLINE uint32_t *shifted(const uint32_t *list, uint32_t n, uint32_t base, uint32_t *out) {
    for (uint32_t i = 0; i < 16; i += lanes32)
        *reinterpret_cast<u32v_unaligned *>(out + i) = *reinterpret_cast<const u32v_unaligned *>(list + i) + base;
    for (uint32_t i = 16; i < n; i += lanes32)
        *reinterpret_cast<u32v_unaligned *>(out + i) = *reinterpret_cast<const u32v_unaligned *>(list + i) + base;
    return out + n;
}

// The events of output pixels, one after the other, in memory that they share.
class Gatherer {
public:
    Gatherer() = default;
    Gatherer(size_t capacity, uint32_t chunk) : rows_((capacity + slack) * chunk), begin_(chunk), end_(chunk) {}

    template <class N>
    Events gather(const Layer<N> &layer, uint32_t pixel, const SpikeLists &lists, uint32_t steps) {
        if (layer.direct) {
            const uint32_t *const ends = lists.starts(layer.in_pixels);
            for (uint32_t t = 0; t < steps; t++) begin_[t] = lists.list(t), end_[t] = lists.list(t) + ends[t];
            return {begin_.begin(), end_.begin()};
        }
        const Run *const first = layer.runs.begin() + layer.fields[pixel];
        const Run *const last = layer.runs.begin() + layer.fields[pixel + 1];
        uint32_t *out = rows_.begin();
        for (uint32_t t = 0; t < steps; t++) {
            begin_[t] = out;
            const uint32_t *const list = lists.list(t);
            for (const Run *run = first; run < last; run++) {
                const uint32_t start = lists.starts(run->pixel)[t], end = lists.starts(run->pixel + run->length)[t];
                out = shifted(list + start, end - start, run->row - run->pixel * layer.in_channels, out);
            }
            end_[t] = out;
        }
        return {begin_.begin(), end_.begin()};
    }
    Events none(uint32_t steps) {
        for (uint32_t t = 0; t < steps; t++) begin_[t] = end_[t] = rows_.begin();
        return {begin_.begin(), end_.begin()};
    }

private:
    Array<uint32_t> rows_;
    Array<const uint32_t *> begin_, end_;
};

}  // namespace dqn2snn::DQN2SNN_ISA
