// cassata demo: the Python package's demonstration, found and run.
#include <string>

#include "tools/command.h"
#include "tools/python.h"

namespace cassata::tools {

int demo(const Words& words) {
  Words command = {find_python("cassata.demo", "demo"), "-m", "cassata.demo"};
  command.insert(command.end(), words.begin(), words.end());
  become(command);
}

}  // namespace cassata::tools
