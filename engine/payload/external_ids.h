// Writes external ids; cassata/payload.h has the reader.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cassata/payload.h"
#include "format/file/file_writer.h"

namespace cassata {

/// The rows with ids ascending. Throws Error(invalid_argument) unless there are `size` ids, none is -1, texts are
/// UTF-8, and all are different; names two rows with one id.
std::vector<Id> order_of(const Payload::Ids& ids, std::uint64_t size);

/// Writes the sections of ids with this order.
void write_external_ids(const Payload::Ids& ids, std::span<const Id> order, FileWriter& writer);

}  // namespace cassata
