// What Python sees: a network, made once from arrays, and its decisions, written into arrays of the caller.
#include <algorithm>
#include <memory>
#include <mutex>

#include "batch.hpp"
#include "dispatch.hpp"
#include "results.hpp"

using namespace nanobind::literals;

namespace dqn2snn {
namespace {

template <class T>
std::vector<T> copied(const Input<T> &array) {
    return std::vector<T>(array.data(), array.data() + array.size());
}

LayerSpec layer(uint32_t in_pixels, uint32_t in_channels, uint32_t pixels, uint32_t channels,
                const Input<uint32_t> &fields, const Input<uint32_t> &runs, bool repeats_rows,
                const Input<double> &weights, const Input<double> &bias, const Input<double> &threshold,
                const Input<double> &v_init, const Input<double> &step_bias, bool hard_reset, double step,
                uint32_t max_spikes, uint32_t max_count, bool is_signed, double beta, double reach, uint32_t delay,
                uint32_t duration) {
    LayerSpec spec{in_pixels,
                   in_channels,
                   pixels,
                   channels,
                   copied(fields),
                   {},
                   repeats_rows,
                   copied(weights),
                   copied(bias),
                   copied(v_init),
                   copied(threshold),
                   copied(step_bias),
                   hard_reset,
                   step,
                   max_spikes,
                   max_count,
                   is_signed,
                   beta,
                   reach,
                   delay,
                   duration};
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
    require(beta > 0 && beta < 256 && reach > 0, "a beta from 0 to 256 and a reach above 0");
    require(!max_count || beta <= 1, "no limit to spikes where their count grows");
    require(!hard_reset || spec.plain(), "a reset by subtraction where spikes are graded");
    return spec;
}

using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

// Observations, or currents of the first layer.
struct Batch {
    Kind kind;
    const char *data;
    size_t size, bytes;  // of decisions, and of one of them

    Batch(const Array &input, bool currents, size_t inputs, size_t neurons)
        : data(static_cast<const char *>(input.data())) {
        const nb::dlpack::dtype dtype = input.dtype();
        const bool known = dtype == nb::dtype<uint8_t>() || dtype == nb::dtype<float>() ||
                           dtype == nb::dtype<double>() || dtype == nb::dtype<int32_t>();
        require(known, "uint8, float32, float64, or int32 currents");
        require(currents || dtype != nb::dtype<int32_t>(), "observations in uint8, float32 or float64");
        kind = currents                        ? Kind::currents
               : dtype == nb::dtype<uint8_t>() ? Kind::bytes
               : dtype == nb::dtype<float>()   ? Kind::floats
                                               : Kind::doubles;
        const size_t width = currents ? neurons : inputs;
        size = input.size() / width, bytes = width * dtype.bits / 8;
        require(size * width == input.size(), "whole observations");
    }
    const char *of(size_t i) const { return data + i * bytes; }
};

class Decisions {
public:
    Decisions(bool on_grid, double input_step, double weight_step, std::vector<LayerSpec> layers,
              const Input<double> &output_distance, double readout_scale, uint32_t most_spikes, bool delta,
              uint32_t warmup_steps, bool onset, double carry) {
        require(layers.size() >= 2, "a hidden layer and an output");
        for (size_t i = 0; i + 1 < layers.size(); i++)
            require(layers[i].pixels == layers[i + 1].in_pixels && layers[i].channels == layers[i + 1].in_channels,
                    "layers whose inputs are the neurons of the one before");
        const size_t actions = layers.back().channels;
        require(layers.back().pixels == 1 && layers.back().plain(), "one plain output neuron per action");
        require(layers.front().step_bias.empty(), "a first layer whose current is constant");
        require(on_grid || (!delta && carry == 0), "a grid where something is remembered");
        const bool kept = !layers.back().steady();
        require(!kept || (!delta && carry == 0 && layers.back().duration == 0), "output neurons that integrate only");
        for (const LayerSpec &layer : layers) require(layer.steady() != kept, "layers all of which keep alike");
        require(!onset || kept, "neurons that keep the current of the first step");
        for (const LayerSpec &layer : layers) {
            if (!layer.step_bias.empty()) most_steps_ = std::min(most_steps_, layer.step_bias.size() / layer.channels);
            require(!delta || (!layer.hard_reset && layer.step_bias.empty()),
                    "resets by subtraction and no step biases");
        }
        require(output_distance.size() == actions * actions, "a distance for each pair of actions");
        const NetworkSpec spec{on_grid,       input_step,  weight_step, std::move(layers), copied(output_distance),
                               readout_scale, most_spikes, delta,       warmup_steps,      onset,
                               carry};
        for (const LayerSpec &layer : spec.layers) neurons_.push_back(size_t{layer.pixels} * layer.channels);
        inputs_ = size_t{spec.layers[0].in_pixels} * spec.layers[0].in_channels;
        network_.reset(chosen_engine().make(spec));
        workspaces_ = std::make_unique<Workspaces>(*network_);
    }

    void run(const Array &input, bool currents, uint32_t steps, size_t threads, uint32_t every, float margin,
             Optional<float> q, Optional<float> q_spike, PerLayer<float> counts, PerLayer<float> sent,
             PerLayer<int8_t> spikes, Optional<int64_t> used) const {
        const Batch batch(input, currents, inputs_, neurons_.front());
        const Results results{q, q_spike, counts, sent, spikes};
        check(batch, steps, results);
        require(!used || used->size() == batch.size, "one number of steps per decision");
        const nb::gil_scoped_release release;
        for_each_decision(*workspaces_, batch.size, threads, [&](Workspace &workspace, size_t i) {
            const Place place(results, neurons_, batch.size, i);
            const uint32_t n = network_->decide(workspace, nullptr, true, batch.kind, batch.of(i),
                                                {steps, every, margin}, place.output);
            if (used) used->data()[i] = n;
        });
    }

    // The next decision of some environments, whose states are `states[rows[i]]`.
    void advance(std::mutex &mutex, std::vector<std::unique_ptr<State>> &states, const Array &input, bool currents,
                 const Input<int64_t> &rows, const Input<bool> &first, uint32_t steps, size_t threads,
                 const Results &results) const {
        const Batch batch(input, currents, inputs_, neurons_.front());
        check(batch, steps, results);
        require(rows.size() == batch.size && first.size() == batch.size, "a row and a flag for each decision");
        std::vector<bool> taken;
        for (size_t i = 0; i < batch.size; i++) {
            require(rows.data()[i] >= 0, "numbers of environments");
            const size_t row = static_cast<size_t>(rows.data()[i]);
            if (row >= taken.size()) taken.resize(row + 1);
            require(!taken[row], "each environment once");
            taken[row] = true;
        }
        const nb::gil_scoped_release release;
        const std::lock_guard<std::mutex> lock(mutex);  // released first, then the GIL is taken again
        if (taken.size() > states.size()) states.resize(taken.size());
        for (size_t i = 0; i < batch.size; i++) {
            std::unique_ptr<State> &state = states[static_cast<size_t>(rows.data()[i])];
            if (!state) state.reset(network_->state());
        }
        for_each_decision(*workspaces_, batch.size, threads, [&](Workspace &workspace, size_t i) {
            const Place place(results, neurons_, batch.size, i);
            State *const state = states[static_cast<size_t>(rows.data()[i])].get();
            network_->decide(workspace, state, first.data()[i], batch.kind, batch.of(i), {steps, 0, 0}, place.output);
        });
    }

private:
    void check(const Batch &batch, uint32_t steps, const Results &results) const {
        require(steps > 0 && steps <= most_steps_, "at least one step, and as many step biases");
        results.check(neurons_, batch.size, steps);
    }

    std::vector<size_t> neurons_;
    size_t inputs_, most_steps_ = SIZE_MAX;
    std::unique_ptr<Network> network_;
    std::unique_ptr<Workspaces> workspaces_;
};

// What a network remembers of each of any number of environments.
class Stream {
public:
    explicit Stream(const Decisions &network) : network_(network) {}
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;

    void advance(const Array &input, bool currents, const Input<int64_t> &rows, const Input<bool> &first,
                 uint32_t steps, size_t threads, Optional<float> q, Optional<float> q_spike, PerLayer<float> counts,
                 PerLayer<float> sent, PerLayer<int8_t> spikes) {
        network_.advance(mutex_, states_, input, currents, rows, first, steps, threads,
                         {q, q_spike, counts, sent, spikes});
    }

private:
    const Decisions &network_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<State>> states_;
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
               uint32_t max_spikes, uint32_t max_count, bool is_signed, double beta, double reach, uint32_t delay,
               uint32_t duration) {
                new (self) LayerSpec(layer(in_pixels, in_channels, pixels, channels, fields, runs, repeats_rows,
                                           weights, bias, threshold, v_init, step_bias, hard_reset, step, max_spikes,
                                           max_count, is_signed, beta, reach, delay, duration));
            },
            nb::kw_only(), "in_pixels"_a, "in_channels"_a, "pixels"_a, "channels"_a, "fields"_a, "runs"_a,
            "repeats_rows"_a, "weights"_a, "bias"_a, "threshold"_a, "v_init"_a, "step_bias"_a, "hard_reset"_a, "step"_a,
            "max_spikes"_a, "max_count"_a, "is_signed"_a, "beta"_a, "reach"_a, "delay"_a, "duration"_a);
    nb::class_<Decisions>(module, "Network")
        .def(nb::init<bool, double, double, std::vector<LayerSpec>, const Input<double> &, double, uint32_t, bool,
                      uint32_t, bool, double>(),
             nb::kw_only(), "on_grid"_a, "input_step"_a, "weight_step"_a, "layers"_a, "output_distance"_a,
             "readout_scale"_a, "most_spikes"_a, "delta"_a, "warmup_steps"_a, "onset"_a, "carry"_a)
        .def("run", &Decisions::run, "input"_a, nb::kw_only(), "currents"_a = false, "steps"_a, "threads"_a = 1,
             "every"_a = 0, "margin"_a = 0.0f, "q"_a = nb::none(), "q_spike"_a = nb::none(), "counts"_a = nb::none(),
             "sent"_a = nb::none(), "spikes"_a = nb::none(), "used"_a = nb::none());
    nb::class_<Stream>(module, "Stream")
        .def(nb::init<const Decisions &>(), "network"_a, nb::keep_alive<1, 2>())
        .def("advance", &Stream::advance, "input"_a, nb::kw_only(), "currents"_a, "rows"_a, "first"_a, "steps"_a,
             "threads"_a = 1, "q"_a = nb::none(), "q_spike"_a = nb::none(), "counts"_a = nb::none(),
             "sent"_a = nb::none(), "spikes"_a = nb::none());
}
