// Runs the tests of a program. A test that fails prints the random seed of the run, so that the failure can be
// repeated.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/support/seed.h"

namespace {

class SeedPrinter : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo& info) override {
    if (info.result()->Failed())
      std::cout << "The random seed was CASSATA_TEST_SEED=" << cassata::test::run_seed() << std::endl;
  }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new SeedPrinter);
  return RUN_ALL_TESTS();
}
