// The one way in which tests look at errors.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cassata/error.h"

namespace cassata::test {

/// Expects `call()` to throw Error(code) with a one-line message that has every one of `parts` in it. Returns the
/// message.
template <class Call>
std::string expect_error(Errc code, const std::vector<std::string>& parts, Call call) {
  try {
    call();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
    return message;
  }
  ADD_FAILURE() << "no error, expected one that says: " << (parts.empty() ? "" : parts.front());
  return {};
}

}  // namespace cassata::test
