// The encoders that a build of a schema needs.
#pragma once

#include <cstddef>

#include "cassata/manifest.h"
#include "cassata/params.h"
#include "engine/build/pipeline.h"

namespace cassata {

/// Codes of links in a paged graph: so short that a page holds many of them. They decide only which pages are read;
/// the rows of a page have finer codes.
CodesEntry link_codes();

BuildEncoders encoders_of(const BuildParams& params, std::size_t dim);

}  // namespace cassata
