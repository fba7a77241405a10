// A pool of objects that are slow to make, reused from call to call.
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
  /// An object that is not in use; if there is none, make().
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
  /// Returns `object`, which may be null, to the pool. Destroys it if the pool holds kMaxIdle objects.
  void give(std::unique_ptr<T> object) {
    if (!object) return;
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(object));
  }

 private:
  static constexpr std::size_t kMaxIdle = 64;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace cassata
