// Objects that one call after another uses, because it takes long to make one.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace cassata {

/// Objects that are not in use. Any number of threads.
template <class T>
class Pool {
 public:
  /// One of them; null if there is none.
  std::unique_ptr<T> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<T> object = std::move(idle_.back());
    idle_.pop_back();
    return object;
  }
  /// `object` may be null.
  void give(std::unique_ptr<T> object) {
    if (!object) return;
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(object));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace cassata
