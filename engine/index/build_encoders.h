// Which encoders a build needs for an index of a schema.
#pragma once

#include <cstddef>

#include "cassata/manifest.h"
#include "cassata/params.h"
#include "engine/build/pipeline.h"

namespace cassata {

/// Codes of the neighbours in a graph in pages: so short that a page holds many, and so rough that the codes of the
/// page itself must be asked.
CodesEntry link_codes();

BuildEncoders encoders_of(const BuildParams& params, std::size_t dim);

}  // namespace cassata
