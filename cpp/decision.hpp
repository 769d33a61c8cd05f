// One decision: the layers one after the other over a chunk of steps, chunk after chunk, membranes carried along.
#pragma once

#include "memory.hpp"

namespace dqn2snn::DQN2SNN_ISA {

constexpr uint32_t longest_chunk = 64, shortest_chunk = 8;
constexpr size_t list_budget = 4 << 20;  // entries of the lists of a layer

// Initial membranes of the hidden layers, into which a part of what the last decision left has gone.
template <class N>
class CarriedState final : public State {
public:
    Array<Array<typename N::Value>> v;  // [layers] [pixels][padded]

    explicit CarriedState(const Array<Layer<N>> &all) : v(all.size() - 1) {
        for (size_t i = 0; i < v.size(); i++)
            v[i] = Array<typename N::Value>(static_cast<size_t>(all[i].pixels) * all[i].padded);
        rest(all);
    }
    void rest(const Array<Layer<N>> &all) {
        for (size_t i = 0; i < v.size(); i++)
            for (uint32_t p = 0; p < all[i].pixels; p++)
                std::memcpy(v[i].begin() + static_cast<size_t>(p) * all[i].padded, all[i].v_init_of(p),
                            all[i].padded * sizeof(typename N::Value));
    }
};

template <class N>
class Simulator final : public Network {
public:
    using Value = typename N::Value;

    explicit Simulator(const NetworkSpec &spec)
        : layers_(spec.layers.size()),
          distance_(spec.output_distance.size()),
          scale_(spec.readout_scale),
          carry_(spec.carry) {
        size_t largest = 0;
        for (size_t i = 0; i < layers_.size(); i++) {
            layers_[i] = prepared<N>(spec.layers[i], i > 0 && layers_[i - 1].graded, spec.onset);
            largest = larger(largest, layers_[i].neurons());
        }
        input_ = new Input<N>(spec, layers_[0]);
        chunk_ = static_cast<uint32_t>(larger<size_t>(1, smaller<size_t>(longest_chunk, list_budget / largest)));
        for (size_t i = 0; i < distance_.size(); i++) distance_[i] = static_cast<float>(spec.output_distance[i]);
    }
    Simulator(const Simulator &) = delete;
    Simulator &operator=(const Simulator &) = delete;
    ~Simulator() override { delete input_; }

    Workspace *workspace() const override { return new Memory<N>(*input_, layers_, chunk_); }

    State *state() const override { return new CarriedState<N>(layers_); }

    uint32_t decide(Workspace &workspace, State *remembered, bool first, Kind kind, const void *data,
                    const Request &request, const Output &out) const override {
        Memory<N> &memory = static_cast<Memory<N> &>(workspace);
        CarriedState<N> *const state = static_cast<CarriedState<N> *>(remembered);
        if (state && first) state->rest(layers_);
        const bool counts = out.counts || state;
        // Output pixels that share a unit receive the same input, but remember something else.
        input_->read(layers_[0], kind, data, memory.input, memory.layers[0].units, state != nullptr);
        start(memory, counts, state);
        // What is simulated beyond the step that settles a decision is wasted.
        const uint32_t chunk = request.every ? smaller(chunk_, larger(request.every, shortest_chunk)) : chunk_;
        uint32_t used = 0;
        for (bool settled = false; used < request.steps && !settled;) {
            const uint32_t steps = smaller(chunk, request.steps - used);
            for (size_t i = 0; i < layers_.size(); i++) advance(memory, i, used, steps);
            if (counts) count(memory, steps);
            if (out.spikes) keep_spikes(memory, used, steps, out);
            for (uint32_t t = 0; t < steps && !settled; t++) settled = read_out(memory, t, ++used, request, out);
        }
        if (out.counts) write_counts(memory, used, out);
        if (state) carry(memory, used, *state);
        return used;
    }

private:
    void start(Memory<N> &memory, bool counts, const CarriedState<N> *from) const {
        for (size_t i = 0; i < layers_.size(); i++) {
            const Layer<N> &layer = layers_[i];
            LayerState<N> &state = memory.layers[i];
            if (i > 0) find_units(layer, memory.layers[i - 1].units, state.units);
            for (uint32_t u = 0; u < state.units.count(); u++)
                std::memcpy(state.v.begin() + static_cast<size_t>(u) * layer.padded,
                            layer.v_init_of(state.units.pixel(u)), layer.padded * sizeof(Value));
            if (from && i < from->v.size())
                std::memcpy(state.v.begin(), from->v[i].begin(), from->v[i].size() * sizeof(Value));
            const size_t units = state.units.count();
            if (!layer.steady) {
                std::memset(state.exact_n.begin(), 0, units * layer.padded * sizeof(double));
                for (size_t k = 0; k < units * layer.padded; k++) state.exact_v[k] = static_cast<double>(state.v[k]);
            }
            if (layer.graded) {
                std::memset(state.n.begin(), 0, units * layer.padded * sizeof(int32_t));
                std::memset(state.sent.begin(), 0, units * layer.padded * sizeof(int32_t));
            } else if (counts) {
                state.counts.clear(units * layer.words);
            }
        }
        for (float &total : memory.totals) total = 0;
        memory.unit = 0;
    }

    void advance(Memory<N> &memory, size_t i, uint32_t done, uint32_t steps) const {
        const Layer<N> &layer = layers_[i];
        LayerState<N> &state = memory.layers[i];
        const bool last = i + 1 == layers_.size();
        Value *const record = last ? memory.membranes.begin() : nullptr;
        if (!layer.simple) {
            advance_summed(memory, i, done, steps, record);
        } else if (i > 0 && layer.direct) {
            sum_directly(memory.gatherer, memory.layers[i - 1].lists, layer, done, steps, memory.sums.begin());
            fire_pixel(layer, 0, memory.sums.begin(), layer.padded, memory.gatherer.none(steps), steps, state.v.begin(),
                       state.spikes.begin(), record);
        } else {
            for (uint32_t u = 0; u < state.units.count(); u++) {
                const uint32_t pixel = state.units.pixel(u);
                const size_t place = static_cast<size_t>(u) * layer.padded;
                const Value *const bias = i == 0 ? memory.input.currents.begin() + place : layer.bias_of(pixel);
                const Events events = i == 0 ? memory.gatherer.none(steps)
                                             : memory.gatherer.gather(layer, pixel, memory.layers[i - 1].lists, steps);
                fire_pixel(layer, pixel, bias, 0, events, steps, state.v.begin() + place,
                           state.spikes.begin() + static_cast<size_t>(u) * chunk_ * layer.words, record);
            }
        }
        if (last) return;
        if (layer.graded)
            state.graded_lists.fill(layer, state.units, state.spikes.begin(), state.numbers.begin(), steps);
        else
            state.lists.fill(layer, state.units, state.spikes.begin(), nullptr, steps);
    }

    // Layers in which something is graded: currents are summed up first, then neurons fire.
    __attribute__((noinline)) void advance_summed(Memory<N> &memory, size_t i, uint32_t done, uint32_t steps,
                                                  Value *record) const {
        const Layer<N> &layer = layers_[i];
        LayerState<N> &state = memory.layers[i];
        const size_t stride = i == 0 ? 0 : layer.padded;
        for (uint32_t u = 0; u < state.units.count(); u++) {
            const size_t place = static_cast<size_t>(u) * layer.padded;
            const Value *currents = memory.input.currents.begin() + place;
            if (i > 0) {
                currents = memory.sums.begin();
                sum(memory, i, state.units.pixel(u), done, steps);
            }
            uint64_t *const spikes = state.spikes.begin() + static_cast<size_t>(u) * chunk_ * layer.words;
            if (!layer.steady) {
                const KeptNeurons<Value> neurons{layer.v_init_of(state.units.pixel(u)),
                                                 state.exact_v.begin() + place,
                                                 state.exact_n.begin() + place,
                                                 state.sent.begin() + place,
                                                 spikes,
                                                 state.numbers.begin() + place * chunk_,
                                                 record ? memory.charges.begin() : nullptr};
                fire_kept(layer, currents, stride, i == 0 && layer.onset, done, steps, neurons);
                continue;
            }
            if (!layer.graded) {
                fire_pixel(layer, state.units.pixel(u), currents, stride, memory.gatherer.none(steps), steps,
                           state.v.begin() + place, spikes, record);
                continue;
            }
            const GradedNeurons<Value> neurons{state.v.begin() + place, state.n.begin() + place,
                                               state.sent.begin() + place, spikes,
                                               state.numbers.begin() + place * chunk_};
            fire_graded(layer, currents, stride, steps, neurons);
        }
    }

    // The currents of an output pixel, step by step.
    void sum(Memory<N> &memory, size_t i, uint32_t pixel, uint32_t done, uint32_t steps) const {
        const LayerState<N> &before = memory.layers[i - 1];
        if (layers_[i - 1].graded)
            sum(memory.graded_gatherer, before.graded_lists, layers_[i], pixel, done, steps, memory.sums.begin());
        else
            sum(memory.gatherer, before.lists, layers_[i], pixel, done, steps, memory.sums.begin());
    }
    template <class E>
    static void sum(Gatherer<E> &gatherer, const SpikeLists<E> &lists, const Layer<N> &layer, uint32_t pixel,
                    uint32_t done, uint32_t steps, Value *sums) {
        if (layer.direct) return sum_directly(gatherer, lists, layer, done, steps, sums);
        set_bias(layer, pixel, done, steps, sums);
        const EventsOf<E> events = gatherer.gather(layer, pixel, lists, steps);
        for (uint32_t k = 0; k < layer.num_tiles; k++) {
            const Tile &tile = layer.tiles[k];
            accumulate<N>(layer.weights.begin() + tile.weights, tile.width / N::lanes, tile.group, events, steps,
                          sums + tile.channel, layer.padded);
        }
    }

    static void set_bias(const Layer<N> &layer, uint32_t pixel, uint32_t done, uint32_t steps, Value *sums) {
        const Value *const bias = layer.bias_of(pixel);
        for (uint32_t t = 0; t < steps; t++, sums += layer.padded) {
            if (layer.onset && done + t)
                std::memset(sums, 0, layer.padded * sizeof(Value));
            else
                std::memcpy(sums, bias, layer.padded * sizeof(Value));
            if (!layer.step_bias.size()) continue;
            const Value *const more = layer.step_bias.begin() + (done + t) * static_cast<size_t>(layer.padded);
            for (uint32_t c = 0; c < layer.padded; c++) sums[c] += more[c];
        }
    }

    // The currents of a layer that reads all inputs, step by step. Weight rows are visited block by block and, within a
    // block, for all steps: a row that is used more than once is then still in the first level of the cache.
    template <class E>
    static void sum_directly(Gatherer<E> &gatherer, const SpikeLists<E> &lists, const Layer<N> &layer, uint32_t done,
                             uint32_t steps, Value *sums) {
        set_bias(layer, 0, done, steps, sums);
        const uint32_t block = larger(1u, rows_of_block / layer.in_channels);
        for (uint32_t k = 0; k < layer.num_tiles; k++) {
            const Tile &tile = layer.tiles[k];
            for (uint32_t first = 0; first < layer.in_pixels; first += block) {
                const uint32_t last = smaller(first + block, layer.in_pixels);
                const EventsOf<E> events = gatherer.stretch(layer, lists, first, last, steps);
                const size_t row = layer.rows_fit_events() ? 0 : static_cast<size_t>(first) * layer.in_channels;
                accumulate<N>(layer.weights.begin() + tile.weights + row * tile.width, tile.width / N::lanes,
                              tile.group, events, steps, sums + tile.channel, layer.padded);
            }
        }
    }

    void count(Memory<N> &memory, uint32_t steps) const {
        for (size_t i = 0; i < layers_.size(); i++) {
            LayerState<N> &state = memory.layers[i];
            if (layers_[i].graded) continue;  // they count themselves
            const uint32_t words = layers_[i].words;
            for (size_t u = 0; u < state.units.count(); u++)
                for (uint32_t t = 0; t < steps; t++)
                    for (uint32_t w = 0; w < words; w++)
                        state.counts.add(u * words + w, state.spikes[(u * chunk_ + t) * words + w]);
        }
    }

    // With r = v(T) - v_init, at least -theta N(T): v(0) = v_init + clip(carry r, -theta / 2, theta / 2), rounded down,
    // in [0, theta). On the grid only.
    void carry(const Memory<N> &memory, uint32_t steps, CarriedState<N> &to) const {
        for (size_t i = 0; i < to.v.size(); i++) {
            const Layer<N> &layer = layers_[i];
            const LayerState<N> &state = memory.layers[i];
            for (uint32_t p = 0; p < layer.pixels; p++) {
                const Value *const v_init = layer.v_init_of(p);
                for (uint32_t c = 0; c < layer.channels; c++) {
                    const uint32_t place = N::place(c);
                    const size_t at = static_cast<size_t>(p) * layer.padded + place;
                    const double theta = static_cast<double>(layer.threshold[place]);
                    const double rest = static_cast<double>(v_init[place]);
                    const double left = larger(static_cast<double>(state.v[at]) - rest,
                                               -theta * static_cast<double>(net_count(layer, state, p, c, steps)));
                    const double change = larger(-theta / 2, smaller(theta / 2, carry_ * left));
                    const double v = larger(0.0, rest + __builtin_floor(change));
                    to.v[i][at] = static_cast<Value>(smaller(v, theta - 1));
                }
            }
        }
    }

    static int32_t net_count(const Layer<N> &layer, const LayerState<N> &state, size_t unit, uint32_t c,
                             uint32_t steps) {
        if (layer.graded) return state.n[unit * layer.padded + N::place(c)];
        return static_cast<int32_t>(state.counts.of(unit * layer.words + c / 64, c % 64, steps));
    }

    void write_counts(const Memory<N> &memory, uint32_t steps, const Output &out) const {
        for (size_t i = 0; i < layers_.size(); i++) {
            const Layer<N> &layer = layers_[i];
            const LayerState<N> &state = memory.layers[i];
            for (uint32_t p = 0; p < layer.pixels; p++)
                for (uint32_t c = 0; c < layer.channels; c++) {
                    const size_t to = static_cast<size_t>(c) * layer.pixels + p, unit = state.units.of(p);
                    const size_t at = unit * layer.padded + N::place(c);
                    const int32_t count = net_count(layer, state, unit, c, steps);
                    out.counts[i][to] = static_cast<float>(layer.steady ? count : state.exact_n[at]);
                    if (!out.sent[i]) continue;
                    const int32_t sent = layer.graded ? state.sent[at] : count;
                    out.sent[i][to] = static_cast<float>(sent);
                }
        }
    }

    void keep_spikes(const Memory<N> &memory, uint32_t done, uint32_t steps, const Output &out) const {
        for (size_t i = 0; i < layers_.size(); i++) {
            if (!out.spikes[i]) continue;
            const Layer<N> &layer = layers_[i];
            const LayerState<N> &state = memory.layers[i];
            for (uint32_t t = 0; t < steps; t++) {
                int8_t *const spikes = out.spikes[i] + (done + t) * out.spikes_stride[i];
                for (uint32_t p = 0; p < layer.pixels; p++) {
                    const size_t step = static_cast<size_t>(state.units.of(p)) * chunk_ + t;
                    const uint64_t *const words = state.spikes.begin() + step * layer.words;
                    for (uint32_t c = 0; c < layer.channels; c++)
                        spikes[static_cast<size_t>(c) * layer.pixels + p] =
                            layer.graded ? static_cast<int8_t>(state.numbers[step * layer.padded + c])
                                         : static_cast<int8_t>(words[c / 64] >> c % 64 & 1);
                }
            }
        }
    }

    // Q-values after a step, `scale (N theta + V - V(0)) / (t theta)`, in the float32 operations of the other engines.
    // Returns whether the decision ends here.
    bool read_out(Memory<N> &memory, uint32_t t, uint32_t used, const Request &request, const Output &out) const {
        const Layer<N> &layer = layers_[layers_.size() - 1];
        const LayerState<N> &state = memory.layers[layers_.size() - 1];
        const float step = static_cast<float>(layer.step), steps = static_cast<float>(used);
        const float scale = static_cast<float>(scale_);
        if (!layer.steady) read_charge(layer, memory, t);
        for (uint32_t a = 0; a < layer.channels; a++) {
            const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(used - 1) * out.q_stride + a;
            if (!layer.steady) {
                if (out.q) out.q[offset] = memory.q[a];
                if (out.q_spike) out.q_spike[offset] = __builtin_nanf("");  // spikes say nothing
                continue;
            }
            const uint32_t place = N::place(a);
            const float theta = static_cast<float>(layer.threshold[place]) * step;
            const float v = static_cast<float>(memory.membranes[t * layer.padded + place]) * step;
            const float v_init = static_cast<float>(layer.v_init[place]) * step;
            float &total = memory.totals[a];
            total += static_cast<float>(state.spikes[static_cast<size_t>(t) * layer.words + a / 64] >> a % 64 & 1);
            memory.q[a] = scale * ((total * theta + v - v_init) / (steps * theta));
            if (out.q) out.q[offset] = memory.q[a];
            if (out.q_spike) out.q_spike[offset] = scale * (total / steps);
        }
        return request.every && used % request.every == 0 && settled(memory, used, request.margin);
    }

    // Q-values of output neurons that integrate only: their charge by what a current of one would have brought them, at
    // the first step or at each one.
    void read_charge(const Layer<N> &layer, Memory<N> &memory, uint32_t t) const {
        const double arrives = layer.onset ? memory.unit == 0 : 1;
        memory.unit = layer.beta * memory.unit + arrives;
        for (uint32_t a = 0; a < layer.channels; a++) {
            const uint32_t place = N::place(a);
            const double charge = memory.charges[t * layer.padded + place] - static_cast<double>(layer.v_init[place]);
            const double theta = static_cast<double>(layer.threshold[place]);
            memory.q[a] = static_cast<float>(scale_ * (charge / (theta * memory.unit)));
        }
    }

    // Whether the lead of the best action over each other, summed over the steps, is `margin` times their distance; in
    // the float32 operations of the rule in Python.
    bool settled(const Memory<N> &memory, uint32_t steps, float margin) const {
        const size_t n = memory.q.size();
        size_t best = 0;
        for (size_t a = 1; a < n; a++)
            if (memory.q[a] > memory.q[best]) best = a;
        for (size_t a = 0; a < n; a++) {
            const float lead = (memory.q[best] - memory.q[a]) * static_cast<float>(steps);
            if (!(lead >= margin * distance_[best * n + a])) return false;
        }
        return true;
    }

    Array<Layer<N>> layers_;
    Input<N> *input_ = nullptr;
    Array<float> distance_;
    double scale_, carry_;
    uint32_t chunk_;
};

}  // namespace dqn2snn::DQN2SNN_ISA
