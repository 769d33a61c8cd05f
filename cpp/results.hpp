// Arrays of the caller that results are written to, each with the batch before the neurons, and checks of their sizes.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "simulate.hpp"

namespace dqn2snn {

namespace nb = nanobind;

template <class T>
using Input = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Result = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
template <class T>
using Optional = std::optional<Result<T>>;
template <class T>
using PerLayer = std::optional<std::vector<Optional<T>>>;

inline void require(bool holds, const char *expected) {
    if (!holds) throw std::invalid_argument(std::string("Expected ") + expected + ".");
}

struct Results {
    Optional<float> q, q_spike;  // [steps, batch, actions], or [batch, actions] for the last step only
    PerLayer<float> counts, sent;
    PerLayer<int8_t> spikes;  // [steps, batch, neurons]

    // neurons: of each layer
    void check(const std::vector<size_t> &neurons, size_t batch, size_t steps) const {
        const size_t values = batch * neurons.back();
        require(!q || q->size() == values || q->size() == steps * values,
                "q of shape [steps, batch, actions] or [batch, actions]");
        require(!q_spike || (q && q_spike->size() == q->size()), "q_spike of the shape of q");
        require(!sent || counts, "counts beside what was sent");
        check_layers(counts, neurons, batch, false);
        check_layers(sent, neurons, batch, true);
        check_layers(spikes, neurons, steps * batch, true);
    }

private:
    template <class T>
    static void check_layers(const PerLayer<T> &arrays, const std::vector<size_t> &neurons, size_t repeats,
                             bool optional) {
        if (!arrays) return;
        require(arrays->size() == neurons.size(), "one array per layer");
        for (size_t l = 0; l < neurons.size(); l++)
            require((*arrays)[l] ? (*arrays)[l]->size() == repeats * neurons[l] : optional, "one number per neuron");
    }
};

// Where decision i of a batch is written.
class Place {
public:
    Place(const Results &to, const std::vector<size_t> &neurons, size_t batch, size_t i)
        : counts_(pointers(to.counts, neurons, i)),
          sent_(to.sent ? pointers(to.sent, neurons, i) : std::vector<float *>(neurons.size())),
          spikes_(pointers(to.spikes, neurons, i)) {
        const size_t actions = neurons.back();
        if (to.q) output.q = to.q->data() + i * actions;
        if (to.q_spike) output.q_spike = to.q_spike->data() + i * actions;
        if (to.q && to.q->size() != batch * actions) output.q_stride = static_cast<std::ptrdiff_t>(batch * actions);
        for (const size_t n : neurons) strides_.push_back(static_cast<std::ptrdiff_t>(batch * n));
        if (to.counts) output.counts = counts_.data(), output.sent = sent_.data();
        if (to.spikes) output.spikes = spikes_.data(), output.spikes_stride = strides_.data();
    }
    Place(const Place &) = delete;
    Place &operator=(const Place &) = delete;

    Output output{};

private:
    template <class T>
    static std::vector<T *> pointers(const PerLayer<T> &arrays, const std::vector<size_t> &neurons, size_t i) {
        std::vector<T *> pointers;
        for (size_t l = 0; arrays && l < neurons.size(); l++)
            pointers.push_back((*arrays)[l] ? (*arrays)[l]->data() + i * neurons[l] : nullptr);
        return pointers;
    }
    std::vector<float *> counts_, sent_;
    std::vector<int8_t *> spikes_;
    std::vector<std::ptrdiff_t> strides_;
};

}  // namespace dqn2snn
