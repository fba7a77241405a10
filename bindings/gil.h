// Releases and takes Python's global interpreter lock, so that no thread can crash a process at its exit.
//
// When the interpreter ends, a daemon thread that asks for the lock never gets it: before Python 3.14 it is ended by
// pthread_exit() there and then, which unwinds its stack, and std::terminate() follows at the first destructor. Here
// such a thread sleeps until the process is gone.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>
#include <utility>

namespace cassata::python {

/// The thread state that the innermost WithoutGil of this thread released. Meaningless while the thread holds the lock.
inline thread_local PyThreadState* released = nullptr;

/// Takes the lock for the thread of `state`, or never returns, as the interpreter ends.
inline void take_gil(PyThreadState* state) noexcept {
  try {
    PyEval_RestoreThread(state);
  } catch (
      ...) {  // pthread_exit() unwinds: it is no exception of C++, and may neither be swallowed nor reach a destructor
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

/// The engine runs without the lock while this lives. The thread must hold it.
class WithoutGil {
 public:
  WithoutGil() noexcept : outer_(std::exchange(released, PyEval_SaveThread())) {}
  ~WithoutGil() {
    take_gil(released);
    released = outer_;
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* outer_;
};

/// The engine calls back: the thread of a WithoutGil holds the lock while this lives.
class WithGil {
 public:
  WithGil() noexcept { take_gil(released); }
  ~WithGil() { released = PyEval_SaveThread(); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
};

}  // namespace cassata::python
