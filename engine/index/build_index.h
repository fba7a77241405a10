// From vectors and parameters to an index file.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "cassata/manifest.h"
#include "cassata/params.h"
#include "cassata/rows.h"
#include "cassata/stream.h"
#include "format/file/mapped_file.h"

namespace cassata {

/// Searches a complete, unpublished file for a sample of its vectors.
using CheckBuild = std::function<SelfCheck(std::shared_ptr<const MappedFile> file, const Rows& sample)>;

/// Builds the file of Index::build(). `check` is called for approximate indexes; its result is stored in the file.
std::shared_ptr<const MappedFile> build_file(VectorStream& vectors, const BuildParams& params,
                                             const std::filesystem::path& path, const CheckBuild& check);

}  // namespace cassata
