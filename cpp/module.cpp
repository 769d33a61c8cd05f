// What Python sees: a network, made once from arrays, and its decisions, written into arrays of the caller.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "batch.hpp"
#include "dispatch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace dqn2snn {
namespace {

template <class T>
using Input = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Result = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

void require(bool holds, const char *expected) {
    if (!holds) throw std::invalid_argument(std::string("Expected ") + expected + ".");
}

template <class T>
std::vector<T> copied(const Input<T> &array) {
    return std::vector<T>(array.data(), array.data() + array.size());
}

LayerSpec layer(uint32_t in_pixels, uint32_t in_channels, uint32_t pixels, uint32_t channels,
                const Input<uint32_t> &fields, const Input<uint32_t> &runs, bool repeats_rows,
                const Input<double> &weights, const Input<double> &bias, const Input<double> &threshold,
                const Input<double> &v_init, const Input<double> &step_bias, bool hard_reset, double step,
                uint32_t max_spikes, uint32_t max_count, bool is_signed) {
    LayerSpec spec{
        in_pixels,       in_channels,  pixels,         channels,          copied(fields),    {},         repeats_rows,
        copied(weights), copied(bias), copied(v_init), copied(threshold), copied(step_bias), hard_reset, step,
        max_spikes,      max_count,    is_signed};
    for (size_t i = 0; i < runs.size(); i += 3)
        spec.runs.push_back({runs.data()[i], runs.data()[i + 1], runs.data()[i + 2]});
    require(in_pixels && in_channels && pixels && channels, "layers with neurons");
    require(fields.size() == pixels + size_t{1} && spec.fields.front() == 0 && spec.fields.back() == spec.runs.size(),
            "fields that start at 0 and end at the number of runs");
    for (uint32_t p = 0; p < pixels; p++) require(spec.fields[p] <= spec.fields[p + 1], "fields in ascending order");
    require(weights.size() % channels == 0, "weights of shape [rows, channels]");
    const size_t rows = weights.size() / channels;
    for (const Run &run : spec.runs) {
        require(run.pixel + size_t{run.length} <= in_pixels, "runs inside the input");
        require(run.row + size_t{run.length} * in_channels <= rows, "runs inside the weights");
    }
    const auto fits = [&](size_t size) { return size == channels || size == size_t{pixels} * channels; };
    require(fits(bias.size()) && fits(v_init.size()), "one bias and initial membrane per channel or neuron");
    require(threshold.size() == channels, "one threshold per channel");
    require(step_bias.size() % channels == 0, "step biases of shape [steps, channels]");
    require(max_spikes >= 1 && max_spikes <= 127 && max_count <= INT32_MAX, "1 to 127 spikes a step");
    require(!hard_reset || spec.plain(), "a reset by subtraction where spikes are graded");
    return spec;
}

class Decisions {
public:
    Decisions(bool on_grid, double input_step, double weight_step, std::vector<LayerSpec> layers,
              const Input<double> &output_distance, double readout_scale, uint32_t most_spikes) {
        require(layers.size() >= 2, "a hidden layer and an output");
        for (size_t i = 0; i + 1 < layers.size(); i++)
            require(layers[i].pixels == layers[i + 1].in_pixels && layers[i].channels == layers[i + 1].in_channels,
                    "layers whose inputs are the neurons of the one before");
        const size_t actions = layers.back().channels;
        require(layers.back().pixels == 1 && layers.back().plain(), "one plain output neuron per action");
        require(layers.front().step_bias.empty(), "a first layer whose current is constant");
        for (const LayerSpec &layer : layers)
            if (!layer.step_bias.empty()) most_steps_ = std::min(most_steps_, layer.step_bias.size() / layer.channels);
        require(output_distance.size() == actions * actions, "a distance for each pair of actions");
        const NetworkSpec spec{on_grid,       input_step, weight_step, std::move(layers), copied(output_distance),
                               readout_scale, most_spikes};
        for (const LayerSpec &layer : spec.layers) neurons_.push_back(size_t{layer.pixels} * layer.channels);
        inputs_ = size_t{spec.layers[0].in_pixels} * spec.layers[0].in_channels;
        network_.reset(chosen_engine().make(spec));
        workspaces_ = std::make_unique<Workspaces>(*network_);
    }

    void run(const nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu> &input, bool currents, uint32_t steps,
             size_t threads, uint32_t every, float margin, std::optional<Result<float>> q,
             std::optional<Result<float>> q_spike, std::optional<std::vector<Result<float>>> counts,
             std::optional<std::vector<std::optional<Result<float>>>> sent,
             std::optional<std::vector<Result<int8_t>>> spikes, std::optional<Result<int64_t>> used) const {
        const Kind kind = kind_of(input.dtype(), currents);
        const size_t width = currents ? neurons_.front() : inputs_, batch = input.size() / width;
        const size_t actions = neurons_.back();
        require(batch * width == input.size(), "whole observations");
        require(steps > 0 && steps <= most_steps_, "at least one step, and as many step biases");
        const bool all_steps = q && q->size() == steps * batch * actions && steps * batch * actions != batch * actions;
        const auto fits = [&](size_t size) { return size == batch * actions || size == steps * batch * actions; };
        require(!q || fits(q->size()), "q of shape [steps, batch, actions] or [batch, actions]");
        require(!q_spike || (q && q_spike->size() == q->size()), "q_spike of the shape of q");
        require(!used || used->size() == batch, "one number of steps per decision");
        check(counts, batch);
        require(!sent || sent->size() == neurons_.size(), "one array per layer");
        for (size_t l = 0; sent && l < sent->size(); l++)
            require(!(*sent)[l] || (*sent)[l]->size() == batch * neurons_[l], "one number per neuron");
        check(spikes, batch * steps);
        const Request request{steps, every, margin};
        const auto *const data = static_cast<const char *>(input.data());
        const size_t bytes = width * input.dtype().bits / 8;
        const std::ptrdiff_t stride = all_steps ? static_cast<std::ptrdiff_t>(batch * actions) : 0;
        const auto decide = [&](Workspace &workspace, size_t i) {
            std::vector<float *> count, spent(neurons_.size());
            std::vector<int8_t *> spike;
            std::vector<std::ptrdiff_t> spike_stride;
            for (size_t l = 0; counts && l < counts->size(); l++)
                count.push_back((*counts)[l].data() + i * neurons_[l]);
            for (size_t l = 0; sent && l < sent->size(); l++)
                if ((*sent)[l]) spent[l] = (*sent)[l]->data() + i * neurons_[l];
            for (size_t l = 0; spikes && l < spikes->size(); l++) {
                spike.push_back((*spikes)[l].data() + i * neurons_[l]);
                spike_stride.push_back(static_cast<std::ptrdiff_t>(batch * neurons_[l]));
            }
            const Output out{q ? q->data() + i * actions : nullptr,
                             q_spike ? q_spike->data() + i * actions : nullptr,
                             stride,
                             counts ? count.data() : nullptr,
                             spent.data(),
                             spikes ? spike.data() : nullptr,
                             spike_stride.data()};
            const uint32_t n = network_->decide(workspace, kind, data + i * bytes, request, out);
            if (used) used->data()[i] = n;
        };
        const nb::gil_scoped_release release;
        for_each_decision(*workspaces_, batch, threads, decide);
    }

private:
    static Kind kind_of(const nb::dlpack::dtype &dtype, bool currents) {
        const bool known = dtype == nb::dtype<uint8_t>() || dtype == nb::dtype<float>() ||
                           dtype == nb::dtype<double>() || dtype == nb::dtype<int32_t>();
        require(known, "uint8, float32, float64, or int32 currents");
        if (currents) return Kind::currents;
        require(dtype != nb::dtype<int32_t>(), "observations in uint8, float32 or float64");
        return dtype == nb::dtype<uint8_t>() ? Kind::bytes : dtype == nb::dtype<float>() ? Kind::floats : Kind::doubles;
    }
    template <class T>
    void check(const std::optional<std::vector<Result<T>>> &results, size_t repeats) const {
        require(!results || results->size() == neurons_.size(), "one array per layer");
        for (size_t l = 0; results && l < results->size(); l++)
            require((*results)[l].size() == repeats * neurons_[l], "one number per neuron");
    }

    std::vector<size_t> neurons_;
    size_t inputs_, most_steps_ = SIZE_MAX;
    std::unique_ptr<Network> network_;
    std::unique_ptr<Workspaces> workspaces_;
};

}  // namespace
}  // namespace dqn2snn

NB_MODULE(_event, module) {
    using namespace dqn2snn;
    module.attr("version") = DQN2SNN_VERSION;
    module.def("instruction_set", [] { return chosen_engine().instruction_set; });
    nb::class_<LayerSpec>(module, "Layer")
        .def(
            "__init__",
            [](LayerSpec *self, uint32_t in_pixels, uint32_t in_channels, uint32_t pixels, uint32_t channels,
               const Input<uint32_t> &fields, const Input<uint32_t> &runs, bool repeats_rows,
               const Input<double> &weights, const Input<double> &bias, const Input<double> &threshold,
               const Input<double> &v_init, const Input<double> &step_bias, bool hard_reset, double step,
               uint32_t max_spikes, uint32_t max_count, bool is_signed) {
                new (self)
                    LayerSpec(layer(in_pixels, in_channels, pixels, channels, fields, runs, repeats_rows, weights, bias,
                                    threshold, v_init, step_bias, hard_reset, step, max_spikes, max_count, is_signed));
            },
            nb::kw_only(), "in_pixels"_a, "in_channels"_a, "pixels"_a, "channels"_a, "fields"_a, "runs"_a,
            "repeats_rows"_a, "weights"_a, "bias"_a, "threshold"_a, "v_init"_a, "step_bias"_a, "hard_reset"_a, "step"_a,
            "max_spikes"_a, "max_count"_a, "is_signed"_a);
    nb::class_<Decisions>(module, "Network")
        .def(nb::init<bool, double, double, std::vector<LayerSpec>, const Input<double> &, double, uint32_t>(),
             nb::kw_only(), "on_grid"_a, "input_step"_a, "weight_step"_a, "layers"_a, "output_distance"_a,
             "readout_scale"_a, "most_spikes"_a)
        .def("run", &Decisions::run, "input"_a, nb::kw_only(), "currents"_a = false, "steps"_a, "threads"_a = 1,
             "every"_a = 0, "margin"_a = 0.0f, "q"_a = nb::none(), "q_spike"_a = nb::none(), "counts"_a = nb::none(),
             "sent"_a = nb::none(), "spikes"_a = nb::none(), "used"_a = nb::none());
}
