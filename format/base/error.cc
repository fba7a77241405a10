#include "cassata/error.h"

#include <cerrno>
#include <system_error>

namespace cassata {

void io_error(const std::string& what, int error) {
  if (error == 0) error = errno;
  throw Error(Errc::io, what + ": " + std::generic_category().message(error), error);
}

}  // namespace cassata
