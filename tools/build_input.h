// The input of a build: a file of vectors, or an index with what it holds for them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cassata/index_source.h"
#include "tools/document_files.h"
#include "tools/payload_files.h"
#include "tools/vectors.h"

namespace cassata::tools {

class BuildInput {
 public:
  /// Opens the file if it is an index, of which `filter` chooses rows. Throws Error(invalid_argument) if a filter is
  /// given for another file.
  BuildInput(const std::string& path, const FilterChoices& filter);

  VectorKind vector_kind() const;
  /// The vectors, from the front.
  std::unique_ptr<VectorStream> vectors() const;
  /// What the files hold; and of an index what they do not give.
  Payload payload(const PayloadFiles& files) const;
  std::unique_ptr<DocumentStream> documents(const DocumentFile& file) const;
  /// See IndexSource::complete().
  template <class Params>
  void complete(Given<Params>& given) const {
    if (index_) IndexSource::complete(index_->index(), given);
  }

 private:
  std::string path_;
  std::optional<IndexSource> index_;  // none: another file
};

}  // namespace cassata::tools
