// Runs a test body once for each instruction set that is compiled in and that the machine supports.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cstdint>

namespace cassata::test {

/// Calls `body()` with dispatch limited to one instruction set at a time, then restores the free choice. Tables of
/// kernels taken before the call keep their instruction set: take them inside `body`.
template <class Body>
void for_each_target(Body body) {
  const std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
  for (std::int64_t rest = supported; rest != 0; rest &= rest - 1) {
    const std::int64_t target = rest & -rest;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    body();
    hwy::SetSupportedTargetsForTest(0);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace cassata::test
