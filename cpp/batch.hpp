// A batch of decisions, spread over threads, one decision on one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "simulate.hpp"

namespace dqn2snn {

// The workspaces of a network that are not in use; they are kept, because fresh memory costs as much as a decision.
class Workspaces {
public:
    explicit Workspaces(const Network &network) : network_(network) {}

    std::unique_ptr<Workspace> take() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (!free_.empty()) {
                std::unique_ptr<Workspace> workspace = std::move(free_.back());
                free_.pop_back();
                return workspace;
            }
        }
        return std::unique_ptr<Workspace>(network_.workspace());
    }
    void give_back(std::unique_ptr<Workspace> workspace) {
        const std::lock_guard<std::mutex> lock(mutex_);
        free_.push_back(std::move(workspace));
    }

private:
    const Network &network_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Workspace>> free_;
};

// Calls decide(workspace, i) for i in 0 .. batch - 1 on up to `threads` threads; rethrows what one of them threw.
inline void for_each_decision(Workspaces &workspaces, size_t batch, size_t threads,
                              const std::function<void(Workspace &, size_t)> &decide) {
    std::atomic<size_t> next{0};
    std::exception_ptr failure;
    std::mutex mutex;
    const auto work = [&] {
        try {
            std::unique_ptr<Workspace> workspace = workspaces.take();
            for (size_t i; (i = next.fetch_add(1)) < batch;) decide(*workspace, i);
            workspaces.give_back(std::move(workspace));
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    try {
        for (size_t k = 1; k < threads && k < batch; k++) others.emplace_back(work);
    } catch (const std::system_error &) {
        // No more threads to be had: those that started do the work.
    }
    work();
    for (std::thread &thread : others) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace dqn2snn
