#include "tools/build_input.h"

#include "cassata/error.h"

namespace cassata::tools {

BuildInput::BuildInput(const std::string& path, const FilterChoices& filter) : path_(path) {
  if (is_index_file(path)) {
    const Index index = Index::open(path);
    index_.emplace(index, filter_of(index, filter).get());
  } else if (filter.given()) {
    invalid_argument(std::string(filter.condition ? "--filter" : "--filter-ids") + ": given, but " + path +
                     " is no index file");
  }
}

VectorKind BuildInput::vector_kind() const {
  return index_ ? index_->index().manifest().schema.vector_kind : vector_kind_of(path_);
}

std::unique_ptr<VectorStream> BuildInput::vectors() const { return index_ ? index_->vectors() : open_vectors(path_); }

Payload BuildInput::payload(const PayloadFiles& files) const {
  Payload given = read_payload(files);
  return index_ ? index_->payload(std::move(given)) : given;
}

std::unique_ptr<DocumentStream> BuildInput::documents(const DocumentFile& file) const {
  return index_ && file.path.empty() ? index_->documents() : open_documents(file);
}

}  // namespace cassata::tools
