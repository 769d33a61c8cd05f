// Spike counts of 64 neurons at once, in bit planes: plane k holds bit k of every count.
#pragma once

#include "array.hpp"

namespace dqn2snn::DQN2SNN_ISA {

class Counts {
public:
    Counts() = default;
    explicit Counts(size_t words) : planes_(words * num_planes) {}

    void clear(size_t words) { std::memset(planes_.begin(), 0, words * num_planes * sizeof(uint64_t)); }
    void add(size_t word, uint64_t spikes) {
        for (uint64_t *plane = planes_.begin() + word * num_planes; spikes; plane++) {
            const uint64_t carry = *plane & spikes;
            *plane ^= spikes;
            spikes = carry;
        }
    }
    // The count of one neuron, known to be at most `limit`.
    uint32_t of(size_t word, uint32_t bit, uint32_t limit) const {
        uint32_t count = 0;
        for (uint32_t k = 0; limit >> k; k++)
            count |= static_cast<uint32_t>(planes_[word * num_planes + k] >> bit & 1) << k;
        return count;
    }

private:
    static constexpr uint32_t num_planes = 32;
    Array<uint64_t> planes_;
};

}  // namespace dqn2snn::DQN2SNN_ISA
