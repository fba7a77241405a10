#include "tools/document_files.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "cassata/stream.h"
#include "format/base/text.h"
#include "format/os/file_reader.h"

namespace cassata::tools {
namespace {

/// The lines of a file, without their ends ("\n" or "\r\n").
class Lines {
 public:
  explicit Lines(const std::string& path) : file_(path) {}

  const std::string& name() const noexcept { return file_.name(); }
  /// Number of the last line, from 1.
  std::uint64_t number() const noexcept { return number_; }

  /// The next line, valid until the next call; none at the end.
  std::optional<std::string_view> next() {
    line_.clear();
    for (;;) {
      const std::size_t end = std::min(piece_.find('\n', at_), piece_.size());
      line_.append(piece_, at_, end - at_);
      at_ = std::min(end + 1, piece_.size());
      if (end != piece_.size()) break;
      if (read_ == file_.bytes()) {
        if (line_.empty()) return std::nullopt;
        break;
      }
      read_piece();
    }
    ++number_;
    if (line_.ends_with('\r')) line_.pop_back();
    return line_;
  }

 private:
  void read_piece() {
    constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
    piece_.resize(std::min(kPieceBytes, file_.bytes() - read_));
    file_.read(std::as_writable_bytes(std::span(piece_)), read_);
    read_ += piece_.size();
    at_ = 0;
  }

  FileReader file_;
  std::string piece_, line_;
  std::size_t at_ = 0;  // in the piece
  std::uint64_t read_ = 0, number_ = 0;
};

class LineDocuments final : public DocumentStream {
 public:
  explicit LineDocuments(const std::string& path) : DocumentStream(path, true), lines_(path) {}
  std::optional<std::string_view> next() override { return lines_.next(); }

 private:
  Lines lines_;
};

class JsonDocuments final : public DocumentStream {
 public:
  JsonDocuments(const std::string& path, std::string field)
      : DocumentStream(path, true), lines_(path), field_(std::move(field)) {}

  std::optional<std::string_view> next() override {
    const std::optional<std::string_view> line = lines_.next();
    if (!line) return std::nullopt;
    nlohmann::json object = nlohmann::json::parse(*line, nullptr, false);
    if (object.is_discarded() || !object.is_object()) refuse(cassata::quoted(*line), "expected a JSON object");
    const auto found = object.find(field_);
    if (found == object.end() || !found->is_string())
      refuse(found == object.end() ? "no key " + cassata::quoted(field_)
                                   : "the value of " + cassata::quoted(field_) + " is a " + found->type_name(),
             "expected a text (--document-field names the key)");
    text_ = std::move(found->get_ref<std::string&>());
    return text_;
  }

 private:
  [[noreturn]] void refuse(const std::string& found, const std::string& expected) const {
    invalid_argument(lines_.name() + ": line " + std::to_string(lines_.number()) + ": " + found + ", " + expected);
  }

  Lines lines_;
  std::string field_, text_;
};

}  // namespace

void add_documents(CommandLine& line, DocumentFile& file) {
  line.option(
      "documents", "FILE", "",
      "store a text of each vector in the index: one a line, in the order of the vectors; in .jsonl files a JSON "
      "object a line",
      [&](const std::string& text) { file.path = text; });
  line.option("document-field", "NAME", file.field, "the key of the text in .jsonl files",
              [&](const std::string& text) { file.field = text; });
}

std::unique_ptr<DocumentStream> open_documents(const DocumentFile& file) {
  if (file.path.empty()) return nullptr;
  if (input_extension(file.path) == ".jsonl") return std::make_unique<JsonDocuments>(file.path, file.field);
  return std::make_unique<LineDocuments>(file.path);
}

std::string in_one_column(std::string_view text) {
  constexpr std::string_view kPlain = "\t\n\r\\", kEscaped = "tnr\\";
  std::string out;
  for (const char c : text) {
    const std::size_t i = kPlain.find(c);
    i == kPlain.npos ? out += c : (out += '\\') += kEscaped[i];
  }
  return out;
}

}  // namespace cassata::tools
