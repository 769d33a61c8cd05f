// From spikes to events: which weight rows each output pixel adds at each step.
#pragma once

#include "fire.hpp"
#include "units.hpp"

namespace dqn2snn::DQN2SNN_ISA {

constexpr size_t slack = 64;  // entries past the end of a list that may be overwritten

// The spikes of a layer over a chunk of steps, one list a step: pixel * channels + channel, modulo 2^16, in ascending
// order of the pixels and channels; graded events have the number of spikes in their upper half.
template <class E>
class SpikeLists {
public:
    SpikeLists() = default;
    SpikeLists(uint32_t pixels, uint32_t channels, uint32_t chunk)
        : capacity_(static_cast<size_t>(pixels) * channels + slack),
          chunk_(chunk),
          list_(capacity_ * chunk),
          starts_((static_cast<size_t>(pixels) + 1) * chunk),
          sizes_(chunk) {}

    // spikes: [units][chunk][words]; numbers: [units][chunk][padded], of graded events only
    template <class N>
    void fill(const Layer<N> &layer, const Units &units, const uint64_t *spikes, const int16_t *numbers,
              uint32_t steps) {
        // Copies, because the compiler must assume that writing to a list changes members.
        E *const lists = list_.begin();
        uint32_t *const sizes = sizes_.begin(), *start = starts_.begin();
        const size_t capacity = capacity_, chunk = chunk_;
        const uint32_t words = layer.words, channels = layer.channels, pixels = layer.pixels, padded = layer.padded;
        for (uint32_t t = 0; t < steps; t++) sizes[t] = 0;
        for (uint32_t p = 0; p < pixels; p++, start += chunk) {
            const uint64_t *word = spikes + units.of(p) * chunk * words;
            for (uint32_t t = 0; t < steps; t++) {
                E *const list = lists + t * capacity, *out = list + sizes[t];
                start[t] = sizes[t];
                const size_t place = (units.of(p) * chunk + t) * padded;
                for (uint32_t w = 0, c = 0; w < words; w++, c += 64) {
                    const uint32_t halves = smaller(2u, (channels - c + 31) / 32);
                    out = written(*word++, halves, p * channels + c, numbers, place + c, out);
                }
                sizes[t] = static_cast<uint32_t>(out - list);
            }
        }
        for (uint32_t t = 0; t < steps; t++) start[t] = sizes[t];
    }
    const E *list(uint32_t t) const { return list_.begin() + t * capacity_; }
    // Where in the lists, step by step, the spikes of a pixel start.
    const uint32_t *starts(uint32_t pixel) const { return starts_.begin() + static_cast<size_t>(pixel) * chunk_; }

private:
    DQN2SNN_INLINE static Event *written(uint64_t word, uint32_t halves, uint32_t base, const int16_t *, size_t,
                                         Event *out) {
        return positions(word, halves, base, out);
    }
    DQN2SNN_INLINE static GradedEvent *written(uint64_t word, uint32_t, uint32_t base, const int16_t *numbers,
                                               size_t place, GradedEvent *out) {
        for (; word; word &= word - 1) {
            const uint32_t c = static_cast<uint32_t>(__builtin_ctzll(word));
            *out++ = ((base + c) & 0xFFFF) | static_cast<uint32_t>(numbers[place + c]) << 16;
        }
        return out;
    }

    size_t capacity_ = 0;
    uint32_t chunk_ = 0;
    Array<E> list_;
    Array<uint32_t> starts_, sizes_;
};

// n entries plus base, modulo 2^16; up to 16 entries past the end of `out` are overwritten.
template <class E>
DQN2SNN_INLINE E *shifted(const E *list, uint32_t n, uint32_t base, E *out) {
    typedef E Entries __attribute__((vector_size(32)));
    constexpr uint32_t entries = 32 / sizeof(E);
    const u16v_unaligned bases = reinterpret_cast<u16v_unaligned>(Entries{} + static_cast<Event>(base));
    uint32_t i = 0;
    do {
        *reinterpret_cast<u16v_unaligned *>(out + i) = *reinterpret_cast<const u16v_unaligned *>(list + i) + bases;
        i += entries;
    } while (__builtin_expect(i < n, 0));
    return out + n;
}

// The events of output pixels, one after the other, in memory that they share.
template <class E>
class Gatherer {
public:
    Gatherer() = default;
    Gatherer(size_t capacity, uint32_t chunk) : rows_((capacity + slack) * chunk), begin_(chunk), end_(chunk) {}

    template <class N>
    EventsOf<E> gather(const Layer<N> &layer, uint32_t pixel, const SpikeLists<E> &lists, uint32_t steps) {
        const Run *const first = layer.runs.begin() + layer.fields[pixel];
        const Run *const last = layer.runs.begin() + layer.fields[pixel + 1];
        E *out = rows_.begin();
        for (uint32_t t = 0; t < steps; t++) {
            begin_[t] = out;
            const E *const list = lists.list(t);
            for (const Run *run = first; run < last; run++) {
                const uint32_t start = lists.starts(run->pixel)[t], end = lists.starts(run->pixel + run->length)[t];
                out = shifted(list + start, end - start, run->row - run->pixel * layer.in_channels, out);
            }
            end_[t] = out;
        }
        return {begin_.begin(), end_.begin()};
    }
    // Those of a stretch of input pixels, as rows of the whole layer if it has no more than an event can name,
    // otherwise of the stretch.
    template <class N>
    EventsOf<E> stretch(const Layer<N> &layer, const SpikeLists<E> &lists, uint32_t first, uint32_t last,
                        uint32_t steps) {
        E *out = rows_.begin();
        for (uint32_t t = 0; t < steps; t++) {
            begin_[t] = lists.list(t) + lists.starts(first)[t];
            end_[t] = lists.list(t) + lists.starts(last)[t];
            if (layer.rows_fit_events()) continue;
            const E *const begin = out;
            out = shifted(begin_[t], static_cast<uint32_t>(end_[t] - begin_[t]), 0 - first * layer.in_channels, out);
            begin_[t] = begin, end_[t] = out;
        }
        return {begin_.begin(), end_.begin()};
    }
    EventsOf<E> none(uint32_t steps) {
        for (uint32_t t = 0; t < steps; t++) begin_[t] = end_[t] = rows_.begin();
        return {begin_.begin(), end_.begin()};
    }

private:
    Array<E> rows_;
    Array<const E *> begin_, end_;
};

}  // namespace dqn2snn::DQN2SNN_ISA
