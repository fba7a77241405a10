// Objects that one call after another uses, because it takes long to make one.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace cassata {

/// Objects that are not in use. Any number of threads.
template <class T>
class Pool {
 public:
  /// One of them; if there is none, what make() returns.
  template <class Make>
  std::unique_ptr<T> take(Make make) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<T> object = std::move(idle_.back());
        idle_.pop_back();
        return object;
      }
    }
    return make();
  }
  /// Keeps `object`, which may be null, unless there are kMost.
  void give(std::unique_ptr<T> object) {
    if (!object) return;
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMost) idle_.push_back(std::move(object));
  }

 private:
  static constexpr std::size_t kMost = 64;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace cassata
