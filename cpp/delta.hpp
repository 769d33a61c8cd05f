// Sigma-delta coding: spikes say how levels have changed, and all state persists from one decision to the next.
//
// Work is done where something changes. The first layer receives the difference of its current at the first step of a
// decision, and only output pixels that see a changed input pixel have one. A spike adds its weight row to the
// membranes of the output pixels that see it, and only pixels that have received something, or could still fire after
// their last step, are looked at. Integers on a grid, so that nothing drifts.
#pragma once

#include "fan.hpp"
#include "input.hpp"
#include "neuron.hpp"

namespace dqn2snn::DQN2SNN_ISA {

struct Segment {  // the events of one pixel in one step
    uint32_t pixel, begin, end;
};

// Of one layer, in one step, until the next layer has seen it.
struct DeltaEvents {
    Array<GradedEvent> events;  // a channel, and a number of spikes
    Array<Segment> segments;
    uint32_t num_segments = 0;
    PixelSet touched;
    Array<int32_t> sent;  // [pixels][padded], in this decision

    DeltaEvents() = default;
    explicit DeltaEvents(const Layer<Grid> &layer)
        : events(layer.neurons()),
          segments(layer.pixels),
          touched(layer.pixels),
          sent(static_cast<size_t>(layer.pixels) * layer.padded) {}
};

struct DeltaNeurons {
    Array<int32_t> v, n;  // [pixels][padded], in membrane order
    PixelSet pending;     // could fire again without any input
};

// What the network of one environment remembers.
class DeltaState final : public State {
public:
    bool at_rest = false;
    Array<DeltaNeurons> layers;
    Array<int32_t> current;  // of the first layer, [pixels][padded]
    SeenFrame seen;

    explicit DeltaState(const Array<Layer<Grid>> &all) : layers(all.size()) {
        for (size_t i = 0; i < all.size(); i++) {
            const size_t size = static_cast<size_t>(all[i].pixels) * all[i].padded;
            layers[i].v = Array<int32_t>(size), layers[i].n = Array<int32_t>(size);
            layers[i].pending = PixelSet(all[i].pixels);
        }
        current = Array<int32_t>(layers[0].v.size());
        rest(all);
    }
    void rest(const Array<Layer<Grid>> &all) {
        for (size_t i = 0; i < all.size(); i++) {
            DeltaNeurons &neurons = layers[i];
            for (uint32_t p = 0; p < all[i].pixels; p++)
                std::memcpy(neurons.v.begin() + static_cast<size_t>(p) * all[i].padded, all[i].v_init_of(p),
                            all[i].padded * sizeof(int32_t));
            std::memset(neurons.n.begin(), 0, neurons.n.size() * sizeof(int32_t));
            neurons.pending.fill();  // nobody has looked whether the initial membrane is below the threshold
        }
        std::memset(current.begin(), 0, current.size() * sizeof(int32_t));
        seen.forget();
        at_rest = true;
    }
};

class DeltaMemory final : public Workspace {
public:
    Input<Grid>::Memory input;
    PixelSet changed;  // output pixels of the first layer
    Array<DeltaEvents> layers;
    Array<int16_t> numbers;
    Array<uint64_t> words;
    DeltaState from_rest;  // for decisions without a past

    DeltaMemory(const Input<Grid> &from, const Array<Layer<Grid>> &all)
        : input(from.memory(all[0])), changed(all[0].pixels), layers(all.size()), from_rest(all) {
        size_t widest = 0;
        for (size_t i = 0; i < all.size(); i++) {
            layers[i] = DeltaEvents(all[i]);
            widest = larger<size_t>(widest, all[i].padded);
        }
        numbers = Array<int16_t>(widest), words = Array<uint64_t>(widest / 64 + 1);
    }
};

class DeltaSimulator final : public Network {
public:
    explicit DeltaSimulator(const NetworkSpec &spec)
        : layers_(spec.layers.size()),
          fans_(spec.layers.size()),
          scale_(static_cast<float>(spec.readout_scale)),
          warmup_(spec.warmup_steps) {
        for (size_t i = 0; i < layers_.size(); i++) {
            layers_[i] = prepared<Grid>(spec.layers[i], false);
            fans_[i] = Fan(layers_[i]);
        }
        input_ = new Input<Grid>(spec, layers_[0]);
    }
    DeltaSimulator(const DeltaSimulator &) = delete;
    DeltaSimulator &operator=(const DeltaSimulator &) = delete;
    ~DeltaSimulator() override { delete input_; }

    Workspace *workspace() const override { return new DeltaMemory(*input_, layers_); }
    State *state() const override { return new DeltaState(layers_); }

    uint32_t decide(Workspace &workspace, State *remembered, bool first, Kind kind, const void *data,
                    const Request &request, const Output &out) const override {
        DeltaMemory &memory = static_cast<DeltaMemory &>(workspace);
        DeltaState &state = remembered ? *static_cast<DeltaState *>(remembered) : memory.from_rest;
        if ((first || !remembered) && !state.at_rest) state.rest(layers_);
        const uint32_t warmup = remembered && state.at_rest ? warmup_ : 0;
        state.at_rest = false;
        if (out.counts)
            for (DeltaEvents &layer : memory.layers)
                std::memset(layer.sent.begin(), 0, layer.sent.size() * sizeof(int32_t));
        present(memory, state, kind, data);
        for (uint32_t t = 0; t < warmup + request.steps; t++) {
            for (size_t i = 0; i < layers_.size(); i++) {
                if (i > 0) receive(i, memory.layers[i - 1], memory.layers[i].touched, state.layers[i]);
                fire(memory, i, state.layers[i], out.counts != nullptr);
            }
            if (t < warmup) continue;
            if (out.spikes) keep_spikes(memory, t - warmup, out);
            read_out(state, t - warmup, out);
        }
        if (out.counts) write_counts(memory, state, out);
        return request.steps;
    }

private:
    // Adds the difference of the first layer's currents to its membranes.
    void present(DeltaMemory &memory, DeltaState &state, Kind kind, const void *data) const {
        const Layer<Grid> &layer = layers_[0];
        input_->each_change(layer, fans_[0], kind, data, memory.input, state.seen, memory.changed,
                            [&](uint32_t pixel, const int32_t *current) {
                                const size_t place = static_cast<size_t>(pixel) * layer.padded;
                                int32_t *const before = state.current.begin() + place;
                                int32_t *const v = state.layers[0].v.begin() + place;
                                int32_t differs = 0;
                                for (uint32_t c = 0; c < layer.padded; c++) {
                                    const int32_t difference = current[c] - before[c];
                                    v[c] += difference, before[c] = current[c];
                                    differs |= difference;
                                }
                                if (differs) memory.layers[0].touched.add(pixel);
                            });
    }

    // Adds the weight rows of the events of the layer before.
    void receive(size_t i, const DeltaEvents &before, PixelSet &touched, DeltaNeurons &neurons) const {
        const Layer<Grid> &layer = layers_[i];
        if (layer.pixels == 1) return receive_all(i, before, touched, neurons);
        for (uint32_t s = 0; s < before.num_segments; s++) {
            const Segment &segment = before.segments[s];
            for (const Target &target : fans_[i].of(segment.pixel)) {
                touched.add(target.pixel);
                int32_t *const v = neurons.v.begin() + static_cast<size_t>(target.pixel) * layer.padded;
                for (uint32_t k = 0; k < layer.num_tiles; k++) add(layer, k, target.row, before, segment, v);
            }
        }
    }
    // The same for a layer of one output pixel, tile by tile.
    void receive_all(size_t i, const DeltaEvents &before, PixelSet &touched, DeltaNeurons &neurons) const {
        const Layer<Grid> &layer = layers_[i];
        for (uint32_t k = 0; k < layer.num_tiles; k++)
            for (uint32_t s = 0; s < before.num_segments; s++)
                for (const Target &target : fans_[i].of(before.segments[s].pixel)) {
                    touched.add(0);
                    add(layer, k, target.row, before, before.segments[s], neurons.v.begin());
                }
    }
    static void add(const Layer<Grid> &layer, uint32_t k, uint32_t row, const DeltaEvents &before,
                    const Segment &segment, int32_t *v) {
        const Tile &tile = layer.tiles[k];
        const GradedEvent *begin = before.events.begin() + segment.begin, *end = before.events.begin() + segment.end;
        const EventsOf<GradedEvent> events{&begin, &end};
        accumulate<Grid>(layer.weights.begin() + tile.weights + static_cast<size_t>(row) * tile.width,
                         tile.width / Grid::lanes, tile.group, events, 1, v + tile.channel, 0);
    }

    // One step of the neurons that have received something or could still fire.
    void fire(DeltaMemory &memory, size_t i, DeltaNeurons &neurons, bool count) const {
        const Layer<Grid> &layer = layers_[i];
        DeltaEvents &out = memory.layers[i];
        const Limits limits(layer);
        uint32_t num_events = 0;
        out.num_segments = 0;
        PixelSet::take_each(out.touched, neurons.pending, [&](uint32_t pixel) {
            const size_t place = static_cast<size_t>(pixel) * layer.padded;
            const bool again = fire_changes(layer, limits, neurons.v.begin() + place, neurons.n.begin() + place,
                                            memory.numbers.begin(), memory.words.begin());
            const uint32_t begin = num_events;
            for (uint32_t w = 0; w < layer.words; w++)
                for (uint64_t word = memory.words[w]; word; word &= word - 1) {
                    const uint32_t c = 64 * w + static_cast<uint32_t>(__builtin_ctzll(word));
                    const int16_t number = memory.numbers[c];
                    out.events[num_events++] = c | static_cast<uint32_t>(number) << 16;
                    if (count) out.sent[place + c] += number < 0 ? -number : number;
                }
            if (num_events > begin) out.segments[out.num_segments++] = {pixel, begin, num_events};
            return again;
        });
    }

    void keep_spikes(const DeltaMemory &memory, uint32_t t, const Output &out) const {
        for (size_t i = 0; i < layers_.size(); i++) {
            if (!out.spikes[i]) continue;
            int8_t *const spikes = out.spikes[i] + t * out.spikes_stride[i];
            const size_t pixels = layers_[i].pixels;
            std::memset(spikes, 0, layers_[i].neurons());
            const DeltaEvents &layer = memory.layers[i];
            for (uint32_t s = 0; s < layer.num_segments; s++)
                for (uint32_t e = layer.segments[s].begin; e < layer.segments[s].end; e++)
                    spikes[(layer.events[e] & 0xFFFF) * pixels + layer.segments[s].pixel] =
                        static_cast<int8_t>(layer.events[e] >> 16);
        }
    }

    // Q-values after a step, `scale (N theta + V) / theta`, in the float32 operations of the other engines.
    void read_out(const DeltaState &state, uint32_t t, const Output &out) const {
        const Layer<Grid> &layer = layers_[layers_.size() - 1];
        const DeltaNeurons &neurons = state.layers[layers_.size() - 1];
        const float step = static_cast<float>(layer.step);
        for (uint32_t a = 0; a < layer.channels; a++) {
            const uint32_t place = Grid::place(a);
            const float theta = static_cast<float>(layer.threshold[place]) * step;
            const float v = static_cast<float>(neurons.v[place]) * step, n = static_cast<float>(neurons.n[place]);
            const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(t) * out.q_stride + a;
            if (out.q) out.q[offset] = scale_ * ((n * theta + v) / theta);
            if (out.q_spike) out.q_spike[offset] = scale_ * n;
        }
    }

    void write_counts(const DeltaMemory &memory, const DeltaState &state, const Output &out) const {
        for (size_t i = 0; i < layers_.size(); i++) {
            const Layer<Grid> &layer = layers_[i];
            for (uint32_t p = 0; p < layer.pixels; p++)
                for (uint32_t c = 0; c < layer.channels; c++) {
                    const size_t to = static_cast<size_t>(c) * layer.pixels + p;
                    const size_t pixel = static_cast<size_t>(p) * layer.padded;
                    out.counts[i][to] = static_cast<float>(state.layers[i].n[pixel + Grid::place(c)]);
                    if (out.sent[i]) out.sent[i][to] = static_cast<float>(memory.layers[i].sent[pixel + c]);
                }
        }
    }

    Array<Layer<Grid>> layers_;
    Array<Fan> fans_;  // from the inputs of each layer
    Input<Grid> *input_ = nullptr;
    float scale_;
    uint32_t warmup_;
};

}  // namespace dqn2snn::DQN2SNN_ISA
