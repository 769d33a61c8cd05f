// What a network is and what can be asked of it: the border between the bindings, which are compiled once, and
// the simulation, which is compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dqn2snn {

// A stretch of input pixels, contiguous in memory, that an output pixel reads: input channel c of pixel + j meets
// the weight row `row + j * in_channels + c`.
struct Run {
    uint32_t pixel, length, row;
};

// One layer of neurons and the synapses that lead to it. Images are pixel-major, [pixels][channels]; a layer
// without an image has one pixel. On the grid all numbers are integers, multiples of the layer's grid step.
struct LayerSpec {
    uint32_t in_pixels, in_channels, pixels, channels;
    std::vector<uint32_t> fields;  // [pixels + 1], where the runs of each output pixel start
    std::vector<Run> runs;
    bool repeats_rows;                 // whether two runs of an output pixel share a weight row
    std::vector<double> weights;       // [rows][channels]
    std::vector<double> bias, v_init;  // [channels], or [pixels][channels]
    std::vector<double> threshold;     // [channels]
    std::vector<double> step_bias;     // [steps][channels], or none
    bool hard_reset;
    double step;          // the grid step; 1 off the grid
    uint32_t max_spikes;  // in one step
    uint32_t max_count;   // altogether, those taken back subtracted; 0 for no limit
    bool is_signed;       // whether spikes are taken back
    double beta;          // what is kept of a membrane from one step to the next
    double reach;         // where beta > 1, membranes further from rest are taken for this far
    uint32_t delay;       // steps before the first in which neurons may fire
    uint32_t duration;    // steps from then on in which they may

    bool plain() const { return max_spikes == 1 && !max_count && !is_signed; }
    bool steady() const { return beta == 1 && !delay && duration == UINT32_MAX; }
};

// The first layer's weights serve once a decision, so that they and the observation have grids of their own:
// current = round(weight_step * W round(x / input_step) + bias), in steps of the layer's grid, in
// [0, most_spikes * threshold].
struct NetworkSpec {
    bool on_grid;
    double input_step, weight_step;       // both 1 off the grid
    std::vector<LayerSpec> layers;        // the last one is the output, whose neurons are the actions
    std::vector<double> output_distance;  // [actions][actions], of their weights, in the units of Q-values
    double readout_scale;
    uint32_t most_spikes;
    bool delta;             // sigma-delta coding, on the grid only; otherwise rate coding
    uint32_t warmup_steps;  // of delta coding, before the first decision of an episode
    bool onset;             // whether observation and biases are currents of the first step only
    double carry;           // of rate coding, on the grid only: what part of a membrane the next decision starts with
};

// Of the input: an observation, [channels][pixels], or the first layer's currents, [pixels][channels], as int32 on
// the grid and as floats off it.
enum class Kind { bytes, floats, doubles, currents };

struct Request {
    uint32_t steps;
    uint32_t every;  // 0: all steps; otherwise stop once the action is settled, looked at every so many steps
    float margin;
};

// Where the results of one decision go; pointers may be null.
struct Output {
    float *q, *q_spike;                   // [actions] after each step
    std::ptrdiff_t q_stride;              // floats from one step to the next; 0 keeps the last step only
    float *const *counts;                 // per layer, [channels][pixels], those taken back subtracted
    float *const *sent;                   // the same, those taken back added; only with counts
    int8_t *const *spikes;                // per layer or null, [channels][pixels] after each step
    const std::ptrdiff_t *spikes_stride;  // per layer, bytes from one step to the next
};

class Workspace {
public:
    virtual ~Workspace() = default;
};

// What the network of one environment remembers from one decision to the next.
class State {
public:
    virtual ~State() = default;
};

// Immutable once made: any number of threads may simulate it, each in a workspace of its own.
class Network {
public:
    virtual ~Network() = default;
    virtual Workspace *workspace() const = 0;
    virtual State *state() const = 0;  // at rest
    // Simulates one decision and returns the number of steps used. It continues from `state` unless it is the first of
    // an episode; where there is none, it begins at rest, without a warm-up.
    virtual uint32_t decide(Workspace &, State *state, bool first, Kind, const void *input, const Request &,
                            const Output &) const = 0;
};

struct Engine {
    const char *instruction_set;
    Network *(*make)(const NetworkSpec &);
};

namespace portable {
extern const Engine engine;
}
namespace avx2 {
extern const Engine engine;
}
namespace avx512 {
extern const Engine engine;
}

}  // namespace dqn2snn
