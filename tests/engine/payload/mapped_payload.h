// Index files that hold a payload and little else.
#pragma once

#include <filesystem>
#include <memory>

#include "cassata/payload.h"
#include "engine/payload/checked_payload.h"
#include "tests/support/index_file.h"

namespace cassata::test {

/// A file of `size` vectors, none of which it has, with this payload.
inline std::shared_ptr<const MappedFile> write_payload(const std::filesystem::path& path, const Payload& payload,
                                                       std::uint64_t size) {
  FileWriter writer(path);
  Manifest manifest = small_manifest();
  manifest.size = size;
  CheckedPayload(&payload, size).write(writer, manifest);
  return writer.finish(std::move(manifest));
}

}  // namespace cassata::test
