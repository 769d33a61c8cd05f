// Aligned memory of a fixed size. Not std::vector: code of the standard library that is compiled here for a newer
// instruction set could be merged by the linker with that of the portable build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace dqn2snn::DQN2SNN_ISA {

constexpr size_t huge_page = 1 << 21;

template <class T>
class Array {
public:
    Array() = default;
    explicit Array(size_t size) : size_(size) {
        const size_t bytes = rounded(size * sizeof(T) + 64);  // kernels may write one vector past the end
        const bool large = bytes >= huge_page / 2;
        data_ = static_cast<T *>(std::aligned_alloc(large ? huge_page : 64, bytes));
        if (!data_) throw std::bad_alloc();
#if defined(__linux__)
        // Rows of weights are read here and there: in small pages, their addresses would be looked up again and again.
        if (large) madvise(static_cast<void *>(data_), bytes, MADV_HUGEPAGE);
#endif
        std::memset(static_cast<void *>(data_), 0, bytes);
        for (size_t i = 0; i < size; i++) new (data_ + i) T;  // numbers stay zero
    }
    Array(Array &&other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr; }
    Array &operator=(Array &&other) noexcept {
        T *const data = data_;
        const size_t size = size_;
        data_ = other.data_;
        size_ = other.size_;
        other.data_ = data;
        other.size_ = size;
        return *this;
    }
    ~Array() {
        if (!data_) return;
        for (T &element : *this) element.~T();
        std::free(data_);
    }

    T *begin() { return data_; }
    const T *begin() const { return data_; }
    T *end() { return data_ + size_; }
    const T *end() const { return data_ + size_; }
    T &operator[](size_t i) { return data_[i]; }
    const T &operator[](size_t i) const { return data_[i]; }
    size_t size() const { return size_; }

private:
    static size_t rounded(size_t bytes) {
        const size_t unit = bytes >= huge_page / 2 ? huge_page : 64;
        return (bytes + unit - 1) / unit * unit;
    }
    T *data_ = nullptr;
    size_t size_ = 0;
};

template <class T>
inline T smaller(T a, T b) {
    return a < b ? a : b;
}
template <class T>
inline T larger(T a, T b) {
    return a < b ? b : a;
}

}  // namespace dqn2snn::DQN2SNN_ISA
